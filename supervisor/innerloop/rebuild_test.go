package innerloop

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
)

func enginespec(image string) engine.ContainerSpec {
	return engine.ContainerSpec{Name: "next", Image: image}
}

// rebuilding are rules of which one rebuilds and one syncs and restarts.
func rebuilding() []services.WatchRule {
	return []services.WatchRule{
		{Container: "c", Action: actionRebuild, Path: "req.txt"},
		{Container: "c", Action: actionSyncRestart, Path: "app", Target: "/app"},
	}
}

func TestARebuildRollsThePods(t *testing.T) {
	onRig(t, 2, rebuilding(), func(t *testing.T, r *rig) {
		r.edit("req.txt one")
		r.pass(11 * time.Second)
		r.wants("build web", "pin")
		if len(r.loop.Records()) != 0 {
			t.Fatal("it has not waited for the pods")
		}
		r.pass(20 * time.Second)
		r.wants("web-0-new is ready", "web-1-new is ready")
		rec := r.last()
		if rec.Error != "" || rec.Pods != 2 || rec.Built != 10*time.Second || rec.Ready < 4*time.Second || !slices.Equal(rec.Actions, []string{actionRebuild}) {
			t.Fatalf("%+v", rec)
		}
		if e := r.events.Since(0); len(e) != 1 || e[0].Reason != "Rebuilt" {
			t.Fatalf("%+v", e)
		}
	})
}

// TestAFailedBuildChangesNothing, except that what the build would have made unnecessary is done.
func TestAFailedBuildChangesNothing(t *testing.T) {
	onRig(t, 1, rebuilding(), func(t *testing.T, r *rig) {
		r.buildFails = errors.New("cannot build web: step 3 failed")
		r.edit("req.txt one")
		r.pass(time.Minute)
		r.wants("build web")
		if rec := r.last(); rec.Error != "cannot build web: step 3 failed; the running pods are unchanged" || rec.Pods != 0 {
			t.Fatalf("%+v", rec)
		}
		r.edit("app/a.py one", "req.txt two")
		r.pass(time.Second)
		// No restart: the build is to replace the pod.
		if got := r.took(); len(got) != 2 || !slices.Contains(got, "build web") || !slices.Contains(got, "web-0 gets /app/a.py: one") {
			t.Fatalf("%q", got)
		}
		r.pass(time.Minute)
		r.wants("web-0 is out of service", "restart the process of web-0", "web-0 is ready")
	})
}

func TestANewerChangeSupersedesABuild(t *testing.T) {
	onRig(t, 1, rebuilding(), func(t *testing.T, r *rig) {
		r.edit("req.txt one")
		r.pass(5 * time.Second)
		r.edit("req.txt two")
		r.pass(time.Minute)
		r.wants("build web", "the build is cancelled", "build web", "pin", "web-0-new is ready")
		if n := len(r.loop.Records()); n != 1 || r.last().Error != "" {
			t.Fatalf("%d records, %+v", n, r.last())
		}
	})
}

// TestANewerChangeSupersedesTheWaitForPods: the image is pinned, the next one replaces it.
func TestANewerChangeSupersedesTheWaitForPods(t *testing.T) {
	onRig(t, 1, rebuilding(), func(t *testing.T, r *rig) {
		r.edit("req.txt one")
		r.pass(11 * time.Second)
		r.edit("req.txt two")
		r.pass(time.Minute)
		records := r.loop.Records()
		if len(records) != 2 || !slices.Equal(records[0].Actions, []string{actionRebuild, "superseded"}) || records[1].Error != "" {
			t.Fatalf("%+v", records)
		}
	})
}

func TestARolloutThatIsStuckIsToldAtOnce(t *testing.T) {
	onRig(t, 1, rebuilding(), func(t *testing.T, r *rig) {
		r.crashes["web-0-new"] = true
		r.edit("req.txt one")
		r.pass(15 * time.Second)
		if rec := r.last(); !strings.Contains(rec.Error, "new pod web-0-new does not start: container c ended with exit code 3") {
			t.Fatalf("%+v", rec)
		}
	})
}

func TestARolloutThatTakesTooLong(t *testing.T) {
	onRig(t, 1, rebuilding(), func(t *testing.T, r *rig) {
		r.stuck["web-0-new"] = true
		r.edit("req.txt one")
		r.pass(rolloutPatience)
		if len(r.loop.Records()) != 0 {
			t.Fatal("it is given up too early")
		}
		r.pass(time.Minute)
		if rec := r.last(); !strings.Contains(rec.Error, "the pods of web are not all new and ready after 15m0s") {
			t.Fatalf("%+v", rec)
		}
	})
}

// TestSyncedFilesOutliveARebuild: a file outside the build's context is in no image.
func TestSyncedFilesOutliveARebuild(t *testing.T) {
	onRig(t, 1, rebuilding(), func(t *testing.T, r *rig) {
		r.edit("app/a.py one")
		r.pass(5 * time.Second)
		r.edit("req.txt one")
		r.pass(time.Minute)
		p := r.store.Latest().Pod("web-0-new")
		at, running := targetOf(p, "c")
		if text, _ := r.eng.File(at.id, "/app/a.py"); !running || string(text) != "one" {
			t.Fatalf("the new pod has %q", text)
		}
	})
}

// TestWhatIsBuiltFromAnImageIsRebuiltWithIt: additional_contexts service:NAME.
func TestWhatIsBuiltFromAnImageIsRebuiltWithIt(t *testing.T) {
	onRig(t, 1, rebuilding(), func(t *testing.T, r *rig) {
		next := r.stack.DeepCopy()
		next.Builds = append(next.Builds, &services.Build{Name: "user", Image: "user:1", AdditionalContexts: map[string]string{"base": "service:web"}})
		r.stack = next
		r.loop.Use(next)
		r.pass(time.Second)
		r.edit("req.txt one")
		r.pass(11 * time.Second)
		r.wants("build web", "pin", "build user")
		r.pass(time.Minute)
	})
}

func TestWrap(t *testing.T) {
	rules := one(actionSyncRestart)
	onRig(t, 1, rules, func(t *testing.T, r *rig) {
		wrap := func(p *corev1.Pod, container string) engine.ContainerSpec {
			t.Helper()
			spec := engine.ContainerSpec{Image: image}
			if err := r.loop.Wrap(t.Context(), p, &corev1.Container{Name: container}, &spec); err != nil {
				t.Fatal(err)
			}
			return spec
		}
		p := r.store.Latest().Pod("web-0")
		spec := wrap(p, "c")
		if got, want := strings.Join(append(spec.Entrypoint, spec.Cmd...), " "), "/.lyandev/lyandev shim "+string(p.UID)+"/c SIGTERM -- serve"; got != want {
			t.Errorf("it runs %q, want %q", got, want)
		}
		if len(spec.Mounts) != 1 || spec.Mounts[0].Volume != "s_lyandev-shim-hash" || !spec.Mounts[0].ReadOnly {
			t.Errorf("mounts %+v", spec.Mounts)
		}
		if spec := wrap(p, "other"); len(spec.Mounts)+len(spec.Entrypoint) != 0 {
			t.Errorf("a container without rules: %+v", spec)
		}
		bare := p.DeepCopy()
		bare.Annotations = map[string]string{ShimAnnotation: "false"}
		if spec := wrap(bare, "c"); len(spec.Mounts)+len(spec.Entrypoint) != 0 {
			t.Errorf("a pod without a shim: %+v", spec)
		}
		r.loop.WatchFiles(false)
		if spec := wrap(p, "c"); len(spec.Mounts)+len(spec.Entrypoint) != 0 {
			t.Errorf("without watching: %+v", spec)
		}
		if n := len(r.eng.Calls("CreateVolume")); n != 1 {
			t.Errorf("the volume was made %d times", n)
		}
		if err := r.eng.CreateVolume(t.Context(), engine.VolumeSpec{Name: "old", Labels: r.loop.cfg.Labels(shimKind)}); err != nil {
			t.Fatal(err)
		}
		r.loop.RemoveVolumes(t.Context())
		if list, err := r.eng.ListVolumes(t.Context(), nil); err != nil || len(list) != 0 {
			t.Errorf("left: %+v, %v", list, err)
		}
	})
}
