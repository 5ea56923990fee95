package controller_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	"github.com/lyandev/lyandev/services/kube"
	"github.com/lyandev/lyandev/supervisor/controller"
)

// TestRandomViews drives workloads of all kinds at random: pods run, fail and go, templates and sizes change, workloads leave and
// come back. No look may change an object of its view; world.look checks that one without a cache plans the same.
func TestRandomViews(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"pod", "pod", "pod", "pod", "workload", "leave"}).Draw(t, "step") {
			case "pod":
				w.happen(t)
			case "workload":
				w.put(t)
			case "leave":
				w.leave(rapid.SampledFrom(randomKinds).Draw(t, "leaves") + "-" + rapid.SampledFrom([]string{"a", "b"}).Draw(t, "which"))
			}
			w.now = w.now.Add(time.Duration(rapid.IntRange(1, 90).Draw(t, "seconds")) * time.Second)
			for range rapid.IntRange(1, 4).Draw(t, "looks") {
				before := copyOf(w.view)
				plan := w.plan()
				if !reflect.DeepEqual(before, copyOf(w.view)) {
					t.Fatalf("the look changed its view:\n%s", plan)
				}
				w.look()
			}
		}
	})
}

// copyOf is a deep copy of a view's objects.
func copyOf(v controller.View) controller.View {
	return controller.View{
		Deployments: copies(v.Deployments), StatefulSets: copies(v.StatefulSets), DaemonSets: copies(v.DaemonSets),
		ReplicaSets: copies(v.ReplicaSets), Jobs: copies(v.Jobs), CronJobs: copies(v.CronJobs), Revisions: copies(v.Revisions),
		Pods: copies(v.Pods),
	}
}

func copies[T interface{ DeepCopy() T }](objects []T) []T {
	out := make([]T, len(objects))
	for i := range objects {
		out[i] = objects[i].DeepCopy()
	}
	return out
}

var randomKinds = []string{"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob"}

// put adds or changes one of two workloads of a kind.
func (w *world) put(t *rapid.T) {
	kind := rapid.SampledFrom(randomKinds).Draw(t, "kind")
	name := kind + "-" + rapid.SampledFrom([]string{"a", "b"}).Draw(t, "name")
	image := fmt.Sprintf("img:%d", rapid.IntRange(1, 3).Draw(t, "image"))
	n := rapid.IntRange(0, 3).Draw(t, "replicas")
	switch kind {
	case "Deployment":
		o := deployment(t, n)
		if old := known(w, o, name, w.view.Deployments); old != nil {
			o.Status, o.Annotations = old.Status, old.Annotations
		}
		o.Spec.MinReadySeconds = int32(rapid.IntRange(0, 1).Draw(t, "minReady")) * 30
		o.Spec.Template.Spec.Containers[0].Image = image
		w.store(o)
	case "StatefulSet":
		o := stateful(t, n, "Parallel")
		if old := known(w, o, name, w.view.StatefulSets); old != nil {
			o.Status = old.Status
		}
		o.UID = "" // the pods of one that left have the names of the new one's pods, so they must be its own
		o.Spec.Template.Spec.Containers[0].Image = image
		w.store(o)
	case "DaemonSet":
		o := object[*appsv1.DaemonSet](t, daemonSetYAML)
		if old := known(w, o, name, w.view.DaemonSets); old != nil {
			o.Status = old.Status
		}
		o.Spec.Template.Spec.Containers[0].Image = image
		w.store(o)
	case "ReplicaSet":
		o := replicaSet(t, n)
		if old := known(w, o, name, w.view.ReplicaSets); old != nil {
			o.Status = old.Status
		}
		w.store(o)
	case "Job":
		o := object[*batchv1.Job](t, fmt.Sprintf(jobYAML, "completions: 2", "Never"))
		if known(w, o, name, w.view.Jobs) == nil {
			w.store(o)
		}
	case "CronJob":
		o := object[*batchv1.CronJob](t, fmt.Sprintf(cronYAML, "* * * * *", ""))
		if known(w, o, name, w.view.CronJobs) == nil {
			w.store(o)
		}
	}
}

// known names o, and finds the object of that name, whose UID and generation go on; a new one gets a UID of its own.
func known[T kube.Object](w *world, o T, name string, olds []T) (old T) {
	o.SetName(name)
	for _, x := range olds {
		if x.GetName() == name {
			o.SetUID(x.GetUID())
			o.SetGeneration(x.GetGeneration() + 1)
			return x
		}
	}
	o.SetUID(w.uid())
	return old
}

// leave takes a workload away; what it owned is left to the garbage collection.
func (w *world) leave(name string) {
	v, gone := &w.view, &corev1.Pod{}
	gone.Name = name
	v.Deployments, v.StatefulSets, v.DaemonSets = remove(v.Deployments, gone), remove(v.StatefulSets, gone), remove(v.DaemonSets, gone)
	v.ReplicaSets, v.Jobs, v.CronJobs = remove(v.ReplicaSets, gone), remove(v.Jobs, gone), remove(v.CronJobs, gone)
}

// TestStatusFieldsArePutRight: a stored status that is wrong in any one of the fields that a controller sets is stored again.
func TestStatusFieldsArePutRight(t *testing.T) {
	fields := map[string][]string{
		"Deployment": {"ObservedGeneration", "Replicas", "UpdatedReplicas", "ReadyReplicas", "AvailableReplicas", "UnavailableReplicas"},
		"ReplicaSet": {"ObservedGeneration", "Replicas", "FullyLabeledReplicas", "ReadyReplicas", "AvailableReplicas"},
		"StatefulSet": {
			"ObservedGeneration", "Replicas", "ReadyReplicas", "AvailableReplicas", "CurrentReplicas", "UpdatedReplicas", "CurrentRevision",
			"UpdateRevision", "CollisionCount",
		},
		"DaemonSet": {
			"ObservedGeneration", "DesiredNumberScheduled", "CurrentNumberScheduled", "UpdatedNumberScheduled", "NumberReady",
			"NumberAvailable", "NumberUnavailable",
		},
	}
	for kind, names := range fields {
		for _, field := range names {
			t.Run(kind+"/"+field, func(t *testing.T) {
				w := rested(t, 1, 2, kind)
				o := w.only(kind).DeepCopyObject().(kube.Object)
				spoil(reflect.ValueOf(o).Elem().FieldByName("Status").FieldByName(field))
				w.store(o)
				if plan := w.look(); len(plan.Actions) == 0 {
					t.Fatal("the plan is empty")
				}
				w.settle()
				spoiled := reflect.ValueOf(o).Elem().FieldByName("Status").FieldByName(field)
				if now := reflect.ValueOf(w.only(kind)).Elem().FieldByName("Status").FieldByName(field); reflect.DeepEqual(now.Interface(), spoiled.Interface()) {
					t.Errorf("the field is still %v", now)
				}
			})
		}
	}
}

// spoil gives a field of a status another value.
func spoil(field reflect.Value) {
	switch field.Kind() {
	case reflect.String:
		field.SetString("other")
	case reflect.Pointer:
		field.SetZero()
	default:
		field.SetInt(field.Int() + 7)
	}
}

func (w *world) only(kind string) kube.Object {
	switch kind {
	case "Deployment":
		return w.view.Deployments[0]
	case "ReplicaSet":
		return w.view.ReplicaSets[0]
	case "StatefulSet":
		return w.view.StatefulSets[0]
	}
	return w.view.DaemonSets[0]
}

// TestALookAtRestCopiesNothing: what a look allocates, when nothing is to be done, is a few lists for each workload, whatever the
// workloads' size. A copy or a comparison of one template is some hundred allocations.
func TestALookAtRestCopiesNothing(t *testing.T) {
	for _, kind := range []string{"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"} {
		w := rested(t, 30, 1, kind)
		if n := testing.AllocsPerRun(10, func() { controller.Reconcile(w.view, w.now) }) / 30; n > 20 {
			t.Errorf("%.0f allocations a %s", n, kind)
		}
	}
}
