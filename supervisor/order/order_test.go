package order

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/lyandev/lyandev/services"
)

// stack makes a stack from lines "name: dep dep/started dep/completed"; a bare dep is service_healthy.
func stack(lines ...string) *services.Stack {
	s := &services.Stack{}
	for _, line := range lines {
		name, deps, _ := strings.Cut(line, ":")
		w := &services.Workload{Object: &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: name}}}
		for _, d := range strings.Fields(deps) {
			on, condition, _ := strings.Cut(d, "/")
			w.DependsOn = append(w.DependsOn, services.Dependency{Workload: on, Reason: "depends_on", Condition: map[string]services.Condition{
				"": services.Healthy, "started": services.Started, "completed": services.Completed,
			}[condition]})
		}
		s.Workloads = append(s.Workloads, w)
	}
	return s
}

// TestOptional: an optional dependency is waited for while it may be satisfied, and no longer.
func TestOptional(t *testing.T) {
	s := stack("db:", "web: db/completed")
	s.Workloads[1].DependsOn[0].Optional = true
	for facts, want := range map[Facts]bool{{}: true, {Failed: "it failed"}: false} {
		if _, waits := Waits(s, map[string]Facts{"db": facts})["web"]; waits != want {
			t.Errorf("%+v: waits: %v", facts, waits)
		}
	}
}

// TestWalk: each workload comes after those that it must follow, also through one that does nothing, and nothing that would follow
// comes after an error.
func TestWalk(t *testing.T) {
	s := stack("db:", "api: db", "web: api", "other:")
	for _, tc := range []struct {
		backwards bool
		fails     string
		want      []string
	}{
		{false, "", []string{"db", "api", "web"}},
		{true, "", []string{"web", "api", "db"}},
		{true, "api", []string{"web", "api"}},
	} {
		var mu sync.Mutex
		var got []string
		err := Walk(t.Context(), s, tc.backwards, func(_ context.Context, w *services.Workload) error {
			mu.Lock()
			defer mu.Unlock()
			if w.Name() != "other" {
				got = append(got, w.Name())
			}
			if w.Name() == tc.fails {
				return errors.New("no")
			}
			return nil
		})
		if !slices.Equal(got, tc.want) || (err != nil) != (tc.fails != "") {
			t.Errorf("backwards %v: %v, %v", tc.backwards, got, err)
		}
	}
}

// TestNever: which waits end only if somebody does something.
func TestNever(t *testing.T) {
	for _, tc := range []struct {
		edge  string
		facts Facts
		want  string
	}{
		{"db/completed", Facts{Failed: "container db-1 exited with 3"}, `service "db" didn't complete successfully: container db-1 exited with 3`},
		{"db/completed", Facts{Unhealthy: "it is unhealthy"}, ""},
		{"db", Facts{Failed: "container db-1 exited with 3"}, "dependency db failed to start: container db-1 exited with 3"},
		{"db", Facts{Unhealthy: "it is unhealthy: refused"}, "dependency db failed to start: it is unhealthy: refused"},
		{
			"db",
			Facts{Right: true, NoCheck: "container p-db-1 has no healthcheck configured"},
			"dependency db failed to start: container p-db-1 has no healthcheck configured; give service db a healthcheck, or depend on it with condition: service_started",
		},
		{"db", Facts{Waiting: "has just begun"}, ""},
		{"db/started", Facts{Failed: "x"}, ""},
	} {
		if got := Waits(stack("db:", "web: "+tc.edge), map[string]Facts{"db": tc.facts})["web"].Never; got != tc.want {
			t.Errorf("%s, %+v: %q, want %q", tc.edge, tc.facts, got, tc.want)
		}
	}
}

func TestWaits(t *testing.T) {
	for _, tc := range []struct {
		name  string
		edge  string
		facts Facts
		want  string
	}{
		{"healthy: not there", "db", Facts{}, "waits for db to be ready"},
		{"healthy: started is not enough", "db", Facts{Started: true}, "waits for db to be ready"},
		{"healthy: right", "db", Facts{Started: true, Right: true}, ""},
		{"healthy: done is not right", "db", Facts{Done: true}, "waits for db to be ready"},
		{"started: not there", "db/started", Facts{}, "waits for db to start"},
		{"started: started", "db/started", Facts{Started: true}, ""},
		{"started: has ended already", "db/started", Facts{Done: true}, ""},
		{"completed: runs", "db/completed", Facts{Started: true, Right: true}, "waits for db to complete"},
		{"completed: done", "db/completed", Facts{Done: true}, ""},
		{"completed: failed", "db/completed", Facts{Failed: "exit code 3"}, "waits for db to complete, which failed: exit code 3"},
		{"its dependency waits too", "db", Facts{Waiting: "waits for nfs to start"}, "waits for db to be ready, which waits for nfs to start"},
		{"failed says more than waiting", "db", Facts{Waiting: "x", Failed: "y"}, "waits for db to be ready, which failed: y"},
		{"unhealthy", "db", Facts{Started: true, Unhealthy: "it is unhealthy: refused"}, "waits for db to become healthy; it is unhealthy: refused"},
		{"unhealthy, but only started is asked for", "db/started", Facts{Started: true, Unhealthy: "it is unhealthy"}, ""},
		{
			"without a health check", "db",
			Facts{Started: true, Right: true, NoCheck: "container p-db-1 has no healthcheck configured"},
			"waits for db to become healthy; container p-db-1 has no healthcheck configured",
		},
		{"without a health check, started", "db/started", Facts{Started: true, Right: true, NoCheck: "x"}, ""},
		{"of another profile", "elsewhere", Facts{}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := Waits(stack("db:", "web: "+tc.edge), map[string]Facts{"db": tc.facts})
			if w := got["web"]; w.Reason != tc.want || (tc.want != "" && w.For != "db") {
				t.Errorf("got %+v, want %q", w, tc.want)
			}
		})
	}
}

func TestWaitsNamesTheFirstUnsatisfiedEdgeAndItsReason(t *testing.T) {
	s := stack("a:", "b:", "c: a b")
	s.Workloads[2].DependsOn[1].Reason = "env DB_URL names Service b"
	got := Waits(s, map[string]Facts{"a": {Right: true}})
	want := map[string]Wait{"c": {For: "b", Reason: "waits for b to be ready (env DB_URL names Service b)"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestWaitsThroughWhatIsDone: after Ctrl-C and up a migration has done its work and is not repeated; the api that depends on it needs the
// database all the same.
func TestWaitsThroughWhatIsDone(t *testing.T) {
	s := stack("db:", "migrate: db", "seed: migrate/completed", "api: seed/completed", "other: migrate/started")
	done := Facts{Done: true}
	got := Waits(s, map[string]Facts{"migrate": done, "seed": done})
	db := Wait{For: "db", Reason: "waits for db to be ready"}
	if d := cmp.Diff(map[string]Wait{"migrate": db, "seed": db, "api": db, "other": db}, got); d != "" {
		t.Error(d)
	}
	if got := Waits(s, map[string]Facts{"db": {Right: true}, "migrate": done, "seed": done}); len(got) > 0 {
		t.Errorf("with the database: %v", got)
	}
}

func TestMayStop(t *testing.T) {
	s := stack("db:", "cache:", "web: db cache", "proxy: web/started")
	for _, tc := range []struct{ pods, want string }{
		{"db cache web proxy", "proxy"},
		{"db cache web", "proxy web"},
		{"db cache", "cache db proxy web"},
		{"db web", "proxy web"},
		{"", "cache db proxy web"},
		{"db proxy", "proxy"}, // it may use db although web, through which it depends on it, is gone, as a migration that is done
	} {
		facts := map[string]Facts{}
		for _, name := range strings.Fields(tc.pods) {
			facts[name] = Facts{Pods: 1}
		}
		var got []string
		for name := range MayStop(s, facts) {
			got = append(got, name)
		}
		slices.Sort(got)
		if strings.Join(got, " ") != tc.want {
			t.Errorf("with pods of %q: %v, want %s", tc.pods, got, tc.want)
		}
	}
}

func TestLayers(t *testing.T) {
	got, err := Layers(stack("proxy: web", "web: db cache elsewhere", "db: nfs", "cache:", "nfs:"))
	want := [][]string{{"cache", "nfs"}, {"db"}, {"web"}, {"proxy"}}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v\n%s", err, d)
	}
	if got, err := Layers(stack()); got != nil || err != nil {
		t.Errorf("empty: %v, %v", got, err)
	}
}

func TestCycles(t *testing.T) {
	for lines, want := range map[string]string{
		"a: a":                    "a -> a",
		"a: b|b: c|c: a":          "a -> b -> c -> a",
		"x: a|a: b|b: a":          "a -> b -> a", // the way into the cycle is no part of it
		"ok:|a: ok b|b: ok c|c:b": "b -> c -> b",
	} {
		_, err := Layers(stack(strings.Split(lines, "|")...))
		var cycle *CycleError
		if !errors.As(err, &cycle) {
			t.Errorf("%s: %v", lines, err)
			continue
		}
		if got := strings.Join(cycle.Path, " -> "); got != want {
			t.Errorf("%s: %s, want %s", lines, got, want)
		}
		if text := "workloads depend on each other: " + want + "; remove one of these depends_on edges"; err.Error() != text {
			t.Errorf("said %q", err)
		}
	}
}

// drawn is a random acyclic stack: each workload depends on some before it in a random order of names.
func drawn(t *rapid.T) *services.Stack {
	n := rapid.IntRange(1, 12).Draw(t, "workloads")
	names := rapid.Permutation(makeNames(n)).Draw(t, "order")
	lines := make([]string, n)
	for i, name := range names {
		lines[i] = name + ":"
		for _, d := range names[:i] {
			if rapid.IntRange(0, 3).Draw(t, "edge") == 0 {
				lines[i] += " " + d + rapid.SampledFrom([]string{"", "/started", "/completed"}).Draw(t, "condition")
			}
		}
	}
	return stack(rapid.Permutation(lines).Draw(t, "file")...)
}

func makeNames(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("w%02d", i)
	}
	return out
}

// TestStartsAndStopsInOrder plays random stacks up and down again: nobody starts before what it depends on is satisfied,
// nobody is stopped before those who depend on it are gone, and both come to an end.
func TestStartsAndStopsInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawn(t)
		facts := map[string]Facts{}
		for range 10 * len(s.Workloads) {
			waits := Waits(s, facts)
			for _, w := range s.Workloads {
				if _, held := waits[w.Name()]; held || facts[w.Name()].Pods > 0 {
					continue
				}
				for _, d := range w.DependsOn {
					if !satisfied(d.Condition, facts[d.Workload]) {
						t.Fatalf("%s starts before %s is %s", w.Name(), d.Workload, d.Condition)
					}
				}
				facts[w.Name()] = Facts{Pods: 1}
			}
			name := s.Workloads[rapid.IntRange(0, len(s.Workloads)-1).Draw(t, "comes up")].Name()
			if f := facts[name]; f.Pods > 0 {
				facts[name] = Facts{Pods: 1, Started: true, Right: true, Done: f.Right}
			}
		}
		for { // let the rest come up; twice, for those that have to be done
			changed := false
			waits := Waits(s, facts)
			for _, w := range s.Workloads {
				if _, held := waits[w.Name()]; !held && !facts[w.Name()].Done {
					facts[w.Name()], changed = Facts{Pods: 1, Started: true, Right: true, Done: true}, true
				}
			}
			if !changed {
				break
			}
		}
		if waits := Waits(s, facts); len(waits) > 0 {
			t.Fatalf("still waiting: %v", waits)
		}
		playDown(t, s, facts)
	})
}

func playDown(t *rapid.T, s *services.Stack, facts map[string]Facts) {
	for left := len(s.Workloads); left > 0; {
		may := MayStop(s, facts)
		var going []string
		for _, w := range s.Workloads {
			if may[w.Name()] && facts[w.Name()].Pods > 0 {
				going = append(going, w.Name())
			}
		}
		if len(going) == 0 {
			t.Fatalf("%d left, and none may go", left)
		}
		name := rapid.SampledFrom(going).Draw(t, "goes")
		for _, w := range s.Workloads {
			for _, d := range w.DependsOn {
				if d.Workload == name && facts[w.Name()].Pods > 0 {
					t.Fatalf("%s goes while %s depends on it", name, w.Name())
				}
			}
		}
		facts[name] = Facts{}
		left--
	}
}

func TestLayersComeAfterTheirDependencies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawn(t)
		layers, err := Layers(s)
		if err != nil {
			t.Fatal(err)
		}
		at := map[string]int{}
		for i, layer := range layers {
			if len(layer) == 0 {
				t.Fatalf("layer %d is empty", i)
			}
			for _, name := range layer {
				at[name] = i
			}
		}
		if len(at) != len(s.Workloads) {
			t.Fatalf("%d of %d workloads", len(at), len(s.Workloads))
		}
		for _, w := range s.Workloads {
			deepest := -1
			for _, d := range w.DependsOn {
				deepest = max(deepest, at[d.Workload])
			}
			if at[w.Name()] != deepest+1 {
				t.Fatalf("%s is in layer %d, its deepest dependency in %d", w.Name(), at[w.Name()], deepest)
			}
		}
	})
}
