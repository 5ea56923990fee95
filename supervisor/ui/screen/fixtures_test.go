package screen

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// now is the time of every picture.
var now = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func before(seconds int) metav1.Time {
	return metav1.NewTime(now.Add(-time.Duration(seconds) * time.Second))
}

// The containers' states that tests are made of.
var (
	runs     = corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	creating = waits("ContainerCreating")
)

func waits(reason string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}
}

func pod(name, workload string, ready bool, states ...corev1.ContainerState) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{services.WorkloadLabel: workload}},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning},
	}
	for _, s := range states {
		up := s.Running != nil
		p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, corev1.ContainerStatus{State: s, Ready: up, Started: &up})
	}
	if ready {
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	}
	return p
}

// protected are streams of a terminal, and what is written to them.
func protected() (st *ui.Streams, errs *bytes.Buffer) {
	errs = new(bytes.Buffer)
	return (&ui.Streams{Out: errs, Err: errs, OutTTY: true, ErrTTY: true}).Protect(), errs
}

// stack is a state with a number of services that starts, of which most are ready.
func stack(n int) *state.Status {
	s := &state.Status{
		Project: "shop", Profile: "dev", Phase: state.Starting, Time: now,
		Bound: []services.HostPort{
			{HostIP: "127.0.0.1", HostPort: 5432, Service: "db", Port: 5432, Protocol: corev1.ProtocolTCP},
			{HostIP: "127.0.0.1", HostPort: 8080, Service: "web", Port: 80, Protocol: corev1.ProtocolTCP},
		},
	}
	for _, name := range []string{"db", "cache", "migrate", "api", "web"} {
		add(s, name)
	}
	for i := len(s.Workloads); i < n; i++ {
		add(s, fmt.Sprintf("worker-%02d", i+1))
	}
	return s
}

// add adds a ready workload with one pod.
func add(s *state.Status, name string) {
	s.Workloads = append(s.Workloads, state.Workload{Name: name, Kind: "Deployment", Want: 1, Have: 1, Ready: 1, Updated: 1, Right: true})
	p := pod(name+"-1", name, true, runs)
	p.CreationTimestamp = before(60)
	p.Spec.Containers = []corev1.Container{{Name: name, Image: "debian:trixie-slim"}}
	c := &p.Status.ContainerStatuses[0]
	c.Name = name
	c.State.Running = &corev1.ContainerStateRunning{StartedAt: before(58)}
	s.Pods = append(s.Pods, p)
}

// unready makes a workload's pod not ready, and returns its container.
func unready(s *state.Status, name string) (p *corev1.Pod, c *corev1.ContainerStatus) {
	for i := range s.Workloads {
		if w := &s.Workloads[i]; w.Name == name {
			w.Right, w.Ready = false, 0
		}
	}
	p = s.PodsOf(name)[0]
	c = &p.Status.ContainerStatuses[0]
	c.Ready = false
	p.Status.Conditions = nil
	for _, t := range []corev1.PodConditionType{corev1.ContainersReady, corev1.PodReady} {
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: t, Status: corev1.ConditionFalse, LastTransitionTime: before(30)})
	}
	return p, c
}

// hold makes a workload wait for another one, without pods.
func hold(s *state.Status, name, by string, seconds int) {
	for i := range s.Workloads {
		if w := &s.Workloads[i]; w.Name == name {
			w.Right, w.Ready, w.Have = false, 0, 0
			w.Hold = &state.Hold{Kind: "dependency", For: by, Reason: "waits for " + by + " to be ready", Since: before(seconds).Time}
		}
	}
	var left []*corev1.Pod
	for _, p := range s.Pods {
		if p.Labels[services.WorkloadLabel] != name {
			left = append(left, p)
		}
	}
	s.Pods = left
}

// holdWorkers makes all workers of a stack wait for a service, as after a start with one broken service.
func holdWorkers(s *state.Status, by string) {
	for _, w := range s.Workloads {
		if len(w.Name) > len("worker-") && w.Name[:len("worker-")] == "worker-" {
			hold(s, w.Name, by, 30)
		}
	}
}
