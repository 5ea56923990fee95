package innerloop

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine"
)

// plainPod is a pod of a plain service whose container ran from a time.
func plainPod(id string, from time.Time) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web-1", Annotations: map[string]string{compose.Annotation: "{}"}}}
	p.Spec.Containers = []corev1.Container{{Name: "web", Image: "img"}}
	p.Status.Phase = corev1.PodRunning
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: "web", ContainerID: "docker://" + id,
		State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(from)}},
	}}
	return p
}

func TestAPlainPodHasNoShim(t *testing.T) {
	p := plainPod("abc", time.Unix(1, 0))
	at, running := targetOf(p, "web")
	if !running || at.id != "abc" || !at.started.Equal(time.Unix(1, 0)) {
		t.Errorf("%+v", at)
	}
	if shimmed(p) {
		t.Error("it has a shim")
	}
	rules := []services.WatchRule{{Container: "c", Action: actionSyncRestart}}
	if needsShim(&services.Stack{Workloads: []*services.Workload{{Object: &services.ComposeService{}, Watch: rules}}}) {
		t.Error("a stack of plain services makes the shim's volume")
	}
}

// TestTheEndOfAPlainPod: an end that the status before the restart shows is not one of the restart.
func TestTheEndOfAPlainPod(t *testing.T) {
	before := plainPod("abc", time.Unix(1, 0))
	exited := before.DeepCopy()
	exited.Status.Phase = corev1.PodFailed
	exited.Status.ContainerStatuses[0].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		ContainerID: "docker://abc", ExitCode: 3, FinishedAt: metav1.NewTime(time.Unix(5, 0)),
	}}
	if name, end := ended(before, exited); name != "web" || end == nil || end.ExitCode != 3 {
		t.Errorf("%q %+v", name, end)
	}
	if _, end := ended(exited, exited); end != nil {
		t.Errorf("an old end is a new one: %+v", end)
	}
	if why := failedPlain(exited); !strings.Contains(why, "pod web-1 ended with exit code 3") || failedPlain(before) != "" {
		t.Errorf("%q, %q", why, failedPlain(before))
	}
	done := exited.DeepCopy()
	done.Status.Phase = corev1.PodSucceeded
	if !settled(done) || settled(exited) || failedPlain(done) != "" {
		t.Error("a container that ended with success is settled, and one that failed is not")
	}
}

// TestAContainerStartedAgainGetsOnlyWhatItLacks: what was changed in it since stays.
func TestAContainerStartedAgainGetsOnlyWhatItLacks(t *testing.T) {
	onRig(t, 1, one(actionSync), func(t *testing.T, r *rig) {
		r.edit("a.py one")
		r.pass(time.Second)
		r.newPod("web-1")
		r.pass(5 * time.Second)
		at, _ := targetOf(r.store.Latest().Pod("web-1"), "c")
		r.eng.copyFails = errors.New("nothing is to be copied")
		if err := r.loop.BeforeStart(t.Context(), at.id, at.pod, "c"); err != nil || len(r.loop.Warnings()) > 0 {
			t.Fatal(err, r.loop.Warnings())
		}
	})
}

// TestAFailedCommandIsAWarningUntilItSucceeds: the status must not say that all is well.
func TestAFailedCommandIsAWarningUntilItSucceeds(t *testing.T) {
	rules := one(actionSyncExec)
	rules[0].Exec = &compose.Hook{Command: []string{"reload"}}
	rules = append(rules, services.WatchRule{Container: "c", Action: actionSync, Path: "other", Target: "/other"})
	onRig(t, 1, rules, func(t *testing.T, r *rig) {
		r.exitCode = 7
		r.edit("a.py one")
		r.pass(time.Second)
		got := r.loop.Warnings()
		if len(got) != 1 || !strings.HasPrefix(got[0], `edit of web failed: cannot run ["reload"] in pod web-0: it ended with exit code 7`) || r.changed != 1 {
			t.Fatalf("%q, published %d times", got, r.changed)
		}
		r.exitCode = 0
		r.edit("a.py two")
		r.pass(time.Second)
		if got := r.loop.Warnings(); len(got) != 0 || r.changed != 2 {
			t.Fatalf("%q, published %d times", got, r.changed)
		}
	})
}

// TestInitialSyncMakesEmptyDirectories, and none that have files: those come with their files.
func TestInitialSyncMakesEmptyDirectories(t *testing.T) {
	src := resolved(t.TempDir())
	write(t, src+"/full/a", "a")
	write(t, src+"/ignored/skip", "x")
	if err := os.MkdirAll(src+"/one/empty", 0o755); err != nil {
		t.Fatal(err)
	}
	r, err := newRoutes([]ruled{{Workload: "web", Rule: services.WatchRule{Action: actionSync, Path: src, Target: "/app", Ignore: []string{"ignored/skip"}}}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range r.rules[0].younger(time.Now().Add(-time.Hour)) {
		got = append(got, i.Target())
	}
	if want := []string{"/app/full/a", "/app/ignored", "/app/one/empty"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestFilesOfAPlainPodComeFromBeside: nothing of ours is copied into the container; where no container can be beside it, the binary
// is.
func TestFilesOfAPlainPodComeFromBeside(t *testing.T) {
	for _, c := range []struct {
		name, annotation string
		copies           int
	}{
		{"its own processes", "{}", 0},
		{"the host's processes", `{"host":{"PidMode":"host"}}`, 1},
		{"another container's processes", `{"pidOf":"db"}`, 1},
	} {
		onRig(t, 1, one(actionSync), func(t *testing.T, r *rig) {
			at, _ := targetOf(r.store.Latest().Pod("web-0"), "c")
			at.pod = at.pod.DeepCopy()
			at.pod.Annotations = map[string]string{compose.Annotation: c.annotation}
			for range 2 { // a second start of the container finds the helper of the first
				before := len(r.eng.Calls("CopyTo"))
				ch, err := r.loop.files.connect(t.Context(), at)
				if err != nil {
					t.Fatal(err)
				}
				ch.Close()
				if n := len(r.eng.Calls("CopyTo")) - before; n > c.copies {
					t.Errorf("%s: %d copies into the container", c.name, n)
				}
			}
			spec, there := r.eng.Spec("s-web-0-sync")
			if there != (c.copies == 0) {
				t.Fatalf("%s: a container beside: %t", c.name, there)
			}
			if there && (string(spec.Exact.Host.PidMode) != "container:"+at.id || !spec.Exact.Host.AutoRemove) {
				t.Errorf("%+v", spec.Exact.Host)
			}
		})
	}
}

// TestAReadOnlyRootGetsNoFilesBeforeItRuns: the engine refuses to copy into it.
func TestAReadOnlyRootGetsNoFilesBeforeItRuns(t *testing.T) {
	for annotation, want := range map[string]int{"{}": 1, `{"host":{"ReadonlyRootfs":true}}`: 0} {
		onRig(t, 1, one(actionSync), func(t *testing.T, r *rig) {
			r.edit("a.py one")
			r.pass(time.Second)
			p := r.store.Latest().Pod("web-0").DeepCopy()
			p.Annotations = map[string]string{compose.Annotation: annotation}
			id, err := r.eng.CreateContainer(t.Context(), engine.ContainerSpec{Name: "s-new", Image: image})
			if err != nil {
				t.Fatal(err)
			}
			before := len(r.eng.Calls("CopyTo"))
			if err := r.loop.BeforeStart(t.Context(), id, p, "c"); err != nil || len(r.loop.Warnings()) > 0 {
				t.Fatal(err, r.loop.Warnings())
			}
			if n := len(r.eng.Calls("CopyTo")) - before; n != want {
				t.Errorf("%s: %d copies", annotation, n)
			}
		})
	}
}
