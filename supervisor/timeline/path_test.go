package timeline

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// zero is the time 0 of the scripts.
var zero = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func at(ms int) time.Time { return zero.Add(time.Duration(ms) * time.Millisecond) }

// action makes an action of the length end of lines. Times are in milliseconds:
//
//	mark NAME POD WORKLOAD [OPERATOR] @TIME     wait WORKLOAD FOR FROM TO
//	KIND NAME OBJECT OF FROM TO [DETAIL...]     with - for ""; ! before the detail: it failed
func action(t *testing.T, end int, lines string) *Action {
	t.Helper()
	a := &Action{Name: "up", Start: zero, End: at(end), Over: true}
	for line := range strings.Lines(lines) {
		f := strings.Fields(line)
		for i := range f {
			f[i] = strings.TrimPrefix(strings.ReplaceAll(f[i], "_", " "), "-")
		}
		switch {
		case len(f) == 0:
		case f[0] == "mark":
			s := Span{Kind: Mark, Name: f[1], Object: f[2], Of: f[3]}
			if len(f) == 6 {
				s.Detail = f[4]
			}
			s.Start = at(number(t, strings.TrimPrefix(f[len(f)-1], "@")))
			s.End = s.Start
			a.Spans = append(a.Spans, s)
		case f[0] == "wait":
			a.Spans = append(a.Spans, Span{Kind: Wait, Name: "dependency", Object: f[1], Of: f[2], Start: at(number(t, f[3])), End: at(number(t, f[4]))})
		default:
			s := Span{Kind: Kind(f[0]), Name: f[1], Object: f[2], Of: f[3], Start: at(number(t, f[4])), End: at(number(t, f[5]))}
			s.Detail = strings.Join(f[6:], " ")
			s.Detail, s.Failed = strings.TrimPrefix(s.Detail, "!"), strings.HasPrefix(s.Detail, "!")
			a.Spans = append(a.Spans, s)
		}
	}
	slices.SortStableFunc(a.Spans, func(x, y Span) int { return x.End.Compare(y.End) })
	return a
}

func number(t *testing.T, text string) (n int) {
	t.Helper()
	if _, err := fmt.Sscan(text, &n); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return n
}

func millis(t time.Time) int64 { return t.Sub(zero).Milliseconds() }

// textOf is a path as "[OBJECT WHY]" and its steps as "NAME FROM-TO".
func textOf(links []Link) string {
	var out []string
	for _, l := range links {
		out = append(out, strings.TrimSpace("["+l.Object+" "+l.Why)+"]")
		for _, s := range l.Steps {
			out = append(out, fmt.Sprintf("%s %d-%d", s.Name, millis(s.From), millis(s.To)))
		}
	}
	return strings.Join(out, "\n")
}

// started are the lines of a pod without probes and operator: wanted, created and started in the given times.
func started(pod, workload string, wanted, create, start, ready int) string {
	return fmt.Sprintf(`
		mark wanted %[1]s %[2]s @%[3]d
		pod create %[1]s - %[3]d %[4]d c
		pod start %[1]s - %[4]d %[5]d c
		mark containers_ready %[1]s %[2]s @%[6]d
		mark ready %[1]s %[2]s @%[6]d
	`, pod, workload, wanted, create, start, ready)
}

func TestPath(t *testing.T) {
	for _, c := range []struct {
		name string
		end  int
		in   string
		want string
	}{
		{"nothing happened", 100, "", "[]\nsupervisor 0-100"},
		{
			"the command's steps come first, and of parallel ones the last to end counts", 1000,
			`command read - - 0 100
			stack images - - 150 200
			stack network - - 150 300` + started("a-0", "a", 300, 400, 600, 900),
			`[]
read 0-100
supervisor 100-150
network 150-300
[a-0]
create 300-400
start 400-600
probe 600-900
[]
the stack counts as ready 900-1000`,
		},
		{
			"the last pod leads to what its workload waited for, not to what was slow beside it", 1500,
			started("db-0", "db", 0, 100, 200, 500) + started("slow-0", "slow", 0, 100, 200, 1100) + `wait web db 0 510` + started("web-0", "web", 510, 600, 700, 1500),
			`[db-0]
create 0-100
start 100-200
probe 200-500
[]
the supervisor reacts 500-510
[web-0 waited for db-0]
create 510-600
start 600-700
probe 700-1500`,
		},
		{
			"of two dependencies the one waited for last counts", 900,
			started("a-0", "a", 0, 10, 20, 100) + started("b-0", "b", 0, 10, 20, 400) + `
			wait web a 0 100
			wait web b 100 400` + started("web-0", "web", 400, 500, 600, 900),
			`[b-0]
create 0-10
start 10-20
probe 20-400
[web-0 waited for b-0]
create 400-500
start 500-600
probe 600-900`,
		},
		{
			"a container that was created while the pod waited", 900,
			started("db-0", "db", 0, 100, 200, 500) + `
			wait web db 0 500
			mark wanted web-0 web @0
			pod create web-0 - 10 100 c
			pod start web-0 - 510 600 c
			mark containers_ready web-0 web @900
			mark ready web-0 web @900`,
			`[db-0]
create 0-100
start 100-200
probe 200-500
[web-0 waited for db-0]
queued 500-510
start 510-600
probe 600-900`,
		},
		{
			"a dependency that had to start only", 900,
			started("db-0", "db", 0, 100, 200, 800) + `wait web db 0 201` + started("web-0", "web", 201, 300, 400, 900),
			`[db-0]
create 0-100
start 100-200
[]
the supervisor reacts 200-201
[web-0 waited for db-0 started]
create 201-300
start 300-400
probe 400-900`,
		},
		{
			"the pods of a StatefulSet, one after the other", 700,
			started("m-0", "m", 0, 50, 100, 200) + started("m-1", "m", 205, 250, 300, 400) + started("m-2", "m", 402, 500, 600, 700),
			`[m-0]
create 0-50
start 50-100
probe 100-200
[]
the supervisor reacts 200-205
[m-1 waited for m-0]
create 205-250
start 250-300
probe 300-400
[]
the supervisor reacts 400-402
[m-2 waited for m-1]
create 402-500
start 500-600
probe 600-700`,
		},
		{
			"an operator that waited for another pod of its own", 1000,
			`mark wanted r-0 r redis @0
			pod start r-0 - 0 100 c
			mark containers_ready r-0 r redis @200
			mark wanted s-0 s redis @0
			pod start s-0 - 0 700 c
			mark containers_ready s-0 s redis @800
			operator look redis - 300 310 !s-0_is_not_up
			operator look redis - 900 910 !r-0_counts_1_of_2
			mark ready s-0 s redis @850
			mark ready r-0 r redis @1000`,
			`[s-0]
start 0-700
probe 700-800
[r-0 operator redis waited for the containers of s-0]
operator 800-1000`,
		},
		{
			"an operator that says that all is right names nobody", 1000,
			`mark wanted r-0 r redis @0
			pod start r-0 - 0 100 c
			mark containers_ready r-0 r redis @200
			mark wanted s-0 s redis @0
			pod start s-0 - 0 700 c
			mark containers_ready s-0 s redis @800
			operator look redis - 900 910 s-0_is_master
			mark ready s-0 s redis @850
			mark ready r-0 r redis @1000`,
			`[r-0]
start 0-100
probe 100-200
operator 200-1000`,
		},
		{
			"init containers, a crash and a one-shot that another one waits for", 1000,
			`mark wanted job-0 job @0
			pod start job-0 - 10 50 prepare
			pod create job-0 - 100 110 main
			pod start job-0 - 110 150 main
			pod start job-0 - 200 250 main
			mark ended job-0 job @400
			wait web job 0 400` + started("web-0", "web", 400, 500, 600, 1000),
			`[job-0]
queued 0-10
start 10-50
init 50-100
create 100-110
start 110-150
again 150-200
start 200-250
run 250-400
[web-0 waited for job-0 to end]
create 400-500
start 500-600
probe 600-1000`,
		},
		{
			"what leaves last, after the rest was ready", 1000,
			`switch preparing - - 0 100` + started("new-0", "new", 100, 200, 300, 500) + `
			mark leaving old-0 old @505
			mark gone old-0 old @900
			switch switching - - 100 1000 waits`,
			`[]
preparing 0-100
[new-0]
create 100-200
start 200-300
probe 300-500
[]
the supervisor reacts 500-505
[old-0 leaves after new-0]
stop all 505-900
[]
switching 900-1000`,
		},
		{
			"an edit without a new pod is its stages", 300,
			`edit batched web - 0 50
			edit waited web - 50 60
			edit shipped web - 60 100
			edit restarted web - 100 150
			mark not_ready web-0 web @101
			mark ready web-0 web @280
			edit ready web - 150 300`,
			`[]
batched 0-50
waited 50-60
shipped 60-100
restarted 100-150
ready 150-300`,
		},
		{
			"a drill is its phases", 500,
			`drill clients - - 0 100
			drill served - - 150 400` + started("a-0", "a", 110, 200, 300, 390),
			`[]
clients 0-100
drill 100-150
served 150-400
drill 400-500`,
		},
		{
			"a pod that waited for itself does not lead in a circle", 400,
			`wait a a 0 100` + started("a-0", "a", 100, 200, 300, 400),
			`[]
supervisor 0-100
[a-0 waited for a]
create 100-200
start 200-300
probe 300-400`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := action(t, c.end, c.in)
			a.Name, _, _ = strings.Cut(strings.TrimPrefix(c.name, "a "), " ")
			links := Path(a)
			if got := textOf(links); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
			checkWhole(t, a, links)
		})
	}
}

// checkWhole checks that the steps of a path follow each other and are as long as the action.
func checkWhole(t *testing.T, a *Action, links []Link) {
	t.Helper()
	last := a.Start
	for _, l := range links {
		for _, s := range l.Steps {
			if !s.From.Equal(last) {
				t.Errorf("step %s of %s begins at %d, the one before ended at %d", s.Name, l.Object, millis(s.From), millis(last))
			}
			last = s.To
		}
	}
	if !last.Equal(a.End) {
		t.Errorf("the path ends at %d, the action at %d", millis(last), millis(a.End))
	}
}
