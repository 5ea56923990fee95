package restore

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
	"github.com/lyandev/lyandev/supervisor/snapshot"
)

var errBroken = errors.New("broken for the test")

// broken says whether an error comes from errBroken, of which only the text passes through a copy container.
func broken(err error) bool { return err != nil && strings.Contains(err.Error(), errBroken.Error()) }

// TestRestore: the copies are brought in while the services run; these stop, and only then contents are exchanged. The file is
// there from before the stop until after the exchange.
func TestRestore(t *testing.T) {
	onRig(t, func(r *rig) {
		r.saved()
		done, err := r.Restore(r.t.Context(), "base", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.wantLog(
			"fill db", "fill cache",
			"suspend db cache (pending)", "suspended, waits for snapshot base to be restored (pending)",
			"swap db (pending)", "swap cache (pending)",
			"resume db cache", "event Normal SnapshotRestored",
		)
		r.holds("db", "db of base")
		r.holds("cache", "cache of base")
		r.wantPorters(0)
		if done.Stopped != r.stopping || done.Bytes != int64(len("db of base"+"cache of base")) || len(done.Claims) != 2 {
			t.Errorf("%+v", done)
		}
		if workloads, _ := r.successor().Adopt(); workloads != nil {
			t.Errorf("the next supervisor would restore again, with %v away", workloads)
		}
	})
}

// TestRestoreOfSomeServices leaves the others alone.
func TestRestoreOfSomeServices(t *testing.T) {
	onRig(t, func(r *rig) {
		r.saved()
		if _, err := r.Restore(r.t.Context(), "base", []string{"cache"}); err != nil {
			t.Fatal(err)
		}
		r.wantLog(
			"fill cache", "suspend cache (pending)", "suspended, waits for snapshot base to be restored (pending)",
			"swap cache (pending)", "resume cache", "event Normal SnapshotRestored",
		)
		r.holds("db", "db of now")
		r.holds("cache", "cache of base")
	})
}

// TestRefusedRestores change nothing and stop nobody.
func TestRefusedRestores(t *testing.T) {
	for _, c := range []struct {
		name, snapshot, service string
		before                  func(r *rig)
		want                    string
	}{
		{"no such snapshot", "other", "", func(*rig) {}, "no such snapshot: other"},
		{"no such service", "base", "nobody", func(*rig) {}, "cannot find service nobody"},
		{"a service without a volume", "base", "web", func(*rig) {}, "there is nothing to copy"},
		{"a full disk", "base", "", func(r *rig) { r.failing("fill cache", errBroken) }, "nothing was changed"},
		{"no copy container", "base", "", func(r *rig) {
			r.Inject(func(f *enginefake.Faults) { f.StartContainer = enginefake.Fail(errBroken) })
		}, "nothing was changed"},
		{"the pending file cannot be written", "base", "", func(r *rig) { r.cfg.File = r.volumes + "/absent/restore.json" }, "nothing was changed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			onRig(t, func(r *rig) {
				r.saved()
				c.before(r)
				var names []string
				if c.service != "" {
					names = []string{c.service}
				}
				_, err := r.Restore(r.t.Context(), c.snapshot, names)
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v, want %q", err, c.want)
				}
				r.wantPending(false)
				r.wantPorters(0)
				r.mu.Lock()
				for _, what := range r.log {
					if strings.HasPrefix(what, "su") || strings.HasPrefix(what, "sw") {
						t.Errorf("it did %q", what)
					}
				}
				r.mu.Unlock()
				r.holds("db", "db of now")
				r.holds("cache", "cache of now")
			})
		})
	}
}

// TestOnceServicesStopARestoreGoesOn: the client that asked for it gives up.
func TestOnceServicesStopARestoreGoesOn(t *testing.T) {
	onRig(t, func(r *rig) {
		r.saved()
		ctx, cancel := context.WithTimeout(r.t.Context(), r.stopping/2)
		defer cancel()
		if _, err := r.Restore(ctx, "base", nil); err != nil {
			t.Fatal(err)
		}
		r.holds("db", "db of base")
		r.wantPending(false)
	})
}

// TestAFailedExchangeIsTriedAgain: the services stay stopped until it has succeeded, and another restore does not begin before.
func TestAFailedExchangeIsTriedAgain(t *testing.T) {
	for _, at := range []string{"suspend", "swap cache"} {
		t.Run(at, func(t *testing.T) {
			onRig(t, func(r *rig) {
				r.saved()
				r.failing(at, errBroken)
				r.running(r.Restorer, func() {
					_, err := r.Restore(r.t.Context(), "base", nil)
					if !broken(err) || !strings.Contains(err.Error(), "db, cache stay stopped") {
						t.Fatalf("%v", err)
					}
					if _, err := r.Restore(r.t.Context(), "base", []string{"cache"}); !broken(err) {
						t.Errorf("another restore before the first is finished: %v", err)
					}
					r.pass(time.Minute)
					r.wantPending(true)
					r.mu.Lock()
					if slices.ContainsFunc(r.log, func(s string) bool { return strings.HasPrefix(s, "resume") }) {
						t.Error("services were started")
					}
					r.mu.Unlock()
					r.failing(at, nil)
					r.pass(retryInterval + 2*r.stopping)
				})
				r.wantPending(false)
				r.holds("db", "db of base")
				r.holds("cache", "cache of base")
				if last := r.log[len(r.log)-2:]; !slices.Equal(last, []string{"resume db cache", "event Normal SnapshotRestored"}) {
					t.Errorf("at last it did %v", last)
				}
			})
		})
	}
}

// killed begins a restore and cuts it off where it is at an operation, as a kill of the supervisor does.
func (r *rig) killed(at string) {
	r.t.Helper()
	r.saved()
	r.failing(at, errBroken)
	if _, err := r.Restore(r.t.Context(), "base", nil); !broken(err) {
		r.t.Fatal(err)
	}
	r.failing(at, nil)
	r.wantPending(true)
	r.log = nil
}

// TestTheNextSupervisorFinishesARestore that was cut off, with the services away meanwhile.
func TestTheNextSupervisorFinishesARestore(t *testing.T) {
	for _, at := range []string{"suspend", "swap db", "swap cache"} {
		t.Run(at, func(t *testing.T) {
			onRig(t, func(r *rig) {
				r.killed(at)
				next := r.successor()
				workloads, why := next.Adopt()
				if !slices.Equal(workloads, []string{"db", "cache"}) || why != "waits for snapshot base to be restored" {
					t.Errorf("away are %v, because %q", workloads, why)
				}
				r.Inject(func(f *enginefake.Faults) { f.CreateContainer = enginefake.Times(1, enginefake.Fail(errBroken)) })
				r.running(next, func() { r.pass(retryInterval + 2*r.stopping) })
				r.wantLog(
					"suspend db cache (pending)", "suspended, waits for snapshot base to be restored (pending)",
					"swap db (pending)", "swap cache (pending)", "resume db cache", "event Normal SnapshotRestored",
				)
				r.holds("db", "db of base")
				r.holds("cache", "cache of base")
				r.wantPending(false)
				r.wantPorters(0)
				r.running(next, func() { r.pass(time.Minute) })
				r.wantLog()
			})
		})
	}
}

// TestAPendingFileOfTheVersionBefore is understood.
func TestAPendingFileOfTheVersionBefore(t *testing.T) {
	const before = `{"name":"base","claims":[{"claim":"db","workload":"db","from":"db","sum":"00000000"}],"workloads":["db","web"]}`
	onRig(t, func(r *rig) {
		r.write("db", "db of now")
		if err := os.WriteFile(r.file(), []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		if workloads, _ := r.Adopt(); !slices.Equal(workloads, []string{"db", "web"}) {
			t.Errorf("away are %v", workloads)
		}
		if b, err := json.Marshal(r.pending); err != nil || string(b) != before {
			t.Errorf("written it is %s, %v", b, err)
		}
	})
}

// TestAPendingFileThatCannotBeRead stops nobody, and the volumes stay as they are.
func TestAPendingFileThatCannotBeRead(t *testing.T) {
	for _, text := range []string{"", "{", `{"name":"base"}`} {
		onRig(t, func(r *rig) {
			r.write("db", "db of now")
			if err := os.WriteFile(r.file(), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if workloads, _ := r.Adopt(); workloads != nil {
				t.Errorf("%q: away are %v", text, workloads)
			}
			r.running(r.Restorer, func() { r.pass(time.Minute) })
			r.wantLog()
			r.holds("db", "db of now")
		})
	}
}

// TestLeftoversOfAKilledSave: the next supervisor removes them, also when the engine does not answer at first, and nothing else.
func TestLeftoversOfAKilledSave(t *testing.T) {
	onRig(t, func(r *rig) {
		r.saved()
		ctx := r.t.Context()
		label := func(kind string) map[string]string {
			return map[string]string{services.ProjectLabel: r.project, snapshot.KindLabel: kind, snapshot.NameLabel: "half"}
		}
		err := errors.Join(
			r.CreateVolume(ctx, engine.VolumeSpec{Name: r.project + "_snap_half_db", Labels: label(snapshot.KindCopy)}), r.CreateVolume(ctx, engine.VolumeSpec{Name: r.project + "_snap_half_cache", Labels: label(snapshot.KindCopy)}),
		)
		id, createErr := r.CreateContainer(ctx, engine.ContainerSpec{
			Name: r.project + "-porter-7", Image: "lyandev:1", Labels: label(snapshot.KindPorter),
			Mounts: []engine.Mount{{Volume: r.project + "_snap_half_db", Target: "/dst/0"}},
		})
		if err := errors.Join(err, createErr, r.StartContainer(ctx, id)); err != nil {
			t.Fatal(err)
		}
		before, err := r.ListVolumes(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Inject(func(f *enginefake.Faults) { f.ListVolumes = enginefake.Times(1, enginefake.Fail(errBroken)) })
		r.running(r.successor(), func() { r.pass(time.Minute) })
		r.wantPorters(0)
		after, err := r.ListVolumes(ctx, nil)
		if err != nil || len(after) != len(before)-2 {
			t.Errorf("%d volumes of %d are left, %v", len(after), len(before), err)
		}
		if list, err := r.cfg.Snapshots.List(ctx); err != nil || len(list) != 1 || list[0].Name != "base" {
			t.Errorf("the snapshots are %v, %v", list, err)
		}
		if _, err := r.Restore(ctx, "base", nil); err != nil {
			t.Errorf("the complete snapshot cannot be restored any more: %v", err)
		}
		if events := slices.DeleteFunc(r.log, func(s string) bool { return !strings.HasPrefix(s, "event Normal SnapshotLeft") }); len(events) != 2 {
			t.Errorf("events: %v", events)
		}
	})
}
