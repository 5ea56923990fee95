package workers

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
	"github.com/lyandev/lyandev/supervisor/pod"
)

// waits is why the pod's container waits, "" if it does not.
func (r *rig) waits(name string) string {
	for _, c := range r.Get(name).Pod().Status.ContainerStatuses {
		if s := c.State.Waiting; s != nil {
			return s.Reason + ": " + s.Message
		}
	}
	return ""
}

// TestAnEngineThatGoesAwayAndComesBack: nothing is started until the loop has had its say; then each pod goes on as its own
// hold says, and what ended with the engine has no back-off.
func TestAnEngineThatGoesAwayAndComesBack(t *testing.T) {
	onRig(t, func(r *rig) {
		r.Start(newPod("a", "a-1"), "")
		r.Start(newPod("b", "b-1"), "")
		r.pass(time.Minute)
		r.do(func() { r.holds["b-1"] = "waits for a" })
		before := len(r.Calls("StartContainer"))
		for restart := range 4 {
			down := time.Now()
			r.Down()
			synctest.Wait()
			if !r.Held() || r.told().lost == 0 {
				t.Fatalf("held: %v; EngineLost was called %d times", r.Held(), r.told().lost)
			}
			r.pass(time.Minute)
			r.do(func() { r.back, r.backFails = nil, errors.New("the loop is not ready") })
			r.Up(true)
			r.pass(10 * time.Second)
			if len(r.told().back) != 2 || !r.told().since.Equal(down) {
				t.Fatalf("EngineBack was given %d pods, since %v", len(r.told().back), r.told().since)
			}
			wantCalls(t, r.done(before, "StartContainer"))
			if !r.Held() {
				t.Fatal("nothing is held though EngineBack failed")
			}
			r.do(func() { r.backFails = nil })
			r.pass(3 * time.Second)
			wantCalls(t, r.done(before, "StartContainer"), "StartContainer "+r.container("a").Name)
			p := r.ready("a-1", true)
			if n := p.Status.ContainerStatuses[0].RestartCount; n != int32(restart)+1 || r.Held() {
				t.Fatalf("%d restarts after %d; held: %v", n, restart+1, r.Held())
			}
			if got := r.waits("b"); got != pod.ReasonHeld+": waits for a" {
				t.Fatalf("b: %q", got)
			}
			r.Hold("b", "")
			r.pass(time.Second)
			r.ready("b-1", true)
			before = len(r.Calls("StartContainer"))
		}
	})
}

// TestWhatEndsByItselfIsNotExcused: only the time given to ResumeAll is.
func TestWhatEndsByItselfIsNotExcused(t *testing.T) {
	onRig(t, func(r *rig) {
		r.start(newPod("a", "a-1"))
		r.CutEvents(errors.New("unexpected EOF"))
		r.pass(time.Minute)
		for range 3 {
			r.Exit(r.container("a").ID, 1)
			r.pass(time.Second)
			if r.waits("a") != "" {
				return
			}
		}
		t.Error("a container that ends by itself again and again has no back-off")
	})
}

// TestEventsThatBreakOff: a break that is over at once is a reason to look, and no loss; a container that ended meanwhile is
// started again.
func TestEventsThatBreakOff(t *testing.T) {
	onRig(t, func(r *rig) {
		r.start(newPod("a", "a-1"))
		id := r.container("a").ID
		r.Inject(func(f *enginefake.Faults) { f.ListContainers = enginefake.Delay(time.Second) })
		r.CutEvents(errors.New("unexpected EOF"))
		synctest.Wait()
		if !r.Held() {
			t.Error("pods may be started while nothing is known of the engine")
		}
		r.Exit(id, 1)
		r.pass(5 * time.Second)
		if r.told().lost != 0 || r.told().back == nil || r.Held() {
			t.Errorf("lost %d times, back with %v, held: %v", r.told().lost, r.told().back, r.Held())
		}
		if n := r.ready("a-1", true).Status.ContainerStatuses[0].RestartCount; n != 1 {
			t.Errorf("%d restarts", n)
		}
	})
}

// TestAPodThatIsMadeWhileTheEngineIsAway: it waits for the engine first, and then for what its own hold says. A hold that the
// loop lifts meanwhile does not lift that of the engine.
func TestAPodThatIsMadeWhileTheEngineIsAway(t *testing.T) {
	onRig(t, func(r *rig) {
		r.Down()
		r.pass(time.Second)
		r.do(func() { r.holds["b-1"] = "waits for a" })
		r.Start(newPod("a", "a-1"), "")
		r.Start(newPod("b", "b-1"), "waits for a")
		r.do(func() { r.backFails = errors.New("the loop is not ready") })
		r.Up(false)
		r.pass(10 * time.Second)
		for _, name := range []string{"a", "b"} {
			r.Hold(name, "")
			r.pass(10 * time.Second)
			if got := r.waits(name); got != pod.ReasonHeld+": "+engineAway {
				t.Errorf("%s: %q", name, got)
			}
		}
		r.do(func() { r.backFails = nil })
		r.pass(10 * time.Second)
		r.ready("a-1", true)
		if got := r.waits("b"); got != pod.ReasonHeld+": waits for a" {
			t.Errorf("b: %q", got)
		}
		r.Hold("b", "waits for c")
		r.pass(0)
		if got := r.waits("b"); !strings.HasSuffix(got, "waits for c") {
			t.Errorf("b: %q", got)
		}
	})
}

// TestAnEngineThatIsAwayFromTheBeginning: its first answer is its coming back.
func TestAnEngineThatIsAwayFromTheBeginning(t *testing.T) {
	onRig(t, func(r *rig) {
		r.end()
		r.begin()
		r.Down() // after Open and before the first subscription
		r.pass(time.Minute)
		if r.told().lost == 0 || !r.Held() {
			t.Errorf("lost %d times, held: %v", r.told().lost, r.Held())
		}
		r.Up(false)
		r.pass(10 * time.Second)
		if r.Held() || r.told().since.IsZero() {
			t.Errorf("held: %v, since %v", r.Held(), r.told().since)
		}
	})
}

// TestAHeldPod: it starts nothing until it may.
func TestAHeldPod(t *testing.T) {
	onRig(t, func(r *rig) {
		r.Start(newPod("a", "a-1"), "waits for db")
		r.pass(10 * time.Minute)
		wantCalls(t, r.done(0, "CreateContainer", "StartContainer"))
		if got := r.waits("a"); got != pod.ReasonHeld+": waits for db" {
			t.Errorf("it waits with %q", got)
		}
		r.Hold("a", "")
		r.pass(time.Second)
		r.ready("a-1", true)
	})
}

// TestEventsOfTheAgent: its start and its end are told of; nothing else is.
func TestEventsOfTheAgent(t *testing.T) {
	onRig(t, func(r *rig) {
		id, err := r.CreateContainer(r.t.Context(), engine.ContainerSpec{
			Name: "s-agent", Image: "img:1", Labels: map[string]string{services.ProjectLabel: "s", "dev.lyandev.kind": "agent"},
		})
		if err != nil {
			t.Fatal(err)
		}
		r.pass(time.Minute)
		if r.told().agent != 0 {
			t.Errorf("told of %d times before its start", r.told().agent)
		}
		if err := r.StartContainer(r.t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(r.PauseContainer(r.t.Context(), id), r.UnpauseContainer(r.t.Context(), id)); err != nil {
			t.Fatal(err)
		}
		r.Exit(id, 0)
		r.start(newPod("a", "a-1"))
		if r.told().agent != 2 {
			t.Errorf("told of %d times, want its start and its end", r.told().agent)
		}
	})
}

// TestAnotherStack: its objects are used at once, and only the project's events count.
func TestAnotherStack(t *testing.T) {
	onRig(t, func(r *rig) {
		p := newPod("a", "a-1", func(p *corev1.Pod) {
			p.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "X", ValueFrom: &corev1.EnvVarSource{
				ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "m"}, Key: "x"},
			}}}
		})
		r.start(p)
		if got := r.waits("a"); !strings.Contains(got, "CreateContainerConfigError") {
			t.Fatalf("without its ConfigMap it waits with %q", got)
		}
		m := &corev1.ConfigMap{Data: map[string]string{"x": "y"}}
		m.Name = "m"
		r.SetStack(&services.Stack{ConfigMaps: []*corev1.ConfigMap{m}})
		r.pass(time.Second)
		r.ready("a-1", true)
		spec, _ := r.Spec(r.container("a").ID)
		if !slices.Contains(spec.Env, "X=y") {
			t.Errorf("environment %v", spec.Env)
		}
	})
}

// TestAnImageThatTheStackBuilds: it is not looked for in a registry, and the pod says how to get it.
func TestAnImageThatTheStackBuilds(t *testing.T) {
	onRig(t, func(r *rig) {
		r.SetStack(&services.Stack{Builds: []*services.Build{{Image: "made:1"}}})
		r.start(newPod("a", "a-1", func(p *corev1.Pod) { p.Spec.Containers[0].Image = "made:1" }))
		if got := r.waits("a"); !strings.Contains(got, "lyandev build") || len(r.Calls("PullImage")) != 0 {
			t.Errorf("it waits with %q; pulls: %v", got, r.Calls("PullImage"))
		}
	})
}

// TestWhatHappenedBeforeTheFirstSubscription: nothing told of it, so everybody looks once there is one.
func TestWhatHappenedBeforeTheFirstSubscription(t *testing.T) {
	onRig(t, func(r *rig) {
		r.start(newPod("a", "a-1"))
		r.Inject(func(f *enginefake.Faults) { f.Events = enginefake.Delay(10 * time.Second) })
		p := r.restart()["a"]
		r.Start(p, "")
		r.pass(5 * time.Second)
		r.Exit(r.container("a").ID, 1)
		r.pass(6 * time.Second)
		if n := r.ready("a-1", true).Status.ContainerStatuses[0].RestartCount; n != 1 {
			t.Errorf("%d restarts", n)
		}
	})
}

// TestALostSandbox: a pod whose sandbox is said to have gone with the engine begins anew, with its init containers.
func TestALostSandbox(t *testing.T) {
	onRig(t, func(r *rig) {
		r.On("s-a-init*", enginefake.Script{Exit: &enginefake.Exit{After: time.Second}})
		r.start(newPod("a", "a-1", func(p *corev1.Pod) {
			p.Spec.InitContainers = []corev1.Container{{Name: "init", Image: "img:1"}}
		}))
		r.ready("a-1", true)
		before := len(r.Calls("StartContainer"))
		r.Down()
		r.pass(time.Second)
		r.Up(true)
		r.pass(time.Minute)
		r.ready("a-1", true)
		if got := r.done(before, "StartContainer"); len(got) != 2 || !strings.Contains(got[0], "init") {
			t.Errorf("started: %v", got)
		}
	})
}

// TestRejoin: a pod that was taken out of its network is put back under its address.
func TestRejoin(t *testing.T) {
	onRig(t, func(r *rig) {
		r.start(newPod("a", "a-1"))
		if err := r.DisconnectNetwork(r.t.Context(), "s_default", r.container("a").ID); err != nil {
			t.Fatal(err)
		}
		if pods, err := r.Rejoin(r.t.Context(), map[string]bool{r.container("a").ID: true}); err != nil || len(pods) > 0 {
			t.Fatalf("put back although a drill disconnected it: %v, %v", pods, err)
		}
		pods, err := r.Rejoin(r.t.Context(), nil)
		if err != nil || !slices.Equal(pods, []string{"a"}) {
			t.Fatalf("put back: %v, %v", pods, err)
		}
		if ip := r.container("a").IPs["s_default"]; ip.String() != "10.9.0.10" {
			t.Errorf("its address is %v", ip)
		}
	})
}

// TestSignalsWakeNoWorker: an engine that shuts down sends the signals before it is known to go. A worker that looked then would
// start its container again, and nobody would hold it.
func TestSignalsWakeNoWorker(t *testing.T) {
	onRig(t, func(r *rig) {
		r.start(newPod("a", "a-1"))
		c := r.container("a")
		lists := len(r.Calls("ListContainers"))
		r.notify(engine.Event{Type: "kill", ID: c.ID, Labels: c.Labels})
		r.notify(engine.Event{Type: "health_status", ID: c.ID, Labels: c.Labels})
		r.pass(time.Second)
		if n := len(r.Calls("ListContainers")); n != lists {
			t.Errorf("the worker looked %d times", n-lists)
		}
	})
}

// TestFurtherNetworks: a pod is in the named networks of its service too, under the names that it has there, and comes back into
// one that it was taken out of.
func TestFurtherNetworks(t *testing.T) {
	onRig(t, func(r *rig) {
		if _, err := r.CreateNetwork(r.t.Context(), engine.NetworkSpec{Name: "s_back"}); err != nil {
			t.Fatal(err)
		}
		r.start(newPod("a", "a-1", func(p *corev1.Pod) {
			p.Annotations = map[string]string{
				compose.NetworksAnnotation: `[{"network":"` + compose.Project + `_back","settings":{"Aliases":["web"]}}]`,
			}
		}))
		want := func() {
			t.Helper()
			c := r.container("a")
			if got := c.Networks["s_back"].Aliases; !slices.Contains(got, "web") || !slices.Contains(got, "a") {
				t.Errorf("names in s_back: %v", got)
			}
			if ip := c.IPs["s_default"]; ip.String() != "10.9.0.10" {
				t.Errorf("its address is %v", ip)
			}
		}
		want()
		if err := r.DisconnectNetwork(r.t.Context(), "s_back", r.container("a").ID); err != nil {
			t.Fatal(err)
		}
		if pods, err := r.Rejoin(r.t.Context(), nil); err != nil || !slices.Equal(pods, []string{"a"}) {
			t.Fatalf("put back: %v, %v", pods, err)
		}
		want()
	})
}
