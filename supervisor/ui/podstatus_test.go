package ui

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
)

// The containers' states that the table is made of.
var (
	runs     = corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	done     = ended(0, "Completed")
	creating = waits("ContainerCreating")
	always   = corev1.ContainerRestartPolicyAlways
)

func waits(reason string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}
}

func ended(code int32, reason string) corev1.ContainerState {
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason}}
}

// of makes the statuses of containers; those that run are ready.
func of(states ...corev1.ContainerState) []corev1.ContainerStatus {
	var out []corev1.ContainerStatus
	for _, s := range states {
		up := s.Running != nil
		out = append(out, corev1.ContainerStatus{State: s, Ready: up, Started: &up})
	}
	return out
}

func TestPodStatusAsKubectl(t *testing.T) {
	now := metav1.Now()
	signalled := ended(137, "")
	signalled.Terminated.Signal = 9
	for _, tc := range []struct {
		name string
		// inits are the init containers, "s" for a sidecar; the rest of the pod is in status.
		inits   string
		init    []corev1.ContainerStatus
		states  []corev1.ContainerStatus
		phase   corev1.PodPhase
		reason  string
		true_   []corev1.PodConditionType
		deleted bool
		want    string
	}{
		{name: "nothing known", want: "Pending"},
		{name: "pending", phase: "Pending", want: "Pending"},
		{name: "creating", phase: "Pending", states: of(creating), want: "ContainerCreating"},
		{name: "running", phase: "Running", states: of(runs), want: "Running"},
		{name: "image missing", phase: "Pending", states: of(waits("ErrImagePull")), want: "ErrImagePull"},
		{name: "crashing", phase: "Running", states: of(waits("CrashLoopBackOff")), want: "CrashLoopBackOff"},
		{name: "the first container's word counts", phase: "Running", states: of(waits("CrashLoopBackOff"), ended(1, "Error")), want: "CrashLoopBackOff"},
		{name: "ended", phase: "Succeeded", states: of(done), want: "Completed"},
		{name: "failed", phase: "Failed", states: of(ended(1, "Error")), want: "Error"},
		{name: "out of memory", phase: "Running", states: of(ended(137, "OOMKilled")), want: "OOMKilled"},
		{name: "without a reason: code", phase: "Failed", states: of(ended(3, "")), want: "ExitCode:3"},
		{name: "without a reason: signal", phase: "Failed", states: of(signalled), want: "Signal:9"},
		{name: "evicted", phase: "Failed", reason: "Evicted", want: "Evicted"},
		{name: "one ended, one runs", phase: "Running", states: of(done, runs), true_: []corev1.PodConditionType{corev1.PodReady}, want: "Running"},
		{name: "one ended, one runs, not ready", phase: "Running", states: of(done, runs), want: "NotReady"},
		{name: "first init", phase: "Pending", inits: "ii", init: of(runs, waits("PodInitializing")), states: of(waits("PodInitializing")), want: "Init:0/2"},
		{name: "second init", phase: "Pending", inits: "ii", init: of(done, runs), states: of(waits("PodInitializing")), want: "Init:1/2"},
		{name: "second init waits", phase: "Pending", inits: "ii", init: of(done, waits("PodInitializing")), want: "Init:1/2"},
		{name: "init failed", phase: "Pending", inits: "i", init: of(ended(1, "Error")), want: "Init:Error"},
		{name: "init failed without a reason", phase: "Pending", inits: "i", init: of(ended(4, "")), want: "Init:ExitCode:4"},
		{name: "init crashing", phase: "Pending", inits: "i", init: of(waits("CrashLoopBackOff")), want: "Init:CrashLoopBackOff"},
		{name: "inits done", phase: "Pending", inits: "i", init: of(done), states: of(waits("PodInitializing")), want: "PodInitializing"},
		{name: "sidecar up, init next", phase: "Pending", inits: "si", init: of(runs, runs), want: "Init:1/2"},
		{name: "sidecar up, running", phase: "Running", inits: "s", init: of(runs), states: of(runs), want: "Running"},
		{
			name: "sidecar crashes later", phase: "Running", inits: "s", init: of(waits("CrashLoopBackOff")), states: of(runs),
			true_: []corev1.PodConditionType{corev1.PodInitialized}, want: "Running",
		},
		{name: "a container is paused", phase: "Running", states: of(runs), true_: []corev1.PodConditionType{services.Paused}, want: "Paused"},
		{name: "one is paused, one crashes", phase: "Running", states: of(waits("CrashLoopBackOff"), runs), true_: []corev1.PodConditionType{services.Paused}, want: "CrashLoopBackOff"},
		{name: "going", phase: "Running", states: of(runs), deleted: true, want: "Terminating"},
		{name: "going, but ended", phase: "Succeeded", states: of(done), deleted: true, want: "Completed"},
	} {
		p := &corev1.Pod{Status: corev1.PodStatus{Phase: tc.phase, Reason: tc.reason, InitContainerStatuses: tc.init, ContainerStatuses: tc.states}}
		for _, kind := range tc.inits {
			c := corev1.Container{}
			if kind == 's' {
				c.RestartPolicy = &always
			}
			p.Spec.InitContainers = append(p.Spec.InitContainers, c)
		}
		for _, c := range tc.true_ {
			p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: c, Status: corev1.ConditionTrue})
		}
		if tc.deleted {
			p.DeletionTimestamp = &now
		}
		if got := PodStatus(p); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

func TestReadyContainersAndRestarts(t *testing.T) {
	p := &corev1.Pod{
		Spec: corev1.PodSpec{
			InitContainers: []corev1.Container{{Name: "i"}, {Name: "s", RestartPolicy: &always}},
			Containers:     []corev1.Container{{Name: "a"}, {Name: "b"}},
		},
		Status: corev1.PodStatus{InitContainerStatuses: of(done, runs), ContainerStatuses: of(runs, creating)},
	}
	p.Status.ContainerStatuses[0].RestartCount = 2
	p.Status.InitContainerStatuses[1].RestartCount = 1
	if got := ReadyContainers(p); got != "2/3" {
		t.Errorf("ready %s", got)
	}
	if got := Restarts(p); got != 3 {
		t.Errorf("restarts %d", got)
	}
	if got := ReadyContainers(&corev1.Pod{}); got != "0/0" {
		t.Errorf("of nothing: %s", got)
	}
	if Ready(p) != "no" {
		t.Error("ready without the condition")
	}
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	if Ready(p) != "yes" {
		t.Error("not ready with the condition")
	}
}

func TestAge(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var got []string
	for _, d := range []string{
		"-5s", "0s", "1.9s", "119s", "120s", "190s", "600s", "179m59s", "3h", "7h59m", "8h", "47h59m", "48h", "50h", "191h", "192h", "20000h",
	} {
		span, err := time.ParseDuration(d)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, Age(now.Add(-span), now))
	}
	want := "0s 0s 1s 119s 2m 3m10s 10m 179m 3h 7h59m 8h 47h 2d 2d2h 7d23h 8d 2y103d"
	if g := strings.Join(got, " "); g != want {
		t.Errorf("got  %s\nwant %s", g, want)
	}
	if got := Age(time.Time{}, now); got != "-" {
		t.Errorf("since never: %s", got)
	}
}

// TestUnhealthy: ps says what the engine's health check says.
func TestUnhealthy(t *testing.T) {
	p := &corev1.Pod{}
	p.Status.Phase, p.Status.ContainerStatuses = corev1.PodRunning, of(runs)
	p.Status.Conditions = []corev1.PodCondition{{Type: services.HealthCheck, Status: corev1.ConditionFalse, Reason: services.HealthUnhealthy}}
	if got := PodStatus(p); got != "Unhealthy" {
		t.Errorf("the status is %s", got)
	}
}

// TestStopped: a container that was stopped shows as stopped, whatever its exit code.
func TestStopped(t *testing.T) {
	for want, states := range map[string][]corev1.ContainerStatus{
		"Stopped (0)": of(done), "Stopped (137)": of(ended(137, "Error")), "Stopped": of(waits(services.ReasonStopped)),
	} {
		p := &corev1.Pod{}
		p.Status.Phase, p.Status.Reason, p.Status.ContainerStatuses = corev1.PodFailed, services.ReasonStopped, states
		if got := PodStatus(p); got != want {
			t.Errorf("the status is %s, want %s", got, want)
		}
	}
}
