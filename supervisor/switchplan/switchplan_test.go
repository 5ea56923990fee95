package switchplan

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/pod"
)

// sandboxed is a workload that is a pod, with the containers that are named.
func sandboxed(name string, containers ...string) *services.Workload {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name: name, Labels: map[string]string{services.WorkloadLabel: name},
		Annotations: map[string]string{pod.SandboxAnnotation: "true"},
	}}
	for _, c := range containers {
		p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: c, Image: "img"})
	}
	return &services.Workload{Object: p}
}

// set is a StatefulSet with an image for its one container.
func set(name string, replicas int32, image string, after ...string) *services.Workload {
	w := &services.Workload{Object: &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: appsv1.StatefulSetSpec{Replicas: &replicas, Template: corev1.PodTemplateSpec{
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: image}}},
		}},
	}}
	for _, a := range after {
		w.DependsOn = append(w.DependsOn, services.Dependency{Workload: a, Condition: services.Healthy})
	}
	return w
}

func withClaim(w *services.Workload, claim string) *services.Workload {
	w.PodSpec().Volumes = []corev1.Volume{{Name: "d", VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim},
	}}}
	return w
}

func stackOf(profile string, list ...*services.Workload) *services.Stack {
	return &services.Stack{Name: "s", Profile: profile, Workloads: list}
}

func planText(p Plan) string {
	var out []string
	for _, s := range p.Steps {
		out = append(out, strings.Join(strings.Fields(s.String()), " "))
	}
	return strings.Join(out, "\n")
}

func TestPlanSwitch(t *testing.T) {
	env := func(w *services.Workload, name string) *services.Workload {
		w.PodSpec().Containers[0].Env = []corev1.EnvVar{{Name: name, Value: "secret"}}
		return w
	}
	small := stackOf("minimal", set("db", 1, "img"), set("cache", 1, "img"), sandboxed("redis", "master"), set("web", 1, "img", "db"))
	big := stackOf("ha",
		env(set("web", 3, "img", "db", "sentinel"), "SENTINEL"), set("db", 1, "img"),
		withClaim(set("slave", 1, "img", "db"), "slave-data"), set("cache", 3, "img"), sandboxed("redis", "master", "sentinel"), set("sentinel", 2, "img", "redis"))

	want := strings.TrimSpace(`
keep StatefulSet/db
scale StatefulSet/cache: 1 -> 3
change Pod/redis: container sentinel joins, the others go on
start StatefulSet/slave: only in profile ha (after db)
start StatefulSet/sentinel: only in profile ha (after redis)
roll StatefulSet/web: 1 -> 3; env SENTINEL of main (after db, sentinel)`)
	if got := planText(New(small, big, nil)); got != want {
		t.Errorf("to ha:\n%s\nwant:\n%s", got, want)
	}
	if strings.Contains(planText(New(small, big, nil)), "secret") {
		t.Error("a value is in the plan")
	}

	slave := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "slave-0", Labels: map[string]string{services.WorkloadLabel: "slave"}}}
	home := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "redis", Labels: map[string]string{services.WorkloadLabel: "redis"}}}
	want = strings.TrimSpace(`
move Pod/slave-0: it is the master and leaves: another pod, which stays, becomes the master first
keep StatefulSet/db
scale StatefulSet/cache: 3 -> 1
change Pod/redis: container sentinel leaves, the others go on
roll StatefulSet/web: 3 -> 1; env SENTINEL of main (after db)
stop StatefulSet/sentinel: not in profile minimal (after everything that stays is ready)
stop StatefulSet/slave: not in profile minimal; its volume is kept (after everything that stays is ready)`)
	if got := planText(New(big, small, []*corev1.Pod{slave, home})); got != want {
		t.Errorf("to minimal:\n%s\nwant:\n%s", got, want)
	}
	if p := New(small, small.DeepCopy(), nil); !p.Empty() {
		t.Errorf("the same stack: %s", planText(p))
	}
	if p := New(small, big, nil); p.Empty() {
		t.Error("another stack is an empty plan")
	}
}

func TestPlanSwitchOfKinds(t *testing.T) {
	a := stackOf("a", sandboxed("x", "main"))
	b := stackOf("b", set("x", 1, "img"))
	if got := planText(New(a, b, nil)); got != "replace StatefulSet/x: it was a Pod" {
		t.Error(got)
	}
	if got := planText(New(stackOf("a", set("x", 1, "img")), stackOf("b", set("x", 1, "other")), nil)); got != "roll StatefulSet/x: container main has another image" {
		t.Error(got)
	}
}

func TestStaysIn(t *testing.T) {
	pod := func(name, workload string) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{services.WorkloadLabel: workload}}}
	}
	pods := []*corev1.Pod{
		pod("db-0", "db"), pod("db-1", "db"), pod("redis", "redis"), pod("redis-sentinel-x", "redis-sentinel"), pod("old", "old"),
	}
	stays := Stays(stackOf("s", set("db", 1, "img"), sandboxed("redis", "main")), pods)
	for name, want := range map[string]bool{"db-0": true, "db-1": false, "redis": true, "redis-sentinel-x": false, "old": false, "never": false} {
		if got := stays(name); got != want {
			t.Errorf("%s stays: %v", name, got)
		}
	}
}
