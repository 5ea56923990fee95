package supervisor

import (
	"slices"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lyandev/lyandev/services"
)

func job(name string, deps ...services.Dependency) *services.Workload {
	j := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: name}}
	j.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyNever
	j.Spec.Template.Spec.Containers = []corev1.Container{{Name: "c", Image: "img:1"}}
	return &services.Workload{Object: j, DependsOn: deps}
}

// container gives every pod of a workload a running container of that ID; ready or not.
func container(w *world, workload, id string, ready corev1.ConditionStatus) {
	for _, p := range w.podsOf(workload) {
		p.UID = types.UID("uid-" + p.Name)
		p.Status.Phase = corev1.PodRunning
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{
			Name: "c", ContainerID: id, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
		}}
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}
	}
}

// ended are pods as the engine has them when all their containers have ended.
func ended(pods ...*corev1.Pod) []*corev1.Pod {
	var out []*corev1.Pod
	for _, p := range pods {
		p = p.DeepCopy()
		for i := range p.Status.ContainerStatuses {
			p.Status.ContainerStatuses[i].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 137}}
		}
		out = append(out, p)
	}
	return out
}

// look settles the world and says which workloads' pods may be started now.
func look(t *testing.T, w *world) (let []string) {
	t.Helper()
	settle(t, w, time.Now())
	for _, p := range w.letBack() {
		if w.holdOfPod(p.UID) == "" {
			let = append(let, p.Labels[workloadLabel])
		}
	}
	slices.Sort(let)
	return let
}

// chain is a world in which db, api (after db) and web (after api) run, and cache, on which nothing depends.
func chain(t *testing.T) *world {
	t.Helper()
	healthy := func(name string) services.Dependency {
		return services.Dependency{Workload: name, Condition: services.Healthy}
	}
	w := newWorld("s")
	w.want(prepared(t, deployment("db", 1), deployment("cache", 1), deployment("api", 1, healthy("db")), deployment("web", 1, healthy("api"))))
	for range 4 {
		settle(t, w, time.Now())
		for _, name := range []string{"db", "cache", "api", "web"} {
			container(w, name, name+"-0", corev1.ConditionTrue)
		}
	}
	settle(t, w, time.Now())
	if len(w.pods) != 4 || len(w.holds) != 0 {
		t.Fatalf("%d pods, holds %v", len(w.pods), w.holds)
	}
	return w
}

func TestWhatEndedWithTheEngineComesBackInOrder(t *testing.T) {
	w := chain(t)
	gone := w.endedWithEngine(ended(sorted(w.pods)...))
	if len(gone) != 4 {
		t.Fatalf("%d pods are seen to have ended", len(gone))
	}
	for _, p := range gone {
		if w.holdOfPod(p.UID) != itsTurn {
			t.Errorf("pod %s may be started before anybody has looked at the order", p.Name)
		}
	}
	// Their statuses still say that they are ready: nobody has looked at them yet.
	if got := look(t, w); !slices.Equal(got, []string{"cache", "db"}) {
		t.Fatalf("first come %v", got)
	}
	if got := look(t, w); got != nil {
		t.Fatalf("%v come though db has not been started", got)
	}
	if hold := w.holdOfPod(w.podsOf("api")[0].UID); hold == "" || hold == itsTurn {
		t.Errorf("api waits with %q", hold)
	}
	container(w, "db", "db-1", corev1.ConditionFalse)
	if got := look(t, w); got != nil {
		t.Fatalf("%v come though db is not ready", got)
	}
	for _, step := range []struct{ ready, next string }{{"db", "api"}, {"api", "web"}} {
		container(w, step.ready, step.ready+"-1", corev1.ConditionTrue)
		if got := look(t, w); !slices.Equal(got, []string{step.next}) {
			t.Fatalf("after %s come %v", step.ready, got)
		}
	}
	for _, name := range []string{"cache", "web"} {
		container(w, name, name+"-1", corev1.ConditionTrue)
	}
	if look(t, w); len(w.comebacks) != 0 || len(w.holds) != 0 {
		t.Errorf("left over: %v, holds %v", w.comebacks, w.holds)
	}
	for _, x := range w.stack.Workloads {
		if f := w.factsOf(x); !f.Right {
			t.Errorf("%s is not right: %+v", x.Name(), f)
		}
	}
}

// TestWhatOneOperatorLooksAfterComesBackTogether: the master may have moved to the workload that started last.
func TestWhatOneOperatorLooksAfterComesBackTogether(t *testing.T) {
	w := chain(t)
	for _, name := range []string{"db", "api"} {
		w.stack.Workload(name).Operator = "o"
		w.released[name].Operator = "o"
	}
	w.endedWithEngine(ended(sorted(w.pods)...))
	if got := look(t, w); !slices.Equal(got, []string{"api", "cache", "db"}) {
		t.Errorf("first come %v", got)
	}
	container(w, "db", "db-1", corev1.ConditionTrue)
	if got := look(t, w); got != nil {
		t.Errorf("%v come though api is not back", got)
	}
	if w.stack.Workload("api").DependsOn == nil {
		t.Error("the stack has lost an edge")
	}
}

// TestOnlyWhatEndedIsHeld: what runs on (live-restore, a cut connection), has its work behind it or is being deleted has
// nothing to come back from; and one that ended alone waits for nobody that is ready.
func TestOnlyWhatEndedIsHeld(t *testing.T) {
	w := chain(t)
	if gone := w.endedWithEngine(sorted(w.pods)); len(gone) != 0 {
		t.Errorf("%d pods that run count as ended", len(gone))
	}
	w.podsOf("db")[0].Status.Phase = corev1.PodSucceeded
	at := metav1.Now()
	w.podsOf("cache")[0].DeletionTimestamp = &at
	observed := append(ended(w.podsOf("web")...), w.podsOf("api")...)
	gone := w.endedWithEngine(observed)
	if len(gone) != 1 || gone[0].Labels[workloadLabel] != "web" {
		t.Fatalf("ended: %v", gone)
	}
	container(w, "db", "db-0", corev1.ConditionTrue)
	w.podsOf("cache")[0].DeletionTimestamp = nil
	if got := look(t, w); !slices.Equal(got, []string{"web"}) {
		t.Errorf("%v come back", got)
	}
	// A pod that the engine has nothing of any more (its containers were pruned) has ended too.
	if gone := w.endedWithEngine(nil); len(gone) != 4 {
		t.Errorf("%d pods count as ended on an engine that has none", len(gone))
	}
}

// TestAPodThatIsMadeMeanwhileWaitsToo: the Job was killed with the engine; its next pod must not start before db is back.
func TestAPodThatIsMadeMeanwhileWaitsToo(t *testing.T) {
	w := chain(t)
	w.endedWithEngine(ended(sorted(w.pods)...))
	look(t, w)
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "api-new", UID: "new", Labels: map[string]string{workloadLabel: "api"}}}
	free := p.DeepCopy()
	free.UID, free.Labels[workloadLabel] = "free", "cache"
	if why := w.holdNew(free); why != "" {
		t.Errorf("a pod that depends on nothing waits: %s", why)
	}
	if why := w.holdNew(p); why == "" || w.holdOfPod("new") != why {
		t.Errorf("it waits with %q", why)
	}
	w.pods[p.Name] = p
	container(w, "db", "db-1", corev1.ConditionTrue)
	look(t, w)
	if w.holdOfPod("new") != "" {
		t.Error("it is still held though db is ready")
	}
	w.comebacks = map[types.UID]*comeback{}
	container(w, "db", "db-1", corev1.ConditionFalse)
	settle(t, w, time.Now())
	if why := w.holdNew(p); why != "" {
		t.Errorf("a pod waits though nothing comes back: %s", why)
	}
}

// TestAnAdoptedJobIsNotMadeTwice: the Job of the stack, and not another of its name, owns the pods that were found.
func TestAnAdoptedJobIsNotMadeTwice(t *testing.T) {
	stack := prepared(t, job("migrate"))
	w := newWorld("s")
	w.want(stack)
	settle(t, w, time.Now())
	if len(w.pods) != 1 {
		t.Fatalf("%d pods", len(w.pods))
	}
	for _, p := range w.pods {
		p.Status.Phase = corev1.PodSucceeded
	}
	next := newWorld("s")
	next.pods = w.pods
	next.adoptOwners()
	next.want(stack)
	next.released["migrate"] = carryStatus(nil, stack.Workload("migrate"))
	settle(t, next, time.Now())
	if f := next.factsOf(stack.Workload("migrate")); !f.Done || len(next.pods) != 1 {
		t.Errorf("%d pods, %+v", len(next.pods), f)
	}
}
