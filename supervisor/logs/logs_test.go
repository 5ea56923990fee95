package logs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a fake engine and what Stream has told of it.
type rig struct {
	*enginefake.Engine
	t      *testing.T
	lines  []string
	stop   context.CancelFunc
	result chan error
}

func newRig(t *testing.T) *rig {
	e := enginefake.New()
	e.AddImage("app", enginefake.Image{})
	return &rig{Engine: e, t: t, result: make(chan error, 1)}
}

// script lets a container print its own name and a number at the seconds given.
func (r *rig) script(name string, x *enginefake.Exit, seconds ...int) {
	s := enginefake.Script{Exit: x}
	for _, at := range seconds {
		s.Output = append(s.Output, enginefake.Output{After: time.Duration(at) * time.Second, Text: fmt.Sprint(name, at)})
	}
	r.On(name, s)
}

func (r *rig) create(name string) string {
	r.t.Helper()
	pod, container, _ := strings.Cut(name, "_")
	labels := map[string]string{services.ProjectLabel: "shop", services.PodLabel: pod}
	if container != "" {
		labels[services.ContainerLabel] = container
	}
	id, err := r.CreateContainer(r.t.Context(), engine.ContainerSpec{Name: name, Image: "app", Labels: labels})
	r.ok(err)
	return id
}

func (r *rig) run(name string) string {
	r.t.Helper()
	id := r.create(name)
	r.ok(r.StartContainer(r.t.Context(), id))
	return id
}

func (r *rig) ok(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// stream begins to stream, and follows until end is called.
func (r *rig) stream(o Options) {
	ctx, cancel := context.WithCancel(r.t.Context())
	r.stop = cancel
	o.Project = "shop"
	go func() {
		r.result <- Stream(ctx, r, o, func(l Line) { r.lines = append(r.lines, l.Pod+"/"+l.Container+" "+l.Text) })
	}()
	synctest.Wait()
}

func (r *rig) end() string {
	r.t.Helper()
	r.stop()
	r.ok(<-r.result)
	return strings.Join(r.lines, "\n")
}

func bubble(t *testing.T, f func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(newRig(t)) })
}

func (r *rig) same(got string, want ...string) {
	r.t.Helper()
	if got != strings.Join(want, "\n") {
		r.t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

func TestLinesOfSeveralContainersInterleave(t *testing.T) {
	bubble(t, func(r *rig) {
		r.script("web-a_web", nil, 1, 3, 5)
		r.script("db-0_db", nil, 2, 4)
		r.run("web-a_web")
		r.run("db-0_db")
		r.stream(Options{Follow: true, Tail: -1})
		time.Sleep(10 * time.Second)
		r.same(r.end(), "web-a/web web-a_web1", "db-0/db db-0_db2", "web-a/web web-a_web3", "db-0/db db-0_db4", "web-a/web web-a_web5")
	})
}

func TestFollowPicksUpLaterContainers(t *testing.T) {
	bubble(t, func(r *rig) {
		r.OnEach("web-*", func(start int, s engine.ContainerSpec) enginefake.Script {
			return enginefake.Script{
				Exit:   &enginefake.Exit{After: 2 * time.Second},
				Output: []enginefake.Output{{Text: fmt.Sprint("run ", start)}, {After: time.Second, Text: "bye"}},
			}
		})
		made := r.create("web-b_web")
		r.stream(Options{Follow: true, Tail: 0})
		r.run("web-a_web")
		time.Sleep(3 * time.Second)
		r.ok(r.StartContainer(r.t.Context(), made)) // listed before its start
		time.Sleep(3 * time.Second)
		r.ok(r.StartContainer(r.t.Context(), made)) // and started again, in place: nothing twice
		time.Sleep(3 * time.Second)
		r.same(r.end(), "web-a/web run 0", "web-a/web bye", "web-b/web run 0", "web-b/web bye", "web-b/web run 1", "web-b/web bye")
	})
}

func TestWithoutFollowAllIsReadAndThatIsIt(t *testing.T) {
	bubble(t, func(r *rig) {
		r.script("web-a_web", nil, 0, 1, 2, 60)
		r.run("web-a_web")
		r.create("web-b_web")
		began := time.Now().Add(3 * time.Second)
		time.Sleep(3 * time.Second)
		r.stream(Options{Tail: 2})
		r.same(r.end(), "web-a/web web-a_web1", "web-a/web web-a_web2")
		if !time.Now().Equal(began) {
			t.Error("it waited")
		}
		r.lines = nil
		r.stream(Options{Tail: -1, Since: began.Add(-2 * time.Second), Timestamps: true})
		if got := r.end(); strings.Count(got, "\n") != 1 || !strings.HasPrefix(got, "web-a/web 2000-01-01T00:00:01.000000000Z web-a_web1") {
			t.Errorf("got %s", got)
		}
	})
}

func TestMatchAndWhatIsNoPodsContainer(t *testing.T) {
	bubble(t, func(r *rig) {
		for _, name := range []string{"web-a_web", "db-0_db", "agent"} {
			r.script(name, nil, 0, 1)
			r.run(name)
		}
		r.stream(Options{Follow: true, Tail: -1, Match: func(_ string, labels map[string]string) bool { return labels[services.PodLabel] != "db-0" }})
		r.script("db-1_db", nil, 0)
		r.run("db-1_db")
		time.Sleep(2 * time.Second)
		got := strings.Split(r.end(), "\n")
		slices.Sort(got)
		r.same(strings.Join(got, "\n"), "db-1/db db-1_db0", "web-a/web web-a_web0", "web-a/web web-a_web1")
	})
}

func TestTheEngineGoesAway(t *testing.T) {
	bubble(t, func(r *rig) {
		r.run("web-a_web")
		r.stream(Options{Follow: true, Tail: -1})
		r.Down()
		if err := <-r.result; !engine.IsUnavailable(err) {
			t.Errorf("got %v", err)
		}
		r.stop()
	})
	// Only the event stream breaks, the logs go on: that is an end too.
	bubble(t, func(r *rig) {
		r.run("web-a_web")
		r.stream(Options{Follow: true, Tail: -1})
		broken := errors.New("broken")
		r.CutEvents(broken)
		if err := <-r.result; !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
		r.stop()
	})
}

func TestFaultsOnTheWay(t *testing.T) {
	boom := errors.New("boom")
	for name, inject := range map[string]func(f *enginefake.Faults){
		"events": func(f *enginefake.Faults) { f.Events = enginefake.Fail(boom) },
		"list":   func(f *enginefake.Faults) { f.ListContainers = enginefake.Fail(boom) },
	} {
		bubble(t, func(r *rig) {
			r.Inject(inject)
			if err := Stream(r.t.Context(), r, Options{Project: "shop", Follow: true}, nil); !errors.Is(err, boom) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	bubble(t, func(r *rig) { // one container's log cannot be read: the others' are, and the error is told
		r.script("web-*", nil, 0)
		r.run("web-a_web")
		r.run("web-b_web")
		r.Inject(func(f *enginefake.Faults) {
			f.Logs = func(_ context.Context, c enginefake.Call) error {
				if c.Object == "web-a_web" {
					return boom
				}
				return nil
			}
		})
		var got []string
		err := Stream(r.t.Context(), r, Options{Project: "shop", Tail: -1}, func(l Line) { got = append(got, l.Pod) })
		if !errors.Is(err, boom) || strings.Join(got, " ") != "web-b" {
			t.Errorf("%v, %v", got, err)
		}
	})
}

// TestLongLinesComeWhole: a line of 1 MB came in pieces of 256 KiB, each with the name before it.
func TestLongLinesComeWhole(t *testing.T) {
	bubble(t, func(r *rig) {
		r.run("web-a_web")
		long := strings.Repeat("x", 1_000_000)
		r.Print("web-a_web", long)
		r.Print("web-a_web", "after it")
		r.Print("web-a_web", strings.Repeat("y", maxLine+5))
		var got []string
		r.ok(Stream(r.t.Context(), r, Options{Project: "shop", Tail: -1}, func(l Line) { got = append(got, l.Text) }))
		if len(got) != 4 || got[0] != long || got[1] != "after it" || len(got[2])+len(got[3]) != maxLine+5 {
			t.Errorf("%d lines", len(got))
		}
	})
}

func TestUntilLeavesOutLaterLines(t *testing.T) {
	bubble(t, func(r *rig) {
		r.script("web-a_web", nil, 0, 1, 2)
		r.run("web-a_web")
		began := time.Now()
		time.Sleep(3 * time.Second)
		r.stream(Options{Tail: -1, Until: began.Add(1500 * time.Millisecond)})
		r.same(r.end(), "web-a/web web-a_web0", "web-a/web web-a_web1")
	})
}

// TestPrevious: what --previous chooses of a container that was made anew, was restarted in place, waits after a crash, or never
// ended.
func TestPrevious(t *testing.T) {
	bubble(t, func(r *rig) {
		r.OnEach("*", func(start int, s engine.ContainerSpec) enginefake.Script {
			var x *enginefake.Exit
			if start == 0 && !strings.HasPrefix(s.Name, "new") && s.Name != "again-a_web_2" {
				x = &enginefake.Exit{After: time.Second, Code: 1}
			}
			return enginefake.Script{Exit: x, Output: []enginefake.Output{{Text: fmt.Sprint(s.Name, " run ", start)}}}
		})
		r.run("new-a_web")
		r.run("dead-a_web")
		inPlace := r.run("place-a_web")
		first := r.create("again-a_web")
		r.ok(r.StartContainer(r.t.Context(), first))
		time.Sleep(2 * time.Second)
		second, err := r.CreateContainer(r.t.Context(), engine.ContainerSpec{Name: "again-a_web_2", Image: "app", Labels: map[string]string{
			services.ProjectLabel: "shop", services.PodLabel: "again-a", services.ContainerLabel: "web",
		}})
		r.ok(err)
		r.ok(r.StartContainer(r.t.Context(), second))
		r.ok(r.StartContainer(r.t.Context(), inPlace))
		time.Sleep(time.Second)
		read := func(o Options) string {
			r.lines = nil
			o.Tail = -1
			r.stream(o)
			got := strings.Split(r.end(), "\n")
			slices.SortStableFunc(got, func(a, b string) int { return strings.Compare(a[:4], b[:4]) })
			return strings.Join(got, "\n")
		}
		r.same(read(Options{Previous: true}), "again-a/web again-a_web run 0", "dead-a/web dead-a_web run 0", "place-a/web place-a_web run 0")
		lines, err := Last(r.t.Context(), r, "shop", "place-a", "web", 1)
		if r.ok(err); strings.Join(lines, ";") != "place-a_web run 0" {
			t.Errorf("the last line of the run before: %q", lines)
		}
		// Without it the instances come one after the other.
		r.same(read(Options{Match: func(_ string, l map[string]string) bool { return l[services.PodLabel] == "again-a" }}),
			"again-a/web again-a_web run 0", "again-a/web again-a_web_2 run 0")
	})
}
