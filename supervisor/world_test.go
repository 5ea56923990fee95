package supervisor

import (
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/controller"
	"github.com/lyandev/lyandev/supervisor/pod/dockerpod"
	"github.com/lyandev/lyandev/supervisor/podchange"
	"github.com/lyandev/lyandev/supervisor/prepare"
)

func deployment(name string, replicas int32, deps ...services.Dependency) *services.Workload {
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: name}}
	d.Spec.Replicas = &replicas
	d.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}
	d.Spec.Template.Labels = map[string]string{"app": name}
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "c", Image: "img:1"}}
	return &services.Workload{Object: d, DependsOn: deps}
}

func barePod(name string, containers ...string) *services.Workload {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{dockerpod.SandboxAnnotation: "true"}}}
	for _, c := range containers {
		p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: c, Image: "img:1"})
	}
	return &services.Workload{Object: p}
}

func prepared(t *testing.T, workloads ...*services.Workload) *services.Stack {
	t.Helper()
	s, err := prepare.Stack(&services.Stack{Name: "s", Workloads: workloads}, "s", nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// settle plays the loop on a world without workers: plans are applied until there is nothing to do. It returns the
// workloads of the pods that were deleted, in order.
func settle(t *testing.T, w *world, now time.Time) (deleted []string) {
	t.Helper()
	for range maxLooks {
		released := w.release(now)
		plan := controller.Reconcile(w.view(), now)
		w.memory = plan.Memory
		actions := append(w.barePods(), plan.Actions...)
		if len(actions) == 0 && !released {
			return deleted
		}
		for _, a := range actions {
			if d, ok := a.(controller.DeletePod); ok {
				deleted = append(deleted, d.Pod.Labels[workloadLabel])
			}
			play(w, a)
		}
	}
	t.Fatal("the world does not settle")
	return nil
}

func play(w *world, a controller.Action) {
	switch a := a.(type) {
	case controller.CreatePod:
		w.pods[a.Pod.Name] = a.Pod.DeepCopy()
	case controller.DeletePod:
		delete(w.pods, a.Pod.Name)
	case controller.CreateReplicaSet:
		w.replicaSets[a.ReplicaSet.Name] = a.ReplicaSet
	case controller.ScaleReplicaSet:
		w.replicaSets[a.ReplicaSet.Name] = a.ReplicaSet
	case controller.DeleteReplicaSet:
		delete(w.replicaSets, a.ReplicaSet.Name)
	case controller.CreateRevision:
		w.revisions[a.Revision.Name] = a.Revision
	case controller.UpdateStatus:
		w.setStatus(a)
	case updatePod:
		w.pods[a.pod.Name] = a.pod
	}
}

func makeReady(w *world, workload string) {
	for _, p := range w.podsOf(workload) {
		p.Status.Phase = corev1.PodRunning
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "c", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	}
}

func TestDependentsAreReleasedOnlyBySuccess(t *testing.T) {
	w := newWorld("s")
	w.want(prepared(t, deployment("db", 1), deployment("web", 2, services.Dependency{Workload: "db", Condition: services.Healthy})))
	now := time.Now()
	settle(t, w, now)
	if n := len(w.podsOf("web")); n != 0 {
		t.Fatalf("web has %d pods before db is ready", n)
	}
	h := w.holds["web"]
	if h.For != "db" || !h.Since.Equal(now) {
		t.Errorf("hold of web is %+v", h)
	}
	settle(t, w, now.Add(time.Second))
	if h := w.holds["web"]; !h.Since.Equal(now) {
		t.Errorf("the hold began anew at %v though it waits for the same thing", h.Since)
	}
	makeReady(w, "db")
	settle(t, w, now.Add(2*time.Second))
	if n := len(w.podsOf("web")); n != 2 {
		t.Errorf("web has %d pods after db got ready, want 2", n)
	}
	if len(w.holds) != 0 {
		t.Errorf("holds are left: %v", w.holds)
	}
}

func TestARunningDependentStaysWhenItsDependencyFails(t *testing.T) {
	w := newWorld("s")
	w.want(prepared(t, deployment("db", 1), deployment("web", 1, services.Dependency{Workload: "db", Condition: services.Healthy})))
	settle(t, w, time.Now())
	makeReady(w, "db")
	settle(t, w, time.Now())
	makeReady(w, "web")
	w.podsOf("db")[0].Status.Conditions[0].Status = corev1.ConditionFalse
	settle(t, w, time.Now())
	if n := len(w.podsOf("web")); n != 1 {
		t.Errorf("web has %d pods after db failed, want 1: order is for starting", n)
	}
}

func TestWhatLeavesGoesOnlyWhenWhatStaysIsRight(t *testing.T) {
	w := newWorld("s")
	dep := services.Dependency{Workload: "old", Condition: services.Healthy}
	w.want(prepared(t, deployment("old", 1), deployment("user", 1, dep), deployment("web", 1)))
	settle(t, w, time.Now())
	for _, name := range []string{"old", "user", "web"} {
		makeReady(w, name)
		settle(t, w, time.Now())
	}
	makeReady(w, "user")
	settle(t, w, time.Now())

	w.podsOf("web")[0].Status.Conditions[0].Status = corev1.ConditionFalse
	w.want(prepared(t, deployment("web", 1)))
	settle(t, w, time.Now())
	if len(w.podsOf("old")) != 1 || len(w.podsOf("user")) != 1 {
		t.Fatal("workloads left before what stays was right")
	}
	makeReady(w, "web")
	if got := settle(t, w, time.Now()); !slices.Equal(got, []string{"user", "old"}) {
		t.Errorf("deleted were pods of %v: the dependency must go after its dependent", got)
	}
	if len(w.podsOf("old"))+len(w.podsOf("user")) != 0 {
		t.Error("what left is still there")
	}
}

func TestRestartMarksTheTemplateAndLasts(t *testing.T) {
	w := newWorld("s")
	w.want(prepared(t, deployment("web", 1)))
	if err := w.restart("nosuch", time.Now()); err == nil || !strings.Contains(err.Error(), "web") {
		t.Errorf("restart of an unknown workload: %v", err)
	}
	if err := w.restart("web", time.Now()); err != nil {
		t.Fatal(err)
	}
	at := w.stack.Workload("web").PodMeta().Annotations[podchange.RestartedAt]
	w.want(prepared(t, deployment("web", 1)))
	if got := w.stack.Workload("web").PodMeta().Annotations[podchange.RestartedAt]; got != at || at == "" {
		t.Errorf("after the next Apply the mark is %q, want %q: it would roll again", got, at)
	}
}

func TestBarePodChangesInPlaceOnlyWhereItCan(t *testing.T) {
	w := newWorld("s")
	w.want(prepared(t, barePod("p", "a")))
	settle(t, w, time.Now())
	before := w.pods["p"]
	w.want(prepared(t, barePod("p", "a", "b")))
	w.release(time.Now())
	if got := w.barePods(); len(got) != 1 || got[0].String() != "update pod p: container b joins" {
		t.Errorf("a container that joins: %v", got)
	}
	other := barePod("p", "a")
	other.PodSpec().Hostname = "elsewhere"
	w.want(prepared(t, other))
	w.release(time.Now())
	if got := w.barePods(); len(got) != 1 || !strings.HasPrefix(got[0].String(), "delete pod p") {
		t.Errorf("another hostname: %v", got)
	}
	w.want(prepared(t))
	w.release(time.Now())
	if got := w.barePods(); len(got) != 1 || !strings.HasPrefix(got[0].String(), "delete pod "+before.Name) {
		t.Errorf("a pod that is not wanted: %v", got)
	}
}

func TestASavedStackHasTheSameTemplateHashes(t *testing.T) {
	first := prepared(t, deployment("web", 1))
	again, err := prepare.Canonical(first)
	if err != nil {
		t.Fatal(err)
	}
	hash := func(s *services.Stack) string {
		return controller.TemplateHash(&s.Workload("web").Object.(*appsv1.Deployment).Spec.Template, nil)
	}
	if a, b := hash(first), hash(again); a != b {
		t.Errorf("hash %s became %s by being saved: an adopted pod would be replaced", a, b)
	}
}

func TestAnAdoptedReplicaSetCountsAsThePresentVersion(t *testing.T) {
	w := newWorld("s")
	stack := prepared(t, deployment("web", 2))
	w.want(stack)
	settle(t, w, time.Now())
	makeReady(w, "web")
	settle(t, w, time.Now())

	next := newWorld("s")
	next.pods = w.pods
	next.adoptOwners()
	next.want(stack)
	for _, x := range stack.Workloads {
		next.released[x.Name()] = carryStatus(nil, x)
		next.adoptTemplate(x)
	}
	settle(t, next, time.Now())
	for name := range w.pods {
		if next.pods[name] == nil {
			t.Errorf("pod %s was replaced by the adoption", name)
		}
	}
	if len(next.pods) != 2 {
		t.Errorf("there are %d pods after the adoption, want 2", len(next.pods))
	}
}

func TestPinnedImagesRollTheWorkload(t *testing.T) {
	s := &services.Stack{Name: "s", Workloads: []*services.Workload{deployment("web", 1)}}
	one, err := prepare.Stack(s, "s", map[string]string{"img:1": "sha256:aaa"})
	if err != nil {
		t.Fatal(err)
	}
	two, err := prepare.Stack(s, "s", map[string]string{"img:1": "sha256:bbb"})
	if err != nil {
		t.Fatal(err)
	}
	spec := one.Workload("web").PodSpec().Containers[0]
	if spec.Image != "sha256:aaa" || spec.ImagePullPolicy != corev1.PullIfNotPresent {
		t.Errorf("container is %s with policy %s", spec.Image, spec.ImagePullPolicy)
	}
	if sameWorkload(one.Workload("web"), two.Workload("web")) {
		t.Error("another build is the same workload: it would not roll")
	}
	if s.Workload("web").PodSpec().Containers[0].Image != "img:1" {
		t.Error("the loaded stack was changed")
	}
}
