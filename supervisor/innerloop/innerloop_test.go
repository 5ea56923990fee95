package innerloop

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/livesync"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/watch"
)

func rule(action, path, target string, ignore ...string) services.WatchRule {
	return services.WatchRule{Container: "c", Action: action, Path: path, Target: target, Ignore: ignore}
}

func routesOf(t *testing.T, rules ...ruled) *routes {
	t.Helper()
	r, err := newRoutes(rules)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func batchOf(changes ...string) watch.Batch {
	b := watch.Batch{Seen: time.Unix(1000, 0), Complete: time.Unix(1000, 30e6)}
	for _, c := range changes {
		op, path, _ := strings.Cut(c, " ")
		b.Changes = append(b.Changes, watch.Change{Op: watch.Op(op), Path: strings.TrimSuffix(path, "/"), Dir: strings.HasSuffix(path, "/")})
	}
	return b
}

// text is a task as one line.
func (t *task) text() string {
	if t.build != "" {
		s := "build " + t.build + ":" + strings.Join(t.paths, " ")
		for _, i := range t.instead {
			s += " unless " + i.text()
		}
		return s
	}
	s := t.workload + ":"
	for _, c := range t.containers() {
		var files []string
		for _, i := range t.sync[c] {
			files = append(files, i.Target())
		}
		s += fmt.Sprintf(" %s%v", c, files)
		if t.restart[c] {
			s += " restart"
		}
		if t.restartContainer[c] {
			s += " bounce"
		}
		for _, cmd := range t.exec[c] {
			s += fmt.Sprintf(" exec%v", cmd.Command)
		}
	}
	return s
}

func texts(tasks []*task) string {
	var out []string
	for _, t := range tasks {
		out = append(out, t.text())
	}
	return strings.Join(out, "\n")
}

func TestRoute(t *testing.T) {
	dir := t.TempDir()
	src := func(s string) string { return strings.ReplaceAll(s, "SRC", dir) }
	write(t, filepath.Join(dir, "req.txt"), "x")
	exec := rule(actionSyncExec, dir+"/conf", "/etc/app")
	exec.Exec = &compose.Hook{Command: []string{"reload"}}
	rebuild := rule(actionRebuild, dir+"/req.txt", "")
	rebuild.Build = "web"
	r := routesOf(t,
		ruled{Workload: "web", Rule: rule(actionSyncRestart, dir, "/app", "req.txt", "static", "conf"), Built: "web"},
		ruled{Workload: "web", Rule: rule(actionSync, dir+"/static", "/app/static"), Built: "web"},
		ruled{Workload: "web", Rule: exec, Built: "web"},
		ruled{Workload: "arq", Rule: rule(actionSyncRestart, dir, "/app", "req.txt", "static", "conf"), Built: "web"},
		ruled{Workload: "web", Rule: rebuild, Built: "web"},
		ruled{Workload: "arq", Rule: rebuild, Built: "web"},
		ruled{Workload: "cron", Rule: rule(actionRestart, dir+"/cron.conf", "")},
	)
	for _, c := range []struct {
		batch []string
		want  string
	}{
		{[]string{"written SRC/a.py", "removed SRC/b.py"}, "web: c[/app/a.py /app/b.py] restart\narq: c[/app/a.py /app/b.py] restart"},
		{[]string{"written SRC/static/a.css"}, "web: c[/app/static/a.css]"},
		{[]string{"written SRC/conf/x"}, "web: c[/etc/app/x] exec[reload]"},
		{[]string{"written SRC/conf/x", "written SRC/conf/y"}, "web: c[/etc/app/x /etc/app/y] exec[reload]"},
		{[]string{"written SRC/req.txt"}, "build web:SRC/req.txt"},
		{[]string{"written SRC/cron.conf"}, "web: c[/app/cron.conf] restart\narq: c[/app/cron.conf] restart\ncron: c[] bounce"},
		{[]string{"written SRC/new/"}, "web: c[/app/new]\narq: c[/app/new]"}, // a directory restarts nothing
		{[]string{"chmod SRC/new/"}, ""},
		{[]string{"removed SRC/old/"}, "web: c[/app/old] restart\narq: c[/app/old] restart"},
		{[]string{"written /elsewhere/a.py", "written SRC/.git/index", "written SRC/a.py~"}, ""},
		// The build of the same batch replaces the pods: their processes are not restarted before it.
		{
			[]string{"written SRC/a.py", "written SRC/req.txt"},
			"web: c[/app/a.py]\narq: c[/app/a.py]\nbuild web:SRC/req.txt unless web: c[] restart unless arq: c[] restart",
		},
	} {
		var changes []string
		for _, x := range c.batch {
			changes = append(changes, src(x))
		}
		if got := texts(r.route(batchOf(changes...))); got != src(c.want) {
			t.Errorf("%v:\n%s\nwant\n%s", c.batch, got, src(c.want))
		}
	}
}

func TestDockerignoreCountsUnlessAFileIsNamed(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, ".dockerignore"), "docs\nDockerfile\n")
	write(t, filepath.Join(dir, "Dockerfile"), "FROM x")
	rebuild := rule(actionRebuild, dir+"/Dockerfile", "")
	rebuild.Build = "b"
	r := routesOf(t,
		ruled{Workload: "web", Rule: rule(actionSync, dir, "/app"), Context: dir},
		ruled{Workload: "web", Rule: rebuild, Context: dir},
	)
	got := texts(r.route(batchOf("written "+dir+"/docs/a", "written "+dir+"/Dockerfile", "written "+dir+"/x")))
	if want := "web: c[/app/x]\nbuild b:" + dir + "/Dockerfile"; got != want {
		t.Fatalf("%s\nwant\n%s", got, want)
	}
	if _, err := newRoutes([]ruled{{Workload: "web", Rule: rule(actionSync, dir, "/app", "[")}}); err == nil {
		t.Fatal("a broken pattern is taken")
	}
}

// Merging loses nothing, whatever is merged in whatever order of pairs.
func TestMergeLosesNothing(t *testing.T) {
	name := rapid.SampledFrom([]string{"a", "b"})
	one := rapid.Custom(func(t *rapid.T) *task {
		out := &task{workload: "w", seen: time.Unix(int64(rapid.IntRange(1, 9).Draw(t, "seen")), 0)}
		c := name.Draw(t, "container")
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			out.restart = with(out.restart, c)
		case 1:
			out.restartContainer = with(out.restartContainer, c)
		case 2:
			out.exec = map[string][]*compose.Hook{c: {{Command: []string{name.Draw(t, "cmd")}}}}
		default:
			out.sync = map[string][]livesync.Item{c: {{Root: "/r", Path: name.Draw(t, "file")}}}
		}
		out.path(name.Draw(t, "path"))
		return out
	})
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(one, 1, 8).Draw(t, "tasks")
		var sum *task
		for _, x := range list {
			sum = sum.merge(x)
		}
		for _, x := range list {
			for c := range x.restart {
				if !sum.restart[c] {
					t.Fatal("a restart is lost")
				}
			}
			for c := range x.restartContainer {
				if !sum.restartContainer[c] {
					t.Fatal("a restart of a container is lost")
				}
			}
			for c, cmds := range x.exec {
				if !slices.ContainsFunc(sum.exec[c], cmds[0].Equal) {
					t.Fatal("a command is lost")
				}
			}
			for c, items := range x.sync {
				if !slices.Contains(sum.sync[c], items[0]) {
					t.Fatal("a file is lost")
				}
			}
			if !slices.Contains(sum.paths, x.paths[0]) {
				t.Fatal("a path is lost")
			}
		}
		if sum.seen != list[0].seen {
			t.Fatal("the first change is not the first any more")
		}
	})
}

func edit(at time.Time, paths ...string) *task {
	return &task{workload: "web", paths: paths, seen: at, complete: at}
}

func TestCycleIsFoundNamedSlowedAndEnded(t *testing.T) {
	var c cycle
	now := time.Unix(1000, 0)
	var said []string
	acted, dropped := 0, 0
	for range 20 {
		v := c.judge("workload web", edit(now, "/src/out.css"))
		if v.message != "" {
			said = append(said, v.message)
		}
		if v.drop {
			dropped++
			break // it is not acted upon, so it does not come again
		}
		now = now.Add(v.pause)
		c.start(edit(now, "/src/out.css"), now)
		acted++
		now = now.Add(100 * time.Millisecond)
		c.end(now)
		now = now.Add(20 * time.Millisecond) // what it wrote is noticed
	}
	if len(said) != 2 || !strings.Contains(said[0], "/src/out.css") || !strings.Contains(said[0], "ignore") {
		t.Fatalf("said %q", said)
	}
	if acted > cycleCount+cycleEnd || dropped == 0 {
		t.Fatalf("acted %d times, dropped %d", acted, dropped)
	}
	if v := c.judge("w", edit(now, "/src/other.py")); v.drop || v.pause > 0 {
		t.Fatal("another file is held back")
	}
}

// A person who saves the same file again and again is not taken for a loop, as long as an action has been over for a
// moment before the next save.
func TestAPersonIsNoCycle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c cycle
		now := time.Unix(1000, 0)
		for range 50 {
			if v := c.judge("w", edit(now, "/src/a.py")); v.pause > 0 || v.drop || v.message != "" {
				t.Fatalf("%+v", v)
			}
			c.start(edit(now, "/src/a.py"), now)
			now = now.Add(time.Duration(rapid.IntRange(10, 500).Draw(t, "took")) * time.Millisecond)
			c.end(now)
			now = now.Add(cycleWindow + time.Duration(rapid.IntRange(1, 5000).Draw(t, "pause"))*time.Millisecond)
		}
	})
}

// laneRig is a lane whose tasks the test carries out, and the events that it causes.
func laneRig(run func(context.Context, *task) error) (*lane, *state.Events) {
	events := state.NewEvents()
	l := &Loop{cfg: Config{
		Instance: &instance.Instance{Name: "test"}, Log: slog.New(slog.DiscardHandler),
		Event: func(kind, name, typ, reason, message string) {
			events.Add(time.Now(), kind, name, typ, reason, message)
		},
	}}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return &lane{loop: l, name: "workload web", run: run}, events
}

func TestANewerChangeSupersedesAndNothingIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var done [][]string
		cancelled := 0
		n, _ := laneRig(func(ctx context.Context, k *task) error {
			select {
			case <-time.After(time.Second):
				done = append(done, k.paths)
				return nil
			case <-ctx.Done():
				cancelled++
				return context.Cause(ctx)
			}
		})
		for _, p := range []string{"a", "b", "c"} {
			n.offer(edit(time.Now(), p))
			time.Sleep(300 * time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if cancelled != 2 || len(done) != 1 || strings.Join(done[0], "") != "abc" {
			t.Fatalf("cancelled %d, done %v", cancelled, done)
		}
		n.offer(edit(time.Now(), "d"))
		n.offer(&task{workload: "web", quiet: true, sync: map[string][]livesync.Item{"c": nil}}) // cancels nothing
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if cancelled != 2 || strings.Join(done[1], "") != "d" {
			t.Fatalf("cancelled %d, done %v", cancelled, done)
		}
		n.loop.cancel()
		n.loop.wg.Wait()
	})
}

func TestALaneThatFeedsItselfIsSlowedDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int32
		var n *lane
		var events *state.Events
		n, events = laneRig(func(context.Context, *task) error {
			runs.Add(1)
			time.Sleep(50 * time.Millisecond)
			go n.offer(edit(time.Now(), "/src/log")) // the run wrote into the tree
			return nil
		})
		n.offer(edit(time.Now(), "/src/log"))
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if n := runs.Load(); n > cycleCount+1 {
			t.Fatalf("%d runs in five seconds", n)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := runs.Load(); n > cycleCount+cycleEnd+1 {
			t.Fatalf("%d runs in an hour", n)
		}
		found := 0
		for _, e := range events.Since(0) {
			if e.Reason == "WriteLoop" && strings.Contains(e.Message, "/src/log") {
				found++
			}
		}
		if found != 2 {
			t.Fatalf("%d events", found)
		}
		n.loop.cancel()
		n.loop.wg.Wait()
	})
}

func TestLine(t *testing.T) {
	r := &Record{
		Workload: "web", Paths: []string{"/p/app/a.py", "/p/b"}, Files: 3, Total: 412 * time.Millisecond,
		Batched: 31 * time.Millisecond, Shipped: 4 * time.Millisecond, Restarted: 120 * time.Millisecond, Ready: 257 * time.Millisecond,
	}
	r.did(actionSyncRestart, 1)
	r.did(actionSyncRestart, 2)
	want := "app/a.py and 2 more: sync+restart, 3 pods in 412 ms (batched 31, shipped 4, restarted 120, ready 257)"
	if got := r.Line("/p"); got != want {
		t.Fatalf("%s\nwant\n%s", got, want)
	}
	r = &Record{Paths: []string{"/other/a"}, Files: 1, Actions: []string{actionRebuild}, Error: "why"}
	if got := r.Line("/p"); got != "/other/a: rebuild in 0 ms (batched 0): why" {
		t.Fatal(got)
	}
}

func TestStats(t *testing.T) {
	var records []Record
	for i := 1; i <= 100; i++ {
		records = append(records, Record{
			Actions: []string{"sync"}, Total: time.Duration(i) * time.Millisecond, Batched: 30 * time.Millisecond,
		})
	}
	records = append(records, Record{Actions: []string{"sync"}, Error: "x", Total: time.Hour}, Record{Actions: []string{"rebuild"}, Error: "x"})
	got := fmt.Sprintf("%+v", Stats(records))
	want := "[{Action:rebuild Count:1 Failed:1 Stages:[]} {Action:sync Count:101 Failed:1 Stages:[" +
		"{Stage:batched P50:30ms P90:30ms P99:30ms Max:30ms} {Stage:total P50:50ms P90:90ms P99:99ms Max:100ms}]}]"
	if got != want {
		t.Fatalf("%s\nwant\n%s", got, want)
	}
}
