package supervisor

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
	"github.com/lyandev/lyandev/supervisor/state"
)

// debugged is a Deployment web of two pods with all probes.
func debugged(t *testing.T, image, annotation string) *services.Stack {
	t.Helper()
	web := deployment("web", 2)
	check := func() *corev1.Probe {
		return &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"check"}}}, PeriodSeconds: 1, FailureThreshold: 3}
	}
	c := &web.PodSpec().Containers[0]
	c.Image, c.LivenessProbe, c.ReadinessProbe, c.StartupProbe = image, check(), check(), check()
	if annotation != "" {
		web.PodMeta().Annotations = map[string]string{services.PauseProbesAnnotation: annotation}
	}
	return prepared(t, web)
}

// onDebugged runs a test with the stack debugged, whose processes stand while stands is set.
func onDebugged(t *testing.T, annotation string, test func(r *rig, stands *atomic.Bool)) {
	t.Helper()
	onRig(t, prepared(t), func(r *rig) {
		var stands atomic.Bool
		r.AddImage("img:2", enginefake.Image{})
		r.On("s-web*", enginefake.Script{Exec: func(context.Context, *enginefake.Execution) (int, error) {
			if stands.Load() {
				return 1, nil
			}
			return 0, nil
		}})
		stack := debugged(t, "img:1", annotation)
		err := r.s.saveStack(stack)
		if err == nil {
			err = r.s.change(r.t.Context(), "take", func() error { return r.s.take(stack) })
		}
		if err != nil {
			t.Fatal(err)
		}
		r.pass(time.Minute)
		r.phase(state.Ready)
		test(r, &stands)
	})
}

// paused are the pods whose probes are paused and that stay.
func paused(t *testing.T, s *Supervisor) (out []string) {
	t.Helper()
	for _, p := range s.Store().Latest().Pods {
		if services.PausedProbes(p) != nil && p.DeletionTimestamp == nil {
			out = append(out, p.Name)
		}
	}
	slices.Sort(out)
	return out
}

func timesRestarted(s *Supervisor) (n int32) {
	for _, p := range s.Store().Latest().Pods {
		n += p.Status.ContainerStatuses[0].RestartCount
	}
	return n
}

// TestAPausedServiceIsNotJudged: none of its pods is restarted or taken out of service, also under the next supervisor, and pods of a
// rollout inherit the pause. When it ends, probes kill as ever.
func TestAPausedServiceIsNotJudged(t *testing.T) {
	onDebugged(t, "", func(r *rig, stands *atomic.Bool) {
		pods, err := r.s.PauseProbes(r.t.Context(), ProbePause{Names: []string{"web"}})
		if err != nil || len(pods) != 2 {
			t.Fatalf("paused %v, %v", pods, err)
		}
		stands.Store(true)
		r.pass(time.Hour)
		r.phase(state.Ready)
		if got := paused(t, r.s); !slices.Equal(got, pods) || timesRestarted(r.s) != 0 {
			t.Fatalf("%v are paused, %d restarts", got, timesRestarted(r.s))
		}
		next := r.successor()
		r.follow(next, func() {
			r.pass(time.Hour)
			if got := paused(t, next); !slices.Equal(got, pods) || timesRestarted(next) != 0 {
				t.Errorf("under the next supervisor %v are paused, %d restarts", got, timesRestarted(next))
			}
			stands.Store(false)
			if err := next.change(r.t.Context(), "take", func() error { return next.take(debugged(t, "img:2", "")) }); err != nil {
				t.Error(err)
			}
			r.pass(10 * time.Second)
			got := paused(t, next)
			if len(got) != 2 || slices.Contains(got, pods[0]) || next.Store().Latest().Phase != state.Ready {
				t.Errorf("after the rollout %v are paused, and the stack is %s", got, next.Store().Latest().Phase)
			}
			stands.Store(true)
			r.pass(time.Minute)
			if resumed, err := next.ResumeProbes(r.t.Context(), ProbePause{Names: []string{"web"}}); err != nil || len(resumed) != 2 || timesRestarted(next) != 0 {
				t.Errorf("resumed %v, %v; %d restarts", resumed, err, timesRestarted(next))
			}
			r.pass(time.Minute)
			if got := paused(t, next); len(got) != 0 || timesRestarted(next) == 0 {
				t.Errorf("after the pause %v are paused, %d restarts", got, timesRestarted(next))
			}
		})
	})
}

// TestAPausedPodIsPausedAlone: its pause ends with it, or after its time.
func TestAPausedPodIsPausedAlone(t *testing.T) {
	onDebugged(t, "", func(r *rig, stands *atomic.Bool) {
		name := r.phase(state.Ready).Pods[0].Name
		pause := func(d time.Duration) {
			t.Helper()
			if _, err := r.s.PauseProbes(r.t.Context(), ProbePause{Names: []string{name}, For: d, Liveness: true}); err != nil {
				t.Fatal(err)
			}
			r.pass(time.Second)
			if got := paused(t, r.s); !slices.Equal(got, []string{name}) {
				t.Fatalf("paused are %v", got)
			}
		}
		pause(30 * time.Minute)
		c := services.PausedProbes(r.s.Store().Latest().Pod(name))
		if c.Reason != "liveness" || !strings.Contains(c.Message, "by pause-probes, until ") || !strings.HasSuffix(c.Message, "; `lyandev resume-probes "+name+"` resumes them") {
			t.Fatalf("the condition is %+v", c)
		}
		stands.Store(true)
		r.pass(time.Minute)
		for _, p := range r.s.Store().Latest().Pods {
			if n := p.Status.ContainerStatuses[0].RestartCount; (n == 0) != (p.Name == name) {
				t.Fatalf("%s was restarted %d times", p.Name, n)
			}
		}
		stands.Store(false)
		r.pass(28 * time.Minute)
		if got := paused(t, r.s); len(got) != 1 {
			t.Fatalf("paused after 29 minutes: %v", got)
		}
		r.pass(time.Minute)
		if got := paused(t, r.s); len(got) != 0 {
			t.Fatalf("paused after 30 minutes: %v", got)
		}
		pause(0)
		if err := r.s.RestartWorkload(r.t.Context(), "web"); err != nil {
			t.Fatal(err)
		}
		r.pass(time.Minute)
		if got := paused(t, r.s); len(got) != 0 {
			t.Fatalf("paused after the pod was replaced: %v", got)
		}
	})
}

func TestPausesByAnnotationAndWhatCannotBeResumed(t *testing.T) {
	onDebugged(t, "liveness", func(r *rig, _ *atomic.Bool) {
		names := paused(t, r.s)
		if len(names) != 2 {
			t.Fatalf("paused are %v", names)
		}
		ask := func(f func(context.Context, ProbePause) ([]string, error), names ...string) string {
			_, err := f(r.t.Context(), ProbePause{Names: names})
			if err == nil {
				return ""
			}
			return err.Error()
		}
		for _, c := range []struct{ got, want string }{
			{ask(r.s.ResumeProbes, "web"), "has the annotation dev.lyandev/pause-probes; take it out of the file"},
			{ask(r.s.PauseProbes, "wbe"), "cannot pause the probes of wbe: there is no such service or pod; there are web"},
			{ask(r.s.PauseProbes), "cannot pause probes: name the services or pods"},
			{ask(r.s.PauseProbes, "web"), ""},
			{ask(r.s.ResumeProbes, names[0]), "alone: those of all pods of web are paused; `lyandev resume-probes web` resumes them"},
			{ask(r.s.ResumeProbes), ""},
		} {
			if !strings.Contains(c.got, c.want) || c.want == "" && c.got != "" {
				t.Errorf("the error is %q, want %q", c.got, c.want)
			}
		}
		r.pass(time.Second)
		if c := services.PausedProbes(r.s.Store().Latest().Pods[0]); c == nil || c.Message != "by the annotation dev.lyandev/pause-probes" {
			t.Errorf("after everything was resumed the annotation's pause is %+v", c)
		}
	})
	onDebugged(t, "yes", func(r *rig, _ *atomic.Bool) {
		if got := paused(t, r.s); len(got) != 0 {
			t.Fatalf("paused are %v", got)
		}
		said := slices.ContainsFunc(r.s.Events().Since(0), func(e state.Event) bool {
			return e.Reason == "InvalidAnnotation" && strings.Contains(e.Message, `must be "true", "liveness" or "false", not "yes"`)
		})
		if _, err := r.s.ResumeProbes(r.t.Context(), ProbePause{Names: []string{"web"}}); err == nil || !said {
			t.Errorf("the event is there: %v; resuming: %v", said, err)
		}
	})
}
