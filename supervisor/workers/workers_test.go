package workers

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
)

// TestLifeOfAPod: it is started with its address and name server, restarted when it ends, told of, and removed with everything
// that is known of it.
func TestLifeOfAPod(t *testing.T) {
	onRig(t, func(r *rig) {
		r.start(newPod("a", "a-1"))
		p := r.ready("a-1", true)
		if p.Status.PodIP != "10.9.0.10" || p.Status.HostIP != "10.9.0.1" {
			t.Errorf("pod IP %s, host IP %s", p.Status.PodIP, p.Status.HostIP)
		}
		spec, _ := r.Spec(r.container("a").ID)
		if spec.IP.String() != "10.9.0.10" || spec.Network != "s_default" || len(spec.DNS) != 1 || spec.DNS[0].String() != "10.9.0.2" {
			t.Errorf("network %s, address %v, name servers %v", spec.Network, spec.IP, spec.DNS)
		}
		r.Exit(r.container("a").ID, 1)
		r.pass(time.Second) // events, not the relist, tell of it
		if n := r.ready("a-1", true).Status.ContainerStatuses[0].RestartCount; n != 1 {
			t.Errorf("%d restarts after one end", n)
		}
		if r.Get("a") == nil || len(r.told().events) == 0 {
			t.Errorf("worker %v, events %v", r.Get("a"), r.told().events)
		}
		r.Delete("a", nil)
		r.pass(time.Minute)
		if list, _ := r.ListContainers(r.t.Context(), nil); len(list) != 0 {
			t.Errorf("left over: %+v", list)
		}
		if r.Get("a") != nil || len(r.pods) != 0 || !slices.Equal(r.told().gone, []types.UID{"a-1"}) || !slices.Equal(r.told().released, []string{"a"}) {
			t.Errorf("after its end: workers %v, gone %v, released %v", r.pods, r.told().gone, r.told().released)
		}
		for _, unknown := range []func(){
			func() { r.Delete("a", nil) }, func() { r.Hold("a", "x") }, func() { r.Update(newPod("a", "a-1")) },
			func() { r.SetCondition("a", corev1.PodCondition{Type: services.RightGate}) },
		} {
			unknown()
		}
	})
}

// TestNothingIsStoppedBeforeDelete: a pod that the loop has marked as ending goes on, ready, until its worker is told; then
// its preStop hook runs, and only after that the stop signal is sent, with the pod's grace.
func TestNothingIsStoppedBeforeDelete(t *testing.T) {
	onRig(t, func(r *rig) {
		hook := time.Time{}
		r.On("s-a*", enginefake.Script{IgnoreStop: true, Exec: func(context.Context, *enginefake.Execution) (int, error) {
			hook = time.Now()
			return 0, nil
		}})
		p := newPod("a", "a-1", grace(20), func(p *corev1.Pod) {
			p.Spec.Containers[0].Lifecycle = &corev1.Lifecycle{
				PreStop: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"drain"}}},
			}
		})
		r.start(p)
		marked := r.status("a-1").DeepCopy()
		now := r.status("a-1").CreationTimestamp
		marked.DeletionTimestamp = &now
		r.Update(marked)
		r.pass(10 * time.Minute)
		r.ready("a-1", true)
		wantCalls(t, r.done(0, "StopContainer", "KillContainer"))
		began := time.Now()
		r.Delete("a", nil)
		r.pass(19 * time.Second)
		if hook.Sub(began) > time.Second || r.status("a-1").DeletionTimestamp == nil {
			t.Errorf("the hook ran %v after the deletion of %v", hook.Sub(began), r.status("a-1").DeletionTimestamp)
		}
		stops := r.Calls("StopContainer")
		if len(stops) != 1 || stops[0].Time.Before(hook) {
			t.Fatalf("stops %v, the hook ran at %v", stops, hook)
		}
		if r.container("a").State != engine.StateRunning {
			t.Error("it was killed before its grace had passed")
		}
		r.pass(2 * time.Second)
		if r.Get("a") != nil {
			t.Error("it is still there after its grace")
		}
	})
}

// TestASuccessorKeepsTheAddress: a StatefulSet's next pod has the name of the one before, whose worker may still be ending. The
// address is the successor's then.
func TestASuccessorKeepsTheAddress(t *testing.T) {
	onRig(t, func(r *rig) {
		r.do(func() {
			r.onGone = func(p *corev1.Pod) {
				if p.UID == "a-1" {
					r.Start(newPod("a", "a-2"), "") // the worker of a-1 ends after this call
				}
			}
		})
		r.start(newPod("a", "a-1"))
		r.Delete("a", nil)
		r.pass(2 * time.Minute)
		r.ready("a-2", true)
		if len(r.told().released) != 0 {
			t.Errorf("released %v, which the successor uses", r.told().released)
		}
		r.Exit(r.container("a").ID, 1)
		r.pass(time.Second)
		if n := r.ready("a-2", true).Status.ContainerStatuses[0].RestartCount; n != 1 {
			t.Errorf("the successor's worker is not told of events: %d restarts", n)
		}
		r.Delete("a", nil)
		r.pass(2 * time.Minute)
		if !slices.Equal(r.told().released, []string{"a"}) || len(r.pods) != 0 {
			t.Errorf("released %v, workers %v", r.told().released, r.pods)
		}
	})
}

// TestWaitLeavesThePodsRunning: the supervisor ends, and the pods go on, with their addresses.
func TestWaitLeavesThePodsRunning(t *testing.T) {
	onRig(t, func(r *rig) {
		r.start(newPod("a", "a-1"))
		before, lists := len(r.Calls(changing...)), len(r.Calls("ListContainers"))
		r.Wait()
		r.Start(newPod("b", "b-1"), "")
		r.Hurry()
		r.pass(time.Hour)
		wantCalls(t, r.done(before, changing...))
		if n := len(r.Calls("ListContainers")); n != lists {
			t.Error("Hurry does something after Wait")
		}
		if len(r.told().released) != 0 || len(r.told().gone) != 0 || r.Get("b") != nil {
			t.Errorf("released %v, gone %v, b has the worker %v", r.told().released, r.told().gone, r.Get("b"))
		}
	})
}

// TestHurry: what is being stopped is killed, what is deleted later has a grace of a second, and Wait waits for the kill.
func TestHurry(t *testing.T) {
	onRig(t, func(r *rig) {
		r.On("s-*", enginefake.Script{IgnoreStop: true})
		r.Start(newPod("a", "a-1", grace(600)), "")
		r.Start(newPod("b", "b-1", grace(600)), "")
		r.pass(time.Minute)
		r.Delete("a", nil)
		r.pass(time.Minute)
		if r.Get("a") == nil {
			t.Fatal("it did not wait for its grace")
		}
		if _, err := r.CreateContainer(r.t.Context(), engine.ContainerSpec{
			Name: "s-agent", Image: "img:1", Labels: map[string]string{services.ProjectLabel: "s", "dev.lyandev.kind": "agent"},
		}); err != nil {
			t.Fatal(err)
		}
		r.Hurry()
		r.pass(time.Second)
		if r.Get("a") != nil {
			t.Error("what was being stopped is not killed")
		}
		r.pass(time.Minute)
		r.Delete("b", nil)
		r.pass(5 * time.Second)
		if r.Get("b") != nil {
			t.Error("a pod that is deleted later has its full grace")
		}
		if got := r.done(0, "KillContainer"); slices.ContainsFunc(got, func(c string) bool { return strings.Contains(c, "s-agent") }) {
			t.Errorf("killed besides the pods: %v", got)
		}
	})
}

// TestWaitWaitsForHurry: nothing is done to containers any more once Wait has returned.
func TestWaitWaitsForHurry(t *testing.T) {
	onRig(t, func(r *rig) {
		over := false
		r.Inject(func(f *enginefake.Faults) {
			f.ListContainers = func(ctx context.Context, _ enginefake.Call) error {
				<-ctx.Done()
				time.Sleep(time.Second)
				over = true
				return ctx.Err()
			}
		})
		r.Hurry()
		r.pass(0)
		r.Workers.Wait()
		if !over {
			t.Error("Hurry goes on after Wait has returned")
		}
	})
}

// TestWhatIsAskedReachesTheWorker: updates, conditions, probe answers.
func TestWhatIsAskedReachesTheWorker(t *testing.T) {
	onRig(t, func(r *rig) {
		r.AddImage("img:2", enginefake.Image{})
		r.On("s-a*", enginefake.Script{Exec: enginefake.Succeed})
		p := newPod("a", "a-1", func(p *corev1.Pod) {
			p.Spec.Containers[0].ReadinessProbe = execProbe(5)
			p.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: services.RightGate}}
		})
		r.start(p)
		r.ready("a-1", false)
		r.SetCondition("a", corev1.PodCondition{Type: services.RightGate, Status: corev1.ConditionTrue})
		r.pass(0)
		r.ready("a-1", true)
		if list := r.ProbeAnswers()["a"]; len(list) == 0 || list[0].Container != "c" {
			t.Errorf("probe answers: %+v", list)
		}
		p.Spec.Containers[0].Image = "img:2"
		r.Update(p)
		r.pass(time.Minute)
		if spec, _ := r.Spec(r.container("a").ID); !strings.Contains(spec.Image, "img:2") && r.container("a").Image != "img:2" {
			t.Errorf("the container has image %s", spec.Image)
		}
	})
}
