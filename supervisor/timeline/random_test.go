package timeline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// randomAction makes an action of spans and marks in any order, also such as never happen.
func randomAction(seed uint64) *Action {
	r := rand.New(rand.NewPCG(seed, 0))
	a := &Action{Name: "up", Start: at(100), End: at(100 + r.IntN(2000)), Over: true}
	any := func(list ...string) string { return list[r.IntN(len(list))] }
	kinds := []Kind{Client, Stack, Build, Engine, Pod, Probe, Operator, Wait, Mark, Edit, Switch, Drill}
	marks := []string{PodWanted, ContainersReady, PodReady, PodUnready, PodEnded, PodGone, PodLeaving, StackReady}
	for range r.IntN(120) {
		from := r.IntN(2200)
		s := Span{Kind: kinds[r.IntN(len(kinds))], Name: any("create", "start", "image", "Readiness"), Start: at(from), End: at(from + r.IntN(400))}
		s.Object = any("", "a-0", "a-1", "b-0", "c-0")
		s.Of = any("", "a", "b", "c", "a-0")
		s.Detail = any("", "redis", "a-0 is not up")
		switch s.Kind {
		case Mark:
			s.Name, s.End = any(marks...), s.Start
		case Wait:
			s.Object = any("a", "b", "c")
		}
		if s.Start.Before(a.End) {
			a.Spans = append(a.Spans, s)
		}
	}
	return a
}

func TestRandomActions(t *testing.T) {
	for seed := range uint64(300) {
		a := randomAction(seed)
		checkWhole(t, a, Path(a))
		checkTrace(t, a)
		for _, p := range Pods(a) {
			last := p.Released
			for _, s := range p.Steps {
				if !s.From.Equal(last) || s.Took() <= 0 {
					t.Errorf("the step %s of %s is from %d to %d; the one before ended at %d", s.Name, p.Name, millis(s.From), millis(s.To), millis(last))
				}
				last = s.To
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// checkTrace checks the shape of the trace file of an action: known phases, each with what it needs, every lane named, and events of one
// lane that follow each other or are nested.
func checkTrace(t *testing.T, a *Action) {
	t.Helper()
	var out bytes.Buffer
	if err := WriteTrace(&out, a); err != nil {
		t.Fatal(err)
	}
	var file struct {
		DisplayTimeUnit string
		TraceEvents     []struct {
			Name, Ph, S string
			TS, Dur     *float64
			PID, TID    int
			Args        map[string]any
		}
	}
	if err := json.Unmarshal(out.Bytes(), &file); err != nil {
		t.Fatal(err)
	}
	type span struct {
		name     string
		from, to float64
	}
	lanes, named := map[int][]span{}, map[int]bool{}
	for _, e := range file.TraceEvents {
		switch {
		case e.PID != 1 || e.Name == "":
			t.Errorf("an event without process or name: %+v", e)
		case e.Ph == "M":
			named[e.TID] = named[e.TID] || e.Name == "thread_name" && e.Args["name"] != ""
		case e.Ph == "i":
			if e.S != "t" || e.TS == nil {
				t.Errorf("an instant without scope or time: %+v", e)
			}
		case e.Ph != "X" || e.TS == nil || e.Dur == nil || *e.Dur < 0:
			t.Errorf("an event without times: %+v", e)
		default:
			lanes[e.TID] = append(lanes[e.TID], span{e.Name, *e.TS, *e.TS + *e.Dur})
		}
	}
	const rounding = 0.01
	for tid, list := range lanes {
		if !named[tid] {
			t.Errorf("lane %d has no name", tid)
		}
		for i, x := range list {
			for _, y := range list[i+1:] {
				if y.from < x.to-rounding && x.from < y.to-rounding && !(y.from >= x.from-rounding && y.to <= x.to+rounding) {
					t.Errorf("lane %d: %+v and %+v overlap", tid, x, y)
				}
			}
		}
	}
}

func TestTraceOfAnUp(t *testing.T) {
	a := action(t, 1000, `
		command read_the_files - - 0 100
		stack images - - 100 200
		build build web - 100 180 done
		operator look redis - 300 310
		operator look redis - 305 330
		engine StartContainer x-a-0 a-0 250 400
		engine StartContainer x-b-0 b-0 260 500 !refused
		engine ListContainers - a-0 270 300
		wait a b 200 250`+started("a-0", "a", 250, 260, 400, 900)+`
		probe Readiness a-0 c 450 500 !refused
		probe Readiness a-0 c 800 890`)
	checkTrace(t, a)
	var out bytes.Buffer
	if err := WriteTrace(&out, a); err != nil {
		t.Fatal(err)
	}
	var file struct{ TraceEvents []traceEvent }
	if err := json.Unmarshal(out.Bytes(), &file); err != nil {
		t.Fatal(err)
	}
	lanes := map[int]string{}
	events := map[string]string{}
	for _, e := range file.TraceEvents {
		if e.Name == "thread_name" {
			lanes[e.TID] = e.Args["name"].(string)
		}
		if e.Ph == "X" {
			events[fmt.Sprintf("%s/%s %g+%g", lanes[e.TID], e.Name, e.TS, *e.Dur)] = fmt.Sprint(e.Args["detail"], e.Args["failed"])
		}
	}
	for want, args := range map[string]string{
		"command and supervisor/read the files 0+100000":        "<nil> <nil>",
		"builds/build web 100000+80000":                         "done<nil>",
		"operator redis/look redis 305000+25000":                "<nil> <nil>",
		"engine/StartContainer x-b-0 260000+240000":             "refusedtrue",
		"pod a-0/start 260000+140000":                           "c<nil>",
		"pod a-0/waits for b 200000+50000":                      "<nil>",
		"pod a-0/Readiness probe 450000+50000":                  "refused<nil>",
		"critical path/a-0 260000+140000":                       "<nil> <nil>",
		"critical path/the stack counts as ready 900000+100000": "<nil> <nil>",
	} {
		if got, ok := events[want]; !ok || got != args {
			t.Errorf("%s has %q (found: %v)", want, got, ok)
		}
	}
	if t.Failed() {
		for e := range events {
			t.Log(e)
		}
	}
}

func TestRecorder(t *testing.T) {
	var none *Recorder
	none.Add(Span{})
	none.Mark(PodReady, "a", "", zero, "")
	none.Begin(Span{})()
	none.Open("up", "", zero)(zero, nil)
	if none.Last("", zero) != nil || none.Running() {
		t.Error("no recorder has something")
	}
	r := new(Recorder)
	for i := range 10 * keptIdle {
		r.Mark(PodReady, fmt.Sprint(i), "", at(i), "")
	}
	if len(r.spans) > 2*keptIdle || cap(r.spans) > 4*keptIdle {
		t.Errorf("%d spans are kept, room for %d", len(r.spans), cap(r.spans))
	}
	if r.Last("up", zero) != nil {
		t.Error("there is an up")
	}
	newest := 10*keptIdle - 1
	end := r.Open("up", "first", at(newest))
	if a := r.Last("up", at(newest+5)); a == nil || a.Over || len(a.Spans) != 1 || a.Took() != 5*time.Millisecond {
		t.Errorf("while it goes on: %+v", a)
	}
	r.Add(Span{Kind: Client, Start: at(newest - 5), End: at(newest + 1)})
	end(at(newest+10), nil)
	end(at(newest+20), nil)
	r.Mark(PodReady, "late", "", at(newest+20), "")
	if a := r.Last("", zero); a == nil || !a.Over || len(a.Spans) != 2 || a.Took() != 10*time.Millisecond {
		t.Errorf("after its end: %+v", a)
	}
	r.Open("up", "dropped", at(newest+30))(at(newest+40), ErrDropped)
	r.Open("edit", "failed", at(newest+30))(at(newest+40), fmt.Errorf("no"))
	if up, last := r.Last("up", zero), r.Last("", zero); up.Title != "first" || last.Name != "edit" || last.Error != "no" {
		t.Errorf("the last up is %q, the last action %q with error %q", up.Title, last.Name, last.Error)
	}
	for range 3 * keptOpen {
		r.Open("edit", "goes on", zero)
	}
	if len(r.open) != 1 {
		t.Errorf("%d actions go on", len(r.open))
	}
	for i := range 3 * keptAction {
		r.Mark(PodReady, "many", "", at(newest+50+i), "")
	}
	if a := r.Last("edit", at(1<<30)); len(a.Spans) > keptAction || a.Dropped == 0 {
		t.Errorf("%d spans, %d dropped", len(a.Spans), a.Dropped)
	}
}

func TestNotes(t *testing.T) {
	a := action(t, 1000, `
		drill clients - - 0 100
		drill served - - 100 1000
		operator look redis - 10 20 fine
		operator look redis - 200 300 !no_answer
		operator look redis - 310 320 !no_answer
		mark not_ready r-0 r @310
		event RedisMaster r-1 - 400 400 is_now_the_master
		pod start r-0 - 400 450 redis
		mark ready r-0 r @500
		mark containers_ready r-0 r @490
		operator look redis - 510 520 fine`)
	a.Name = "drill"
	var got []string
	for _, s := range Path(a)[0].Steps {
		got = append(got, s.Name)
		for _, n := range s.Notes {
			got = append(got, fmt.Sprintf("%d %s", millis(n.At), n.Text))
		}
	}
	want := []string{
		"clients", "served", "300 operator redis: no answer", "310 r-0 is not ready", "400 r-1: is now the master",
		"450 container redis of r-0 was started in 0.05 s", "500 r-0 is ready", "520 operator redis: all is right",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestContext(t *testing.T) {
	r := new(Recorder)
	ctx := With(t.Context(), r, "a-0")
	Begin(ctx, Pod, StepCreate, "web")()
	Add(ctx, Span{Kind: Probe, Name: "Readiness", Start: time.Now()})
	Begin(t.Context(), Pod, StepCreate, "web")()
	Add(t.Context(), Span{Kind: Probe})
	if With(t.Context(), nil, "a-0") != t.Context() || PodOf(ctx) != "a-0" || PodOf(t.Context()) != "" {
		t.Error("the pod of a context")
	}
	if len(r.spans) != 2 || r.spans[0].Object != "a-0" || r.spans[0].Detail != "web" || r.spans[1].Object != "a-0" {
		t.Errorf("%+v", r.spans)
	}
}

func TestTotals(t *testing.T) {
	a := action(t, 100, `
		engine ListContainers - a 0 10
		engine StartContainer x-a a 0 50
		engine StartContainer x-b b 0 70 !no
		probe Readiness a c 0 5
		operator look redis - 0 20
		pod create a - 0 10`)
	var got string
	for _, x := range Totals(a) {
		got += fmt.Sprintf("%s %s %d/%d %d %d %s\n", x.Kind, x.Name, x.Failed, x.Count, x.Sum.Milliseconds(), x.Longest.Milliseconds(), x.Of)
	}
	want := `engine StartContainer 1/2 120 70 x-b
engine ListContainers 0/1 10 10 a
operator redis 0/1 20 20 redis
probe Readiness 0/1 5 5 a
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestPods(t *testing.T) {
	a := action(t, 1000, `
		mark gone db-0 db @300
		mark leaving db-0 db @100
		mark wanted db-0 db mariadb @305
		pod create db-0 - 310 320 c
		pod start db-0 - 320 400 c
		probe Readiness db-0 c 330 340 !early
		probe Readiness db-0 c 410 420 !refused
		probe Liveness db-0 c 410 420 !refused
		probe Readiness db-0 c 500 510
		mark containers_ready db-0 db mariadb @511
		probe Readiness db-0 c 700 710
		mark ready db-0 db mariadb @600
		wait web db 0 601
		mark wanted web-0 web @601`)
	pods := Pods(a)
	if len(pods) != 3 {
		t.Fatalf("%d pods", len(pods))
	}
	old, db, web := pods[0], pods[1], pods[2]
	if old.Gone != at(300) || old.Leaving != at(100) || len(old.Steps) != 0 {
		t.Errorf("the former pod: %+v", old)
	}
	if db.For != "db-0" || db.Waited != 205*time.Millisecond || db.Tries != 2 || db.FirstTry != at(410) || db.LastFailure != "refused" || db.Operator != "mariadb" || db.Done() != at(600) {
		t.Errorf("the new pod: %+v", db)
	}
	if got := textOf([]Link{{Object: "db-0", Steps: db.Steps}}); got != "[db-0]\nqueued 305-310\ncreate 310-320\nstart 320-400\nprobe 400-511\noperator 511-600" {
		t.Errorf("its steps:\n%s", got)
	}
	if d := db.Steps[3].Detail; d != "2 tries, the first 0.01 s after the start; the last failure: refused" {
		t.Errorf("its probe: %s", d)
	}
	if web.For != "db" || web.Waited != 601*time.Millisecond || !web.Done().IsZero() || len(web.Steps) != 0 {
		t.Errorf("one that is not ready: %+v", web)
	}
}
