package controller_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/controller"
)

const deploymentYAML = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  replicas: %d
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: "img:1"}]}
`

func deployment(t failer, replicas int) *appsv1.Deployment {
	return object[*appsv1.Deployment](t, fmt.Sprintf(deploymentYAML, replicas))
}

func (w *world) editDeployment(do func(*appsv1.DeploymentSpec)) {
	d := w.view.Deployments[0].DeepCopy()
	do(&d.Spec)
	w.store(d)
}

func deployImage(i string) func(*appsv1.DeploymentSpec) {
	return func(s *appsv1.DeploymentSpec) { s.Template.Spec.Containers[0].Image = i }
}

func deployReplicas(n int32) func(*appsv1.DeploymentSpec) {
	return func(s *appsv1.DeploymentSpec) { s.Replicas = &n }
}

func surge(maxSurge, maxUnavailable int32) func(*appsv1.DeploymentSpec) {
	return func(s *appsv1.DeploymentSpec) {
		a, b := intstr.FromInt32(maxSurge), intstr.FromInt32(maxUnavailable)
		s.Strategy.RollingUpdate = &appsv1.RollingUpdateDeployment{MaxSurge: &a, MaxUnavailable: &b}
	}
}

// sizes are spec.replicas of the ReplicaSets by image, as "img:1=2 img:2=1".
func (w *world) sizes() string {
	var out []string
	for _, rs := range w.view.ReplicaSets {
		out = append(out, fmt.Sprintf("%s=%d", rs.Spec.Template.Spec.Containers[0].Image, *rs.Spec.Replicas))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func (w *world) wantSizes(t *testing.T, want string) {
	t.Helper()
	w.settle()
	if got := w.sizes(); got != want {
		t.Fatalf("sizes are %s, want %s", got, want)
	}
}

// readyAll makes the pods of an image ready.
func (w *world) readyAll(image string) {
	for _, p := range w.view.Pods {
		if p.Spec.Containers[0].Image == image && p.DeletionTimestamp == nil {
			w.setReady(true, p.Name)
		}
	}
}

func TestOnlyTheTemplateStartsARolloutR180(t *testing.T) {
	w := newWorld(t)
	w.view.Deployments = []*appsv1.Deployment{deployment(t, 2)}
	w.allReady()
	d := w.view.Deployments[0].DeepCopy()
	d.Labels = map[string]string{"x": "y"}
	d.Spec.MinReadySeconds = 1
	surge(2, 1)(&d.Spec)
	w.store(d)
	w.wantSizes(t, "img:1=2")
	rs := w.view.ReplicaSets[0]
	if rs.Name != "web-"+controller.TemplateHash(&d.Spec.Template, nil) {
		t.Errorf("the ReplicaSet is called %s", rs.Name)
	}
	if rs.Labels["pod-template-hash"] == "" || rs.Spec.Selector.MatchLabels["pod-template-hash"] != rs.Labels["pod-template-hash"] {
		t.Errorf("labels %v, selector %v", rs.Labels, rs.Spec.Selector)
	}
}

func TestTemplateHashIsThatOfACluster(t *testing.T) {
	d := deployment(t, 1)
	if got := controller.TemplateHash(&d.Spec.Template, nil); got != "5d9f7f9569" {
		t.Errorf("hash is %s", got)
	}
}

func TestFencepostsR181(t *testing.T) {
	tests := []struct {
		surge, unavailable string
		replicas           int32
		wantS, wantU       int32
	}{
		{"25%", "25%", 10, 3, 2},
		{"25%", "25%", 4, 1, 1},
		{"25%", "25%", 1, 1, 0},
		{"1%", "0", 1000, 10, 0},
		{"0", "0", 3, 0, 1},
		{"0%", "10%", 3, 0, 1},
		{"2", "0", 3, 2, 0},
		{"100%", "100%", 3, 3, 3},
	}
	for _, tt := range tests {
		s, u := intstr.Parse(tt.surge), intstr.Parse(tt.unavailable)
		gs, gu, err := controller.Fenceposts(&s, &u, tt.replicas)
		if err != nil || gs != tt.wantS || gu != tt.wantU {
			t.Errorf("%s, %s of %d: %d and %d (%v), want %d and %d", tt.surge, tt.unavailable, tt.replicas, gs, gu, err, tt.wantS, tt.wantU)
		}
	}
	bad := intstr.FromString("x")
	if _, _, err := controller.Fenceposts(&bad, nil, 1); err == nil {
		t.Error("no error for x")
	}
}

func TestRollingUpdateR182(t *testing.T) {
	tests := []struct {
		name               string
		surge, unavailable int32
		steps              []string
	}{
		{"surge 1", 1, 0, []string{"img:1=3 img:2=1", "img:1=2 img:2=2", "img:1=1 img:2=3", "img:1=0 img:2=3"}},
		{"unavailable 1", 0, 1, []string{"img:1=2 img:2=1", "img:1=1 img:2=2", "img:1=0 img:2=3", "img:1=0 img:2=3"}},
		{"both", 1, 1, []string{"img:1=2 img:2=2", "img:1=0 img:2=3", "img:1=0 img:2=3"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.view.Deployments = []*appsv1.Deployment{deployment(t, 3)}
			w.editDeployment(surge(tt.surge, tt.unavailable))
			w.allReady()
			w.editDeployment(deployImage("img:2"))
			for _, want := range tt.steps {
				w.wantSizes(t, want)
				w.readyAll("img:2")
			}
		})
	}
}

func TestPodsBeingDeletedDoNotCountR182(t *testing.T) {
	w := newWorld(t)
	w.view.Deployments = []*appsv1.Deployment{deployment(t, 1)}
	w.allReady()
	w.editDeployment(deployImage("img:2"))
	w.settle()
	w.readyAll("img:2")
	w.settle()
	w.editDeployment(deployImage("img:3"))
	w.settle()
	if len(w.view.Pods) != 3 {
		t.Errorf("pods are %v, want one going, one there, one coming", w.podNames())
	}
}

func TestRecreateR183(t *testing.T) {
	w := newWorld(t)
	d := deployment(t, 2)
	d.Spec.Strategy = appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}
	w.view.Deployments = []*appsv1.Deployment{d}
	w.allReady()
	old := w.view.Pods
	w.editDeployment(deployImage("img:2"))
	w.wantSizes(t, "img:1=0")
	w.gone(old[0].Name)
	w.wantSizes(t, "img:1=0")
	w.gone(old[1].Name)
	w.wantSizes(t, "img:1=0 img:2=2")
}

func TestMinReadySecondsDelaysAvailabilityR184(t *testing.T) {
	w := newWorld(t)
	w.view.Deployments = []*appsv1.Deployment{deployment(t, 1)}
	w.editDeployment(func(s *appsv1.DeploymentSpec) { s.MinReadySeconds = 10 })
	w.allReady()
	w.wait(10 * time.Second)
	w.editDeployment(deployImage("img:2"))
	w.settle()
	w.readyAll("img:2")
	w.wait(9 * time.Second)
	w.wantSizes(t, "img:1=1 img:2=1")
	w.wait(time.Second)
	w.wantSizes(t, "img:1=0 img:2=1")
}

func progressing(w *world) string {
	for _, c := range w.view.Deployments[0].Status.Conditions {
		if c.Type == appsv1.DeploymentProgressing {
			return string(c.Status) + " " + c.Reason
		}
	}
	return ""
}

func TestProgressDeadlineR185(t *testing.T) {
	w := newWorld(t)
	w.view.Deployments = []*appsv1.Deployment{deployment(t, 2)}
	w.allReady()
	if got := progressing(w); got != "True NewReplicaSetAvailable" {
		t.Fatalf("after the first rollout: %s", got)
	}
	w.editDeployment(deployImage("img:2"))
	w.wait(599 * time.Second)
	if got := progressing(w); !strings.HasPrefix(got, "True ") {
		t.Fatalf("before the deadline: %s", got)
	}
	w.wait(time.Second)
	if got := progressing(w); got != "False ProgressDeadlineExceeded" {
		t.Fatalf("after the deadline: %s", got)
	}
	w.wantSizes(t, "img:1=2 img:2=1")
	w.editDeployment(deployImage("img:3"))
	w.allReady()
	if got := progressing(w); got != "True NewReplicaSetAvailable" {
		t.Fatalf("after a third version: %s", got)
	}
}

// TestNoDeadlineWhileProbesArePaused: a new pod may stand at a breakpoint for longer than progressDeadlineSeconds.
func TestNoDeadlineWhileProbesArePaused(t *testing.T) {
	w := newWorld(t)
	w.view.Deployments = []*appsv1.Deployment{deployment(t, 2)}
	w.allReady()
	w.editDeployment(deployImage("img:2"))
	w.settle()
	paused := ""
	for _, p := range w.view.Pods {
		if p.Spec.Containers[0].Image == "img:2" {
			paused = p.Name
		}
	}
	w.change(paused, func(p *corev1.Pod) {
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: services.ProbesPaused, Status: corev1.ConditionTrue})
	})
	w.wait(time.Hour)
	if got := progressing(w); got != "True ReplicaSetUpdated" {
		t.Fatalf("while the probes are paused: %s", got)
	}
	w.change(paused, func(p *corev1.Pod) { p.Status.Conditions = nil })
	w.wait(601 * time.Second)
	if got := progressing(w); got != "False ProgressDeadlineExceeded" {
		t.Fatalf("after the pause: %s", got)
	}
}

func TestUnreadyOldPodsGoFirstR186(t *testing.T) {
	w := newWorld(t)
	w.view.Deployments = []*appsv1.Deployment{deployment(t, 4)}
	w.allReady()
	sick := w.view.Pods[0].Name
	w.setReady(false, sick)
	w.editDeployment(deployImage("img:2"))
	w.settle()
	if p := w.pod(sick); p.DeletionTimestamp == nil {
		t.Fatalf("the unready pod %s is still there: %v", sick, w.podNames())
	}
}

func TestAThirdVersionTakesOverR186(t *testing.T) {
	w := newWorld(t)
	w.view.Deployments = []*appsv1.Deployment{deployment(t, 4)}
	w.allReady()
	w.editDeployment(deployImage("img:2"))
	w.wantSizes(t, "img:1=3 img:2=2")
	w.editDeployment(deployImage("img:3"))
	w.wantSizes(t, "img:1=3 img:2=0 img:3=2")
}

func TestRollbackReusesTheReplicaSetR187(t *testing.T) {
	w := newWorld(t)
	w.view.Deployments = []*appsv1.Deployment{deployment(t, 2)}
	for _, i := range []string{"img:1", "img:2", "img:1"} {
		w.editDeployment(deployImage(i))
		w.allReady()
	}
	w.wantSizes(t, "img:1=2 img:2=0")
	if got := w.view.Deployments[0].Annotations["deployment.kubernetes.io/revision"]; got != "3" {
		t.Errorf("revision is %s", got)
	}
}

func TestHistoryLimitR187(t *testing.T) {
	w := newWorld(t)
	w.view.Deployments = []*appsv1.Deployment{deployment(t, 1)}
	for i := range 15 {
		w.now = w.now.Add(time.Minute)
		w.editDeployment(deployImage(fmt.Sprintf("img:%d", i)))
		w.allReady()
	}
	if n := len(w.view.ReplicaSets); n != 11 {
		t.Errorf("%d ReplicaSets are kept, want the live one and 10 old", n)
	}
	w.editDeployment(func(s *appsv1.DeploymentSpec) { zero := int32(0); s.RevisionHistoryLimit = &zero })
	w.wantSizes(t, "img:14=1")
}

func TestPausedR188(t *testing.T) {
	w := newWorld(t)
	w.view.Deployments = []*appsv1.Deployment{deployment(t, 2)}
	w.allReady()
	w.editDeployment(func(s *appsv1.DeploymentSpec) { s.Paused = true })
	w.editDeployment(deployImage("img:2"))
	w.wantSizes(t, "img:1=2")
	w.editDeployment(deployReplicas(4))
	w.wantSizes(t, "img:1=4")
	if got := progressing(w); got != "Unknown DeploymentPaused" {
		t.Errorf("progressing is %s", got)
	}
	w.editDeployment(func(s *appsv1.DeploymentSpec) { s.Paused = false })
	w.allReady()
	w.wantSizes(t, "img:1=0 img:2=4")
}

func TestScalingInMidRolloutIsProportionalR189(t *testing.T) {
	tests := []struct {
		replicas int32
		want     string
	}{
		{15, "img:1=11 img:2=7"},
		{20, "img:1=14 img:2=9"},
		{5, "img:1=5 img:2=3"},
		{0, "img:1=0 img:2=0"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.replicas), func(t *testing.T) {
			w := newWorld(t)
			w.view.Deployments = []*appsv1.Deployment{deployment(t, 10)}
			w.editDeployment(surge(3, 2))
			w.allReady()
			w.editDeployment(deployImage("img:2"))
			w.wantSizes(t, "img:1=8 img:2=5")
			w.editDeployment(deployReplicas(tt.replicas))
			w.look()
			if got := w.sizes(); got != tt.want {
				t.Errorf("sizes are %s, want %s", got, tt.want)
			}
		})
	}
}

func TestDeletingADeploymentDeletesAll(t *testing.T) {
	w := newWorld(t)
	w.view.Deployments = []*appsv1.Deployment{deployment(t, 2)}
	w.allReady()
	w.view.Deployments = nil
	w.allReady()
	if len(w.view.Pods)+len(w.view.ReplicaSets) != 0 {
		t.Errorf("left are %v and %s", w.podNames(), w.sizes())
	}
}

// TestPodsOfAnotherReplicaSetOfTheNameAreNotCounted: the UID decides where both sides have one.
func TestPodsOfAnotherReplicaSetOfTheNameAreNotCounted(t *testing.T) {
	w := newWorld(t)
	w.view.Deployments = []*appsv1.Deployment{deployment(t, 2)}
	w.allReady()
	w.change("web-5d9f7f9569-1", func(p *corev1.Pod) { p.OwnerReferences[0].UID = "another" })
	w.wantPlan(t,
		"delete pod web-5d9f7f9569-1: ReplicaSet/web-5d9f7f9569 is gone",
		"create pod web-5d9f7f9569-3 (img:1): ReplicaSet/web-5d9f7f9569 has 1 of 2 pods")
}

func TestPlanOfARollout(t *testing.T) {
	w := newWorld(t)
	w.view.Deployments = []*appsv1.Deployment{deployment(t, 4)}
	w.allReady()
	w.editDeployment(deployImage("img:2"))
	w.wantPlan(t,
		"scale replicaset web-5d9f7f9569 from 4 to 3: Deployment/web goes over to web-559df59666",
		"create replicaset web-559df59666 with 1 pods: Deployment/web has a new template",
		"delete pod web-5d9f7f9569-1: ReplicaSet/web-5d9f7f9569 has 4 pods and wants 3",
		"create pod web-559df59666-1 (img:2): ReplicaSet/web-559df59666 has 0 of 1 pods")
}

// TestDeploymentInvariants rolls out at random and checks the bounds of R182 at every plan: no growth beyond replicas plus
// surge, and no deletion of an available pod that would leave too few.
func TestDeploymentInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		n := int32(rapid.IntRange(1, 6).Draw(t, "replicas"))
		s, u := int32(rapid.IntRange(0, 3).Draw(t, "surge")), int32(rapid.IntRange(0, 3).Draw(t, "unavailable"))
		if s == 0 && u == 0 {
			u = 1
		}
		w.view.Deployments = []*appsv1.Deployment{deployment(t, int(n))}
		w.editDeployment(surge(s, u))
		w.allReady()
		w.onPlan = func(p controller.Plan) { checkBounds(t, w, p, n+s, n-min(u, n)) }
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			w.settle()
			w.now = w.now.Add(time.Second)
			w.happen(t)
			if rapid.IntRange(0, 7).Draw(t, "roll") == 0 {
				w.editDeployment(deployImage(fmt.Sprintf("img:%d", rapid.IntRange(1, 4).Draw(t, "image"))))
			}
		}
		for _, p := range w.view.Pods {
			if p.Status.Phase == corev1.PodRunning && p.DeletionTimestamp == nil {
				w.setReady(true, p.Name)
			}
		}
		w.allReady()
		want := w.view.Deployments[0].Spec.Template.Spec.Containers[0].Image
		live := 0
		for _, p := range w.view.Pods {
			if p.Status.Phase == corev1.PodRunning {
				live++
				if p.Spec.Containers[0].Image != want {
					t.Fatalf("%s has %s in the end, want %s", p.Name, p.Spec.Containers[0].Image, want)
				}
			}
		}
		if live != int(n) {
			t.Fatalf("%d pods in the end, want %d", live, n)
		}
	})
}

func checkBounds(t *rapid.T, w *world, p controller.Plan, most, least int32) {
	var active, availableNow, taken int32
	isReady := func(p *corev1.Pod) bool {
		return p.DeletionTimestamp == nil && p.Status.Phase == corev1.PodRunning && len(p.Status.Conditions) > 0 &&
			p.Status.Conditions[0].Status == corev1.ConditionTrue
	}
	for _, pod := range w.view.Pods {
		if pod.DeletionTimestamp == nil && pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed {
			active++
		}
		if isReady(pod) {
			availableNow++
		}
	}
	for _, a := range p.Actions {
		switch a := a.(type) {
		case controller.CreatePod:
			active++
		case controller.DeletePod:
			active--
			if isReady(a.Pod) {
				taken++
			}
		}
	}
	if active > most {
		t.Fatalf("%d active pods, at most %d are allowed:\n%s", active, most, p)
	}
	if taken > 0 && availableNow-taken < least {
		t.Fatalf("%d of %d available pods are deleted, %d must stay:\n%s", taken, availableNow, least, p)
	}
}
