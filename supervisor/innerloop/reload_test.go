package innerloop

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/watch"
)

// TestReloadBySignal: a file that was written gets a signal, one that was replaced a restart, since the container has the old one
// mounted.
func TestReloadBySignal(t *testing.T) {
	path := filepath.Join(resolved(t.TempDir()), "app.conf")
	write(t, path, "a")
	r, err := newRoutes([]ruled{{Workload: "web", Rule: services.WatchRule{Container: "c", Action: actionSignal, Path: path}}})
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		op              watch.Op
		replace         bool
		signal, restart bool
	}{
		{op: watch.Written, signal: true},
		{op: watch.Written, replace: true, restart: true},
		{op: watch.Written, signal: true},
		{op: watch.Removed},
	} {
		if c.replace {
			write(t, path+".new", "b")
			if err := os.Rename(path+".new", path); err != nil {
				t.Fatal(err)
			}
		}
		signal, restart := false, false
		for _, x := range r.route(watch.Batch{Changes: []watch.Change{{Path: path, Op: c.op}}}) {
			signal, restart = signal || x.signal["c"], restart || x.restartContainer["c"]
		}
		if signal != c.signal || restart != c.restart {
			t.Errorf("change %d: signal %v, restart %v; want %v, %v", i, signal, restart, c.signal, c.restart)
		}
	}
}

// TestASignalReachesAllContainers of the workload.
func TestASignalReachesAllContainers(t *testing.T) {
	onRig(t, 2, []services.WatchRule{{Container: "c", Action: actionSignal, Path: "app.conf"}}, func(t *testing.T, r *rig) {
		r.edit("app.conf new")
		r.pass(time.Second)
		var got []string
		for _, c := range r.eng.Calls("KillContainer") {
			got = append(got, c.Object)
		}
		slices.Sort(got)
		if len(got) != 2 || got[0] == got[1] {
			t.Errorf("signals went to %v", got)
		}
	})
}
