package controller_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lyandev/lyandev/services/kube"
	"github.com/lyandev/lyandev/supervisor/controller"
)

var epoch = time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC)

// failer is what testing.T and rapid.T have in common.
type failer interface {
	Fatalf(format string, args ...any)
}

// world is a store that does what plans say, with pods that only do what a test says.
type world struct {
	t      failer
	now    time.Time
	view   controller.View
	next   time.Time
	serial int
	// names are the numbers given so far; drawn are those of the plan in the making.
	names, drawn map[string]int
	// onPlan sees every plan before it is carried out.
	onPlan func(controller.Plan)
	log    []string
}

func newWorld(t failer) *world {
	w := &world{t: t, now: epoch, names: map[string]int{}}
	w.view.Cache = new(controller.Cache)
	w.view.Names = func(p *corev1.Pod) string {
		w.drawn[p.GenerateName]++
		return fmt.Sprint(w.drawn[p.GenerateName])
	}
	return w
}

// object reads a workload from YAML, with defaults.
func object[T kube.Object](t failer, yaml string) T {
	objects, err := kube.Decode([]byte(yaml))
	if err != nil {
		t.Fatalf("%v", err)
	}
	kube.Default(objects[0])
	if problems := kube.Validate(objects[0]); len(problems) > 0 {
		t.Fatalf("%v", problems)
	}
	objects[0].SetUID(types.UID(objects[0].GetName() + "-uid"))
	o, ok := objects[0].(T)
	if !ok {
		t.Fatalf("%T is another kind", objects[0])
	}
	o.SetCreationTimestamp(metav1.NewTime(epoch))
	return o
}

// plan makes a plan; the names in it are used up only when it is carried out.
func (w *world) plan() controller.Plan {
	w.drawn = maps.Clone(w.names)
	return controller.Reconcile(w.view, w.now)
}

// look makes one plan and carries it out. It fails if a look without a cache plans anything else.
func (w *world) look() controller.Plan {
	plan := w.plan()
	cache := w.view.Cache
	w.view.Cache = nil
	if again := w.plan(); !reflect.DeepEqual(again, plan) {
		w.t.Fatalf("two looks at one view differ:\n%s\nwithout a cache:\n%s", plan, again)
	}
	w.view.Cache = cache
	w.names = w.drawn
	if !plan.Next.IsZero() && !plan.Next.After(w.now) {
		w.t.Fatalf("the next look is not after this one")
	}
	if w.onPlan != nil {
		w.onPlan(plan)
	}
	w.view.Memory, w.next = plan.Memory, plan.Next
	for _, a := range plan.Actions {
		if a.Cause() == "" {
			w.t.Fatalf("no cause: %s", a)
		}
		w.apply(a)
	}
	return plan
}

// settle looks until there is nothing to do.
func (w *world) settle() {
	for range 200 {
		if len(w.look().Actions) == 0 {
			return
		}
	}
	w.t.Fatalf("the plans never end: %s", w.plan())
}

// wait lets time pass, with the looks that plans asked for.
func (w *world) wait(d time.Duration) {
	end := w.now.Add(d)
	w.settle()
	for !w.next.IsZero() && !w.next.After(end) {
		w.now = w.next
		w.settle()
	}
	w.now = end
	w.settle()
}

func (w *world) uid() types.UID {
	w.serial++
	return types.UID(fmt.Sprintf("uid-%05d", w.serial))
}

// replace puts x in the place of the object of its name, or behind the others.
func replace[T metav1.Object](list []T, x T) []T {
	list = slices.Clone(list)
	for i := range list {
		if list[i].GetName() == x.GetName() {
			list[i] = x
			return list
		}
	}
	return append(list, x)
}

func remove[T metav1.Object](list []T, x metav1.Object) []T {
	return slices.DeleteFunc(slices.Clone(list), func(y T) bool { return y.GetName() == x.GetName() })
}

func (w *world) apply(a controller.Action) {
	w.log = append(w.log, a.String())
	v := &w.view
	switch a := a.(type) {
	case controller.CreatePod:
		if w.pod(a.Pod.Name) != nil {
			w.t.Fatalf("pod %s is made twice", a.Pod.Name)
		}
		a.Pod.UID = w.uid()
		v.Pods = replace(v.Pods, a.Pod)
	case controller.DeletePod:
		w.delete(a.Pod.Name)
	case controller.CreateReplicaSet:
		a.ReplicaSet.UID = w.uid()
		v.ReplicaSets = replace(v.ReplicaSets, a.ReplicaSet)
	case controller.ScaleReplicaSet:
		v.ReplicaSets = replace(v.ReplicaSets, a.ReplicaSet)
	case controller.DeleteReplicaSet:
		v.ReplicaSets = remove(v.ReplicaSets, a.ReplicaSet)
	case controller.CreateJob:
		a.Job.UID = w.uid()
		v.Jobs = replace(v.Jobs, a.Job)
	case controller.DeleteJob:
		v.Jobs = remove(v.Jobs, a.Job)
	case controller.CreateRevision:
		v.Revisions = replace(v.Revisions, a.Revision)
	case controller.UpdateRevision:
		v.Revisions = replace(v.Revisions, a.Revision)
	case controller.DeleteRevision:
		v.Revisions = remove(v.Revisions, a.Revision)
	case controller.UpdateStatus:
		w.store(a.Object.(kube.Object))
	}
}

func (w *world) store(o kube.Object) {
	v := &w.view
	switch o := o.(type) {
	case *appsv1.Deployment:
		v.Deployments = replace(v.Deployments, o)
	case *appsv1.ReplicaSet:
		v.ReplicaSets = replace(v.ReplicaSets, o)
	case *appsv1.StatefulSet:
		v.StatefulSets = replace(v.StatefulSets, o)
	case *appsv1.DaemonSet:
		v.DaemonSets = replace(v.DaemonSets, o)
	case *batchv1.Job:
		v.Jobs = replace(v.Jobs, o)
	case *batchv1.CronJob:
		v.CronJobs = replace(v.CronJobs, o)
	default:
		w.t.Fatalf("cannot store %T", o)
	}
}

func (w *world) pod(name string) *corev1.Pod {
	for _, p := range w.view.Pods {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// change replaces a pod by a changed copy.
func (w *world) change(name string, do func(*corev1.Pod)) {
	p := w.pod(name)
	if p == nil {
		w.t.Fatalf("there is no pod %s among %v", name, w.podNames())
	}
	p = p.DeepCopy()
	do(p)
	w.view.Pods = replace(w.view.Pods, p)
}

// setReady makes pods run, ready or not.
func (w *world) setReady(ready bool, names ...string) {
	for _, n := range names {
		w.change(n, func(p *corev1.Pod) {
			p.Status.Phase = corev1.PodRunning
			status := corev1.ConditionFalse
			if ready {
				status = corev1.ConditionTrue
			}
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: status, LastTransitionTime: metav1.NewTime(w.now)}}
		})
	}
}

// end ends a pod with an exit code.
func (w *world) end(name string, code int32) {
	w.change(name, func(p *corev1.Pod) {
		p.Status.Phase = corev1.PodSucceeded
		if code != 0 {
			p.Status.Phase = corev1.PodFailed
		}
		p.Status.Conditions = nil
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: p.Spec.Containers[0].Name, State: corev1.ContainerState{
			Terminated: &corev1.ContainerStateTerminated{ExitCode: code, FinishedAt: metav1.NewTime(w.now)},
		}}}
	})
}

func (w *world) delete(name string) {
	w.change(name, func(p *corev1.Pod) {
		now := metav1.NewTime(w.now)
		p.DeletionTimestamp = &now
	})
}

// gone takes pods away.
func (w *world) gone(names ...string) {
	for _, n := range names {
		w.view.Pods = slices.DeleteFunc(slices.Clone(w.view.Pods), func(p *corev1.Pod) bool { return p.Name == n })
	}
}

// allReady makes every pod that is not being deleted ready, and the deleted ones go, until nothing changes any more.
func (w *world) allReady() {
	for range 200 {
		w.settle()
		changed := false
		for _, p := range w.view.Pods {
			switch {
			case p.DeletionTimestamp != nil:
				w.gone(p.Name)
				changed = true
			case p.Status.Phase == "" || p.Status.Phase == corev1.PodPending:
				w.setReady(true, p.Name)
				changed = true
			}
		}
		if !changed {
			return
		}
	}
	w.t.Fatalf("the pods never rest")
}

func (w *world) podNames() []string {
	var out []string
	for _, p := range w.view.Pods {
		name := p.Name
		if p.DeletionTimestamp != nil {
			name += "(deleted)"
		}
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// wantPods compares the pods' names, deleted ones marked, with a list.
func (w *world) wantPods(names ...string) {
	slices.Sort(names)
	if got := w.podNames(); strings.Join(got, " ") != strings.Join(names, " ") {
		w.t.Fatalf("pods are %v, want %v", got, names)
	}
}

// wantPlan compares the next plan's text, without statuses and events, with lines.
func (w *world) wantPlan(t *testing.T, lines ...string) {
	t.Helper()
	var got []string
	for line := range strings.Lines(w.plan().String()) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "status ") && !strings.HasPrefix(line, "event ") {
			got = append(got, line)
		}
	}
	if strings.Join(got, "\n") != strings.Join(lines, "\n") {
		t.Fatalf("the plan is\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(lines, "\n  "))
	}
}

func (w *world) did(part string) bool {
	return slices.ContainsFunc(w.log, func(l string) bool { return strings.Contains(l, part) })
}
