package explain

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/state"
)

var now = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func before(seconds int) metav1.Time {
	return metav1.NewTime(now.Add(-time.Duration(seconds) * time.Second))
}

// pod is a pod of a workload with one container of the same name, Ready or not.
func pod(name, workload string, ready bool, change ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{}
	p.Name, p.Namespace, p.CreationTimestamp = name, "default", before(60)
	p.Labels = map[string]string{services.WorkloadLabel: workload}
	p.Spec.Containers = []corev1.Container{{Name: workload, Image: "debian:trixie-slim"}}
	p.Status.Phase, p.Status.PodIP = corev1.PodRunning, "10.0.0.9"
	status := corev1.ConditionFalse
	if ready {
		status = corev1.ConditionTrue
	}
	for _, t := range []corev1.PodConditionType{corev1.ContainersReady, corev1.PodReady} {
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: t, Status: status, LastTransitionTime: before(30)})
	}
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: workload, Ready: ready, Started: new(true), ContainerID: "docker://abc", Image: "debian:trixie-slim",
		State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: before(58)}},
	}}
	for _, c := range change {
		c(p)
	}
	return p
}

func first(p *corev1.Pod) (*corev1.Container, *corev1.ContainerStatus) {
	return &p.Spec.Containers[0], &p.Status.ContainerStatuses[0]
}

func crashing(p *corev1.Pod) {
	_, s := first(p)
	s.RestartCount = 3
	s.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{
		Reason: "CrashLoopBackOff", Message: "back-off 40s restarting failed container=db pod=db-0_default(u)",
	}}
	s.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{
		ExitCode: 1, Reason: "Error", Message: "starting\nno space left on device", StartedAt: before(15), FinishedAt: before(12),
	}
}

func unready(p *corev1.Pod) {
	c, _ := first(p)
	c.ReadinessProbe = &corev1.Probe{}
	c.ReadinessProbe.Exec = &corev1.ExecAction{Command: []string{"true"}}
}

func workload(name string, want, have, ready int32) state.Workload {
	return state.Workload{Name: name, Kind: "Deployment", Want: want, Have: have, Ready: ready, Updated: have, Right: want == ready && have == want}
}

func held(w state.Workload, by, reason string) state.Workload {
	w.Hold = &state.Hold{Kind: "dependency", For: by, Reason: reason, Since: before(45).Time}
	return w
}

func facts(pods []*corev1.Pod, workloads ...state.Workload) Facts {
	return Facts{Now: now, Snapshot: &state.Status{
		Project: "shop", Phase: state.Starting, Workloads: workloads, Pods: pods, Time: now,
	}}
}

func unhealthy(name, container, message string, count int) state.Event {
	return state.Event{
		Seq: 7, Kind: "Pod", Name: name, Container: container, Type: "Warning", Reason: "Unhealthy", Message: message,
		Count: count, First: before(50).Time, Last: before(2).Time,
	}
}
