package cluster

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/controller"
	"github.com/lyandev/lyandev/supervisor/pod"
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
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{pod.SandboxAnnotation: "true"}}}
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

func job(name string, deps ...services.Dependency) *services.Workload {
	j := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: name}}
	j.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyNever
	j.Spec.Template.Spec.Containers = []corev1.Container{{Name: "c", Image: "img:1"}}
	return &services.Workload{Object: j, DependsOn: deps}
}

func operated(w *services.Workload, operator string) *services.Workload {
	w.Operator = operator
	return w
}

func want(t *testing.T, c *Cluster, s *services.Stack) {
	t.Helper()
	if err := c.Want(s); err != nil {
		t.Fatal(err)
	}
}

func releaseAll(t *testing.T, c *Cluster) {
	t.Helper()
	if _, err := c.Release(time.Now()); err != nil {
		t.Fatal(err)
	}
}

// settle plays the loop on a cluster without workers: plans are carried out until there is nothing to do. It returns the
// workloads of the pods that were deleted, in order.
func settle(t *testing.T, c *Cluster, now time.Time) (deleted []string) {
	t.Helper()
	for range 50 {
		released, err := c.Release(now)
		if err != nil {
			t.Fatal(err)
		}
		plan := controller.Reconcile(c.View(), now)
		c.Remember(plan.Memory)
		actions := append(c.BarePods(), plan.Actions...)
		if len(actions) == 0 && !released {
			return deleted
		}
		for _, a := range actions {
			if d, ok := a.(controller.DeletePod); ok {
				deleted = append(deleted, d.Pod.Labels[services.WorkloadLabel])
			}
			if err := play(c, a); err != nil {
				t.Fatalf("%s: %v", a, err)
			}
		}
	}
	t.Fatal("the cluster does not settle")
	return nil
}

func play(c *Cluster, a controller.Action) error {
	var err error
	switch a := a.(type) {
	case controller.CreatePod:
		_, err = c.Create(a.Pod, "")
	case controller.DeletePod:
		err = c.PodGone(a.Pod.UID)
	case UpdatePod:
		_, err = c.UpdatePod(a.Pod)
	default:
		err = c.Perform(a)
	}
	return err
}

// edit changes a pod in the store.
func edit(t *testing.T, c *Cluster, p *corev1.Pod, change func(*corev1.Pod)) {
	t.Helper()
	p = c.Pod(p.UID).DeepCopy()
	change(p)
	if _, err := c.Update(p, ""); err != nil {
		t.Fatal(err)
	}
}

// container gives every pod of a workload a running container of that ID; ready or not.
func container(t *testing.T, c *Cluster, workload, id string, ready corev1.ConditionStatus) {
	t.Helper()
	for _, p := range c.PodsOf(workload) {
		edit(t, c, p, func(p *corev1.Pod) {
			p.Status.Phase = corev1.PodRunning
			p.Status.ContainerStatuses = []corev1.ContainerStatus{{
				Name: "c", ContainerID: id, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
			}}
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}
		})
	}
}

func makeReady(t *testing.T, c *Cluster, workload string) {
	t.Helper()
	container(t, c, workload, "", corev1.ConditionTrue)
}

func notReady(t *testing.T, c *Cluster, pods []*corev1.Pod) {
	t.Helper()
	for _, p := range pods {
		edit(t, c, p, func(p *corev1.Pod) {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse}}
		})
	}
}

// upWith is a cluster in which the workloads of a stack run and are ready.
func upWith(t *testing.T, s *services.Stack) *Cluster {
	t.Helper()
	c := NewCluster(Config{})
	want(t, c, s)
	for range s.Workloads {
		settle(t, c, time.Now())
		for _, x := range s.Workloads {
			makeReady(t, c, x.Name())
		}
	}
	settle(t, c, time.Now())
	return c
}
