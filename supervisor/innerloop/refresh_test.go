package innerloop

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
)

func one(action string) []services.WatchRule {
	return []services.WatchRule{{Container: "c", Action: action, Path: ".", Target: "/app"}}
}

func TestSyncGoesToAllPodsAndRestartsNothing(t *testing.T) {
	onRig(t, 2, one(actionSync), func(t *testing.T, r *rig) {
		r.edit("a.py one", "sub/b.py two")
		r.pass(time.Second)
		got := r.took()
		slices.Sort(got)
		want := []string{"web-0 gets /app/a.py: one", "web-0 gets /app/sub/b.py: two", "web-1 gets /app/a.py: one", "web-1 gets /app/sub/b.py: two"}
		if !slices.Equal(got, want) {
			t.Fatalf("%q", got)
		}
		if rec := r.last(); rec.Error != "" || rec.Pods != 2 || rec.Files != 2 || !slices.Equal(rec.Actions, []string{actionSync}) {
			t.Fatalf("%+v", rec)
		}
	})
}

func TestProcessesAreRestartedOnePodAtATime(t *testing.T) {
	onRig(t, 2, one(actionSyncRestart), func(t *testing.T, r *rig) {
		r.edit("a.py one")
		r.pass(10 * time.Second)
		r.wants(
			"web-0 is out of service", "push", "web-0 gets /app/a.py: one", "restart the process of web-0", "web-0 is ready",
			"web-1 is out of service", "push", "web-1 gets /app/a.py: one", "restart the process of web-1", "web-1 is ready",
		)
		rec := r.last()
		if rec.Error != "" || rec.Pods != 2 || rec.Ready < 2*time.Second || !slices.Equal(rec.Actions, []string{actionSyncRestart}) {
			t.Fatalf("%+v", rec)
		}
		if e := r.events.Since(0); len(e) != 1 || e[0].Reason != "Restarted" || e[0].Type != corev1.EventTypeNormal {
			t.Fatalf("%+v", e)
		}
	})
}

func TestAnOnlyPodServesUntilItsFilesAreThere(t *testing.T) {
	onRig(t, 1, one(actionSyncRestart), func(t *testing.T, r *rig) {
		r.edit("a.py one")
		r.pass(10 * time.Second)
		r.wants("web-0 gets /app/a.py: one", "web-0 is out of service", "restart the process of web-0", "web-0 is ready")
	})
}

// TestPodsThatAreNotReadyComeFirst: an edit that repairs a pod must not wait for those that run.
func TestPodsThatAreNotReadyComeFirst(t *testing.T) {
	onRig(t, 2, one(actionSyncRestart), func(t *testing.T, r *rig) {
		r.change("web-1", func(p *corev1.Pod) { setReady(p, corev1.ConditionFalse) })
		r.edit("a.py one")
		r.pass(10 * time.Second)
		if got := r.took(); got[0] != "web-1 is out of service" {
			t.Fatalf("%q", got)
		}
	})
}

// TestContainersAreRestartedWhereTheProcessCannotBe: the rule says so, no shim answers, or the pod is without one.
func TestContainersAreRestartedWhereTheProcessCannotBe(t *testing.T) {
	for _, c := range []struct {
		name, action string
		change       func(r *rig)
		files        bool
	}{
		{"the rule", actionRestart, func(*rig) {}, false},
		{"no shim answers", actionSyncRestart, func(r *rig) {
			r.noShim = true
			r.loop.files.close() // the channels say that a shim answers
		}, true},
		{"an annotation", actionSyncRestart, func(r *rig) {
			r.change("web-0", func(p *corev1.Pod) { p.Annotations = map[string]string{ShimAnnotation: "false"} })
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			onRig(t, 1, one(c.action), func(t *testing.T, r *rig) {
				c.change(r)
				r.edit("a.py one")
				r.pass(time.Second)
				if len(r.loop.Records()) != 0 {
					t.Fatal("it has not waited for the pod")
				}
				r.pass(10 * time.Second)
				r.wants("restart the container of web-0", "web-0 is ready")
				at, _ := targetOf(r.store.Latest().Pod("web-0"), "c")
				if text, ok := r.eng.File(at.id, "/app/a.py"); ok != c.files || ok && string(text) != "one" {
					t.Fatalf("the new container has %q, %t", text, ok)
				}
				if rec := r.last(); rec.Error != "" || rec.Restarted < 2*time.Second || rec.Pods != 1 || !slices.Equal(rec.Actions, []string{c.action}) {
					t.Fatalf("%+v", rec)
				}
			})
		})
	}
}

// TestAPodThatDoesNotBecomeReadyEndsTheRestarts: one broken pod is enough.
func TestAPodThatDoesNotBecomeReadyEndsTheRestarts(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(r *rig)
		after  time.Duration
		want   string
	}{
		{"it crashes", func(r *rig) { r.crashes["web-0"] = true }, 5 * time.Second, "container c ended with exit code 3 (Error)"},
		{"it takes too long", func(r *rig) { r.stuck["web-0"] = true }, readyLimit + time.Second, "is not ready 1m0s after its restart"},
	} {
		t.Run(c.name, func(t *testing.T) {
			onRig(t, 3, one(actionSyncRestart), func(t *testing.T, r *rig) {
				c.change(r)
				r.edit("a.py one")
				r.pass(c.after)
				r.wants("web-0 is out of service", "push", "web-0 gets /app/a.py: one", "restart the process of web-0")
				rec := r.last()
				if !strings.Contains(rec.Error, c.want) || !strings.Contains(rec.Error, "the other 2 pods are not restarted") || rec.Pods != 0 {
					t.Fatalf("%+v", rec)
				}
				if e := r.events.Since(0); e[len(e)-1].Reason != "FailedRestarted" {
					t.Fatalf("%+v", e)
				}
			})
		})
	}
}

// TestAPodWithPausedProbesHasTime: its process may stand at a breakpoint.
func TestAPodWithPausedProbesHasTime(t *testing.T) {
	onRig(t, 2, one(actionSyncRestart), func(t *testing.T, r *rig) {
		pause := func(c ...corev1.PodCondition) {
			r.change("web-0", func(p *corev1.Pod) {
				p.Status.Conditions = slices.DeleteFunc(p.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == services.ProbesPaused })
				p.Status.Conditions = append(p.Status.Conditions, c...)
			})
		}
		r.stuck["web-0"] = true
		r.edit("a.py one")
		r.pass(10 * time.Second)
		pause(corev1.PodCondition{Type: services.ProbesPaused, Status: corev1.ConditionTrue})
		r.pass(time.Hour)
		if n := len(r.loop.Records()); n != 0 {
			t.Fatalf("%d records, %+v", n, r.last())
		}
		pause()
		r.pass(readyLimit)
		if rec := r.last(); !strings.Contains(rec.Error, "is not ready 1m0s after its restart") {
			t.Fatalf("%+v", rec)
		}
	})
}

// TestANewerChangeIsNotLostByARestartThatGoesOn: what is cancelled is done with the newer change.
func TestANewerChangeIsNotLostByARestartThatGoesOn(t *testing.T) {
	onRig(t, 2, one(actionSyncRestart), func(t *testing.T, r *rig) {
		r.edit("a.py one")
		r.pass(500 * time.Millisecond) // web-0 is not ready again yet
		r.edit("b.py two")
		r.pass(20 * time.Second)
		got := strings.Join(r.took(), "\n")
		for _, want := range []string{
			"web-0 gets /app/a.py: one", "web-0 gets /app/b.py: two", "web-1 gets /app/a.py: one\nweb-1 gets /app/b.py: two\nrestart the process of web-1",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("%q is not in\n%s", want, got)
			}
		}
		if n := strings.Count(got, "restart the process of web-0"); n != 2 {
			t.Errorf("web-0 was restarted %d times", n)
		}
		if n := len(r.loop.Records()); n != 1 || r.last().Error != "" || r.last().Files != 2 {
			t.Errorf("%d records, %+v", n, r.last())
		}
	})
}

func TestACommandRunsAfterTheSync(t *testing.T) {
	rules := one(actionSyncExec)
	rules[0].Exec = &compose.Hook{Command: []string{"reload", "now"}, User: "app", WorkingDir: "/srv", Env: []string{"A=1"}}
	onRig(t, 1, rules, func(t *testing.T, r *rig) {
		r.edit("a.conf one")
		r.pass(time.Second)
		r.wants("web-0 gets /app/a.conf: one", "run reload now in web-0 as app /srv A=1")
		if rec := r.last(); rec.Error != "" || rec.Pods != 1 {
			t.Fatalf("%+v", rec)
		}
		r.exitCode = 7
		r.edit("a.conf two")
		r.pass(time.Second)
		if rec := r.last(); !strings.Contains(rec.Error, `cannot run ["reload" "now"] in pod web-0: it ended with exit code 7`) {
			t.Fatalf("%+v", rec)
		}
	})
}

// TestAFailedSyncIsAWarningUntilTheNextOne: the status must not say that all is well.
func TestAFailedSyncIsAWarningUntilTheNextOne(t *testing.T) {
	onRig(t, 1, one(actionSync), func(t *testing.T, r *rig) {
		r.refuse = "cannot sync /app/a.py: no space left on device"
		r.edit("a.py one")
		r.pass(time.Minute)
		want := []string{"edit of web failed: cannot sync to pod web-0: cannot sync /app/a.py: no space left on device"}
		if got := r.loop.Warnings(); !slices.Equal(got, want) || r.changed != 1 {
			t.Fatalf("%q, published %d times", got, r.changed)
		}
		if rec := r.last(); !strings.Contains(rec.Error, "no space left") {
			t.Fatalf("%+v", rec)
		}
		r.refuse = ""
		r.edit("b.py two")
		r.pass(time.Second)
		r.wants("web-0 gets /app/b.py: two")
		if got := r.loop.Warnings(); len(got) != 0 || r.changed != 2 {
			t.Fatalf("%q, published %d times", got, r.changed)
		}
		r.refuse = "no"
		r.edit("b.py three")
		r.pass(time.Second)
		r.remove("web-0")
		r.pass(time.Second)
		if got := r.loop.Warnings(); len(got) != 0 || r.changed != 4 {
			t.Fatalf("of a pod that is gone: %q, published %d times", got, r.changed)
		}
	})
}

// TestWhatCouldNotBeDeliveredIsDeliveredLater: without a new edit, when the container can be reached again.
func TestWhatCouldNotBeDeliveredIsDeliveredLater(t *testing.T) {
	onRig(t, 1, one(actionSync), func(t *testing.T, r *rig) {
		r.loop.files.close()
		r.eng.Inject(func(f *enginefake.Faults) { f.Exec = enginefake.Fail(errors.New("the engine hangs")) })
		r.edit("a.py one")
		r.pass(time.Second)
		if got := r.loop.Warnings(); len(got) != 1 || !strings.Contains(got[0], "the engine hangs") {
			t.Fatalf("%q", got)
		}
		r.eng.Heal()
		r.publish()
		r.pass(time.Second)
		r.wants() // too soon after the last attempt
		r.pass(retryAfter)
		r.publish()
		r.pass(time.Second)
		r.wants("web-0 gets /app/a.py: one")
		if got := r.loop.Warnings(); len(got) != 0 {
			t.Fatalf("%q", got)
		}
	})
}

// TestFilesThatComeBetweenCreationAndStart: the container was made before the edit and runs only after it.
func TestFilesThatComeBetweenCreationAndStart(t *testing.T) {
	onRig(t, 1, one(actionSync), func(t *testing.T, r *rig) {
		r.newPod("web-1")
		r.pass(500 * time.Millisecond)
		r.edit("a.py one")
		r.pass(5 * time.Second)
		got := r.took()
		if !slices.Contains(got, "web-1 gets /app/a.py: one") {
			t.Fatalf("%q", got)
		}
		if len(r.loop.Records()) != 1 {
			t.Fatalf("%d records: only an edit is one", len(r.loop.Records()))
		}
	})
}

// TestAContainerMadeLaterGetsTheFilesBeforeItStarts, also by the next supervisor.
func TestAContainerMadeLaterGetsTheFilesBeforeItStarts(t *testing.T) {
	onRig(t, 1, one(actionSync), func(t *testing.T, r *rig) {
		r.edit("a.py one")
		r.pass(time.Second)
		r.took()
		r.newPod("web-1")
		r.pass(5 * time.Second)
		r.wants("web-1 is ready") // nothing was delivered to the running container
		at, _ := targetOf(r.store.Latest().Pod("web-1"), "c")
		if text, _ := r.eng.File(at.id, "/app/a.py"); string(text) != "one" {
			t.Fatalf("it has %q", text)
		}
		next := New(r.loop.cfg)
		next.Use(r.stack)
		id, err := r.eng.CreateContainer(t.Context(), enginespec(at.image))
		if err != nil {
			t.Fatal(err)
		}
		if err := next.BeforeStart(t.Context(), id, at.pod, "c"); err != nil {
			t.Fatal(err)
		}
		if text, _ := r.eng.File(id, "/app/a.py"); string(text) != "one" {
			t.Fatalf("with the next supervisor it has %q", text)
		}
		next.stop()
	})
}

func TestAContainerStartsWithoutFilesThatCannotBeWritten(t *testing.T) {
	onRig(t, 1, one(actionSync), func(t *testing.T, r *rig) {
		r.edit("a.py one")
		r.pass(time.Second)
		r.eng.copyFails = errors.New("read-only file system")
		r.took()
		r.newPod("web-1")
		r.pass(5 * time.Second)
		r.wants("web-1 is ready")
		if got := r.loop.Warnings(); len(got) != 1 || !strings.Contains(got[0], "pod web-1 starts without the files") {
			t.Fatalf("%q", got)
		}
		if e := r.events.Since(0); e[len(e)-1].Reason != "FailedSync" {
			t.Fatalf("%+v", e)
		}
	})
}

// TestContainersThatAreGoneAreForgotten: 20 restarts of a container and the end of its pod leave nothing.
func TestContainersThatAreGoneAreForgotten(t *testing.T) {
	onRig(t, 2, one(actionSync), func(t *testing.T, r *rig) {
		r.edit("a.py one")
		r.pass(time.Second)
		for range 20 {
			r.RestartContainer(r.store.Latest().Pod("web-0"), "c", "")
			r.pass(5 * time.Second)
		}
		if n := len(r.loop.files.containers); n != 2 {
			t.Errorf("%d containers of 2 pods are known", n)
		}
		r.remove("web-0")
		r.remove("web-1")
		r.pass(time.Second)
		if n := len(r.loop.files.containers); n != 0 {
			t.Errorf("%d containers are known though no pod is there", n)
		}
	})
}

// TestInitialSync: files younger than the image, and only with initial_sync.
func TestInitialSync(t *testing.T) {
	rules := []services.WatchRule{
		{Container: "c", Action: actionSync, Path: "with", Target: "/app", InitialSync: true, Ignore: []string{"skip"}},
		{Container: "c", Action: actionSync, Path: "without", Target: "/other"},
	}
	onRig(t, 1, rules, func(t *testing.T, r *rig) {
		old := time.Now().Add(-time.Hour) // the image was made in the bubble's time, long before the files of this run
		for _, name := range []string{"with/new", "with/old", "with/skip/x", "with/sub/new", "without/new"} {
			write(t, r.src+"/"+name, name)
		}
		if err := os.Chtimes(r.src+"/with/old", old, old); err != nil {
			t.Fatal(err)
		}
		r.loop.WatchFiles(false)
		r.loop.Use(r.stack)
		r.pass(time.Second)
		r.loop.WatchFiles(true)
		r.loop.Use(r.stack)
		r.pass(time.Second)
		r.wants("web-0 gets /app/new: with/new", "web-0 gets /app/sub/new: with/sub/new")
		if len(r.loop.Records()) != 0 {
			t.Fatal("an initial sync is recorded as an edit")
		}
	})
}

func TestWithoutWatchingNothingIsBrought(t *testing.T) {
	onRig(t, 1, one(actionSync), func(t *testing.T, r *rig) {
		r.loop.WatchFiles(false)
		r.loop.Use(r.stack)
		r.pass(time.Second)
		select {
		case r.watcher.batches <- batchOf("written " + r.src + "/a.py"):
			t.Fatal("somebody takes changes")
		case <-time.After(time.Second):
		}
	})
}

// TestAChannelIsOpenBeforeTheFirstEdit: opening one takes longer than a sync.
func TestAChannelIsOpenBeforeTheFirstEdit(t *testing.T) {
	onRig(t, 2, one(actionSync), func(t *testing.T, r *rig) {
		if n := len(r.eng.Calls("Exec")); n != 2 {
			t.Fatalf("%d channels were opened", n)
		}
	})
}

// TestTheEndOfTheLoopEndsItsWork: the process of a pod must not be left stopped.
func TestTheEndOfTheLoopEndsItsWork(t *testing.T) {
	onRig(t, 2, one(actionSyncRestart), func(t *testing.T, r *rig) {
		r.edit("a.py one")
		r.pass(500 * time.Millisecond)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := New(r.loop.cfg).Run(ctx); err != nil {
			t.Fatal(err)
		}
		// onRig ends the loop now; a goroutine that stays would block the bubble's end.
	})
}
