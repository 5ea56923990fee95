package cluster

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
)

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
func look(t *testing.T, w *Cluster) (let []string) {
	t.Helper()
	settle(t, w, time.Now())
	for _, p := range w.ChangedHolds() {
		if w.Recovery.Hold(p.UID) == "" {
			let = append(let, p.Labels[services.WorkloadLabel])
		}
	}
	slices.Sort(let)
	return let
}

// chain is a world in which db, api (after db) and web (after api) run, and cache, on which nothing depends.
func chain(t *testing.T) *Cluster {
	t.Helper()
	healthy := func(name string) services.Dependency {
		return services.Dependency{Workload: name, Condition: services.Healthy}
	}
	w := NewCluster(Config{})
	want(t, w, prepared(t, deployment("db", 1), deployment("cache", 1), deployment("api", 1, healthy("db")), deployment("web", 1, healthy("api"))))
	for range 4 {
		settle(t, w, time.Now())
		for _, name := range []string{"db", "cache", "api", "web"} {
			container(t, w, name, name+"-0", corev1.ConditionTrue)
		}
	}
	settle(t, w, time.Now())
	if len(w.Pods()) != 4 || len(w.holds) != 0 {
		t.Fatalf("%d pods, holds %v", len(w.Pods()), w.holds)
	}
	return w
}

func TestWhatEndedWithTheEngineComesBackInOrder(t *testing.T) {
	w := chain(t)
	gone := w.EndedWithEngine(ended(w.Pods()...))
	if len(gone) != 4 {
		t.Fatalf("%d pods are seen to have ended", len(gone))
	}
	for _, p := range gone {
		if w.Recovery.Hold(p.UID) != waitsForOrder {
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
	if hold := w.Recovery.Hold(w.PodsOf("api")[0].UID); hold == "" || hold == waitsForOrder {
		t.Errorf("api waits with %q", hold)
	}
	container(t, w, "db", "db-1", corev1.ConditionFalse)
	if got := look(t, w); got != nil {
		t.Fatalf("%v come though db is not ready", got)
	}
	for _, step := range []struct{ ready, next string }{{"db", "api"}, {"api", "web"}} {
		container(t, w, step.ready, step.ready+"-1", corev1.ConditionTrue)
		if got := look(t, w); !slices.Equal(got, []string{step.next}) {
			t.Fatalf("after %s come %v", step.ready, got)
		}
	}
	for _, name := range []string{"cache", "web"} {
		container(t, w, name, name+"-1", corev1.ConditionTrue)
	}
	if look(t, w); len(w.Recovery.pods) != 0 || len(w.holds) != 0 {
		t.Errorf("left over: %v, holds %v", w.Recovery.pods, w.holds)
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
	}
	w.EndedWithEngine(ended(w.Pods()...))
	if got := look(t, w); !slices.Equal(got, []string{"api", "cache", "db"}) {
		t.Errorf("first come %v", got)
	}
	container(t, w, "db", "db-1", corev1.ConditionTrue)
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
	if gone := w.EndedWithEngine(w.Pods()); len(gone) != 0 {
		t.Errorf("%d pods that run count as ended", len(gone))
	}
	at := metav1.Now()
	edit(t, w, w.PodsOf("db")[0], func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded })
	edit(t, w, w.PodsOf("cache")[0], func(p *corev1.Pod) { p.DeletionTimestamp = &at })
	observed := append(ended(w.PodsOf("web")...), w.PodsOf("api")...)
	gone := w.EndedWithEngine(observed)
	if len(gone) != 1 || gone[0].Labels[services.WorkloadLabel] != "web" {
		t.Fatalf("ended: %v", gone)
	}
	container(t, w, "db", "db-0", corev1.ConditionTrue)
	edit(t, w, w.PodsOf("cache")[0], func(p *corev1.Pod) { p.DeletionTimestamp = nil })
	if got := look(t, w); !slices.Equal(got, []string{"web"}) {
		t.Errorf("%v come back", got)
	}
	// A pod that the engine has nothing of any more (its containers were pruned) has ended too.
	if gone := w.EndedWithEngine(nil); len(gone) != 4 {
		t.Errorf("%d pods count as ended on an engine that has none", len(gone))
	}
}

// TestAPodThatIsMadeMeanwhileWaitsToo: the Job was killed with the engine; its next pod must not start before db is back.
func TestAPodThatIsMadeMeanwhileWaitsToo(t *testing.T) {
	w := chain(t)
	w.EndedWithEngine(ended(w.Pods()...))
	look(t, w)
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "api-new", UID: "new", Labels: map[string]string{services.WorkloadLabel: "api"}}}
	free := p.DeepCopy()
	free.UID, free.Labels[services.WorkloadLabel] = "free", "cache"
	if why := w.Recovery.HoldNew(free); why != "" {
		t.Errorf("a pod that depends on nothing waits: %s", why)
	}
	if why := w.Recovery.HoldNew(p); why == "" || w.Recovery.Hold("new") != why {
		t.Errorf("it waits with %q", why)
	}
	if _, err := w.Create(p, ""); err != nil {
		t.Fatal(err)
	}
	container(t, w, "db", "db-1", corev1.ConditionTrue)
	look(t, w)
	if w.Recovery.Hold("new") != "" {
		t.Error("it is still held though db is ready")
	}
	w.Recovery.pods = nil
	container(t, w, "db", "db-1", corev1.ConditionFalse)
	settle(t, w, time.Now())
	if why := w.Recovery.HoldNew(p); why != "" {
		t.Errorf("a pod waits though nothing comes back: %s", why)
	}
}
