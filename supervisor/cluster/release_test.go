package cluster

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
	"github.com/lyandev/lyandev/supervisor/prepare"
)

func TestDependentsAreReleasedOnlyBySuccess(t *testing.T) {
	w := NewCluster(Config{})
	want(t, w, prepared(t, deployment("db", 1), deployment("web", 2, services.Dependency{Workload: "db", Condition: services.Healthy})))
	now := time.Now()
	settle(t, w, now)
	if n := len(w.PodsOf("web")); n != 0 {
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
	makeReady(t, w, "db")
	settle(t, w, now.Add(2*time.Second))
	if n := len(w.PodsOf("web")); n != 2 {
		t.Errorf("web has %d pods after db got ready, want 2", n)
	}
	if len(w.holds) != 0 {
		t.Errorf("holds are left: %v", w.holds)
	}
}

func TestARunningDependentStaysWhenItsDependencyFails(t *testing.T) {
	w := NewCluster(Config{})
	want(t, w, prepared(t, deployment("db", 1), deployment("web", 1, services.Dependency{Workload: "db", Condition: services.Healthy})))
	settle(t, w, time.Now())
	makeReady(t, w, "db")
	settle(t, w, time.Now())
	makeReady(t, w, "web")
	notReady(t, w, w.PodsOf("db"))
	settle(t, w, time.Now())
	if n := len(w.PodsOf("web")); n != 1 {
		t.Errorf("web has %d pods after db failed, want 1: order is for starting", n)
	}
}

func TestWhatLeavesGoesOnlyWhenWhatStaysIsRight(t *testing.T) {
	w := NewCluster(Config{})
	dep := services.Dependency{Workload: "old", Condition: services.Healthy}
	want(t, w, prepared(t, deployment("old", 1), deployment("user", 1, dep), deployment("web", 1)))
	settle(t, w, time.Now())
	for _, name := range []string{"old", "user", "web"} {
		makeReady(t, w, name)
		settle(t, w, time.Now())
	}
	makeReady(t, w, "user")
	settle(t, w, time.Now())

	notReady(t, w, w.PodsOf("web"))
	want(t, w, prepared(t, deployment("web", 1)))
	settle(t, w, time.Now())
	if len(w.PodsOf("old")) != 1 || len(w.PodsOf("user")) != 1 {
		t.Fatal("workloads left before what stays was right")
	}
	makeReady(t, w, "web")
	if got := settle(t, w, time.Now()); !slices.Equal(got, []string{"user", "old"}) {
		t.Errorf("deleted were pods of %v: the dependency must go after its dependent", got)
	}
	if len(w.PodsOf("old"))+len(w.PodsOf("user")) != 0 {
		t.Error("what left is still there")
	}
}

// TestWhatLeftBeforeTheFormerStackGoesToo: a workload that waits to leave goes although the stack is applied again meanwhile.
func TestWhatLeftBeforeTheFormerStackGoesToo(t *testing.T) {
	w := NewCluster(Config{})
	want(t, w, prepared(t, deployment("old", 1), deployment("web", 1)))
	settle(t, w, time.Now())
	makeReady(t, w, "old")
	notReady(t, w, w.PodsOf("web"))
	for range 2 {
		want(t, w, prepared(t, deployment("web", 1)))
		settle(t, w, time.Now())
	}
	makeReady(t, w, "web")
	if deleted := settle(t, w, time.Now()); len(deleted) != 1 {
		t.Errorf("deleted %v, want the pod of old", deleted)
	}
}

// TestAdoptionReleasesOnlyWhatHasPods: what waited for another workload when the former supervisor ended still does.
func TestAdoptionReleasesOnlyWhatHasPods(t *testing.T) {
	stack := prepared(t, deployment("db", 1), deployment("web", 1, services.Dependency{Workload: "db", Condition: services.Healthy}))
	w := NewCluster(Config{})
	want(t, w, stack)
	settle(t, w, time.Now())
	next := NewCluster(Config{})
	if err := next.AdoptPods(w.Pods()); err != nil {
		t.Fatal(err)
	}
	want(t, next, stack)
	if err := next.AdoptStack(); err != nil {
		t.Fatal(err)
	}
	settle(t, next, time.Now())
	if n := len(next.PodsOf("web")); n != 0 {
		t.Errorf("web has %d pods before db is ready", n)
	}
	makeReady(t, next, "db")
	settle(t, next, time.Now())
	if n := len(next.PodsOf("web")); n != 1 {
		t.Errorf("web has %d pods after db got ready, want 1", n)
	}
}

func TestRestartMarksTheTemplateAndLasts(t *testing.T) {
	w := NewCluster(Config{})
	want(t, w, prepared(t, deployment("web", 1)))
	if err := w.Restart("nosuch", time.Now()); err == nil || !strings.Contains(err.Error(), "web") {
		t.Errorf("restart of an unknown workload: %v", err)
	}
	if err := w.Restart("web", time.Now()); err != nil {
		t.Fatal(err)
	}
	at := w.stack.Workload("web").PodMeta().Annotations[services.RestartedAtAnnotation]
	want(t, w, prepared(t, deployment("web", 1)))
	if got := w.stack.Workload("web").PodMeta().Annotations[services.RestartedAtAnnotation]; got != at || at == "" {
		t.Errorf("after the next Apply the mark is %q, want %q: it would roll again", got, at)
	}
}

func TestBarePodChangesInPlaceOnlyWhereItCan(t *testing.T) {
	w := NewCluster(Config{})
	want(t, w, prepared(t, barePod("p", "a")))
	settle(t, w, time.Now())
	before := w.PodsOf("p")[0]
	want(t, w, prepared(t, barePod("p", "a", "b")))
	releaseAll(t, w)
	if got := w.BarePods(); len(got) != 1 || got[0].String() != "update pod p: container b joins" {
		t.Errorf("a container that joins: %v", got)
	}
	other := barePod("p", "a")
	other.PodSpec().Hostname = "elsewhere"
	want(t, w, prepared(t, other))
	releaseAll(t, w)
	if got := w.BarePods(); len(got) != 1 || !strings.HasPrefix(got[0].String(), "delete pod p") {
		t.Errorf("another hostname: %v", got)
	}
	want(t, w, prepared(t))
	releaseAll(t, w)
	if got := w.BarePods(); len(got) != 1 || !strings.HasPrefix(got[0].String(), "delete pod "+before.Name) {
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
	w := NewCluster(Config{})
	stack := prepared(t, deployment("web", 2))
	want(t, w, stack)
	settle(t, w, time.Now())
	makeReady(t, w, "web")
	settle(t, w, time.Now())

	next := NewCluster(Config{})
	if err := next.AdoptPods(w.Pods()); err != nil {
		t.Fatal(err)
	}
	want(t, next, stack)
	if err := next.AdoptStack(); err != nil {
		t.Fatal(err)
	}
	settle(t, next, time.Now())
	for _, p := range w.Pods() {
		if next.Pod(p.UID) == nil {
			t.Errorf("pod %s was replaced by the adoption", p.Name)
		}
	}
	if len(next.Pods()) != 2 {
		t.Errorf("there are %d pods after the adoption, want 2", len(next.Pods()))
	}
}

// TestAnAdoptedJobIsNotMadeTwice: the Job of the stack, and not another of its name, owns the pods that were found.
func TestAnAdoptedJobIsNotMadeTwice(t *testing.T) {
	stack := prepared(t, job("migrate"))
	w := NewCluster(Config{})
	want(t, w, stack)
	settle(t, w, time.Now())
	if len(w.Pods()) != 1 {
		t.Fatalf("%d pods", len(w.Pods()))
	}
	edit(t, w, w.Pods()[0], func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded })
	next := NewCluster(Config{})
	if err := next.AdoptPods(w.Pods()); err != nil {
		t.Fatal(err)
	}
	want(t, next, stack)
	if err := next.AdoptStack(); err != nil {
		t.Fatal(err)
	}
	settle(t, next, time.Now())
	if f := next.factsOf(stack.Workload("migrate")); !f.Done || len(next.Pods()) != 1 {
		t.Errorf("%d pods, %+v", len(next.Pods()), f)
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
	if sameObject(one.Workload("web"), two.Workload("web")) {
		t.Error("another build is the same workload: it would not roll")
	}
	if s.Workload("web").PodSpec().Containers[0].Image != "img:1" {
		t.Error("the loaded stack was changed")
	}
}

// TestServicesOfWhatLeavesAreServed: a Service of the former stack stays until all that left with it has gone.
func TestServicesOfWhatLeavesAreServed(t *testing.T) {
	with := func(s *services.Stack, names ...string) *services.Stack {
		for _, n := range names {
			s.Services = append(s.Services, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: n}})
		}
		return s
	}
	served := func(c *Cluster) (out []string) {
		for _, v := range List[*corev1.Service](c.Store) {
			out = append(out, v.Name)
		}
		return out
	}
	c := upWith(t, with(prepared(t, deployment("old", 1), deployment("web", 1)), "a", "b"))
	if got := served(c); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("without a former stack: %v", got)
	}
	notReady(t, c, c.PodsOf("web"))
	want(t, c, with(prepared(t, deployment("web", 1)), "b", "c"))
	settle(t, c, time.Now())
	if got := served(c); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("while old is there: %v", got)
	}
	makeReady(t, c, "web")
	settle(t, c, time.Now())
	if got := served(c); !slices.Equal(got, []string{"b", "c"}) {
		t.Errorf("after old has gone: %v", got)
	}
}

// TestAnotherKindWaitsForThePodsOfTheFormer: both may mount the same volume, so the new kind's pods begin when the others have gone.
func TestAnotherKindWaitsForThePodsOfTheFormer(t *testing.T) {
	c := upWith(t, prepared(t, deployment("db", 1)))
	set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "db"}}
	set.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "db"}}
	set.Spec.Template.Labels = map[string]string{"app": "db"}
	set.Spec.Template.Spec.Containers = []corev1.Container{{Name: "c", Image: "img:1"}}
	want(t, c, prepared(t, &services.Workload{Object: set}))
	for range 3 {
		releaseAll(t, c)
	}
	if n := len(c.PodsOf("db")); n != 1 || c.Released("db") != nil {
		t.Errorf("there are %d pods of the Deployment, and the StatefulSet has begun: %v", n, c.Released("db") != nil)
	}
	settle(t, c, time.Now())
	settle(t, c, time.Now())
	if pods := c.PodsOf("db"); len(pods) != 1 || pods[0].Name != "db-0" {
		t.Errorf("pods %v", pods)
	}
}
