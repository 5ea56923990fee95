package pod_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/supervisor/pod"
)

func seconds(n int) metav1.Time { return metav1.NewTime(at(n)) }

func TestPhaseR74R100R116(t *testing.T) {
	const onFailure = "restartPolicy: OnFailure\n"
	withSidecar := "initContainers: [{name: s, restartPolicy: Always}]\n" + plain
	tests := []struct {
		name, spec string
		observed   pod.Observed
		waits      []string
		ended      bool
		reason     string
		was, want  corev1.PodPhase
	}{
		{name: "nothing yet", spec: plain, observed: seen(t, -1), want: corev1.PodPending},
		{name: "init runs", spec: inits, observed: seen(t, 0, "i-0 running"), want: corev1.PodPending},
		{name: "init failed and will be retried", spec: inits, observed: seen(t, 0, "i-0 exited 1"), want: corev1.PodPending},
		{name: "one of two never ran", spec: two, observed: seen(t, 0, "a-0 running"), want: corev1.PodPending},
		{name: "running", spec: two, observed: seen(t, 0, "a-0 running", "b-0 running"), want: corev1.PodRunning},
		{name: "its init container was pruned", spec: inits, observed: seen(t, 0, "app-0 running"), want: corev1.PodRunning},
		{name: "its init container was pruned before it was over", spec: inits, observed: seen(t, 0), want: corev1.PodPending},
		{name: "in back-off", spec: plain, observed: seen(t, 0, "app-0 exited 1"), waits: []string{"app"}, was: corev1.PodRunning, want: corev1.PodRunning},
		{name: "OnFailure, will be restarted", spec: onFailure + plain, observed: seen(t, 0, "app-0 exited 1"), was: corev1.PodRunning, want: corev1.PodRunning},
		{name: "done, but not ended", spec: never + plain, observed: seen(t, 0, "app-0 exited 0"), was: corev1.PodRunning, want: corev1.PodRunning},
		{name: "succeeded", spec: never + plain, observed: seen(t, 0, "app-0 exited 0"), ended: true, want: corev1.PodSucceeded},
		{name: "failed", spec: never + two, observed: seen(t, 0, "a-0 exited 0", "b-0 exited 3"), ended: true, want: corev1.PodFailed},
		{name: "init failed for good", spec: "{restartPolicy: Never, initContainers: [{name: i}], containers: [{name: app}]}", observed: seen(t, 0, "i-0 exited 1"), ended: true, want: corev1.PodFailed},
		{name: "deleted under Always, by exit code", spec: plain, observed: seen(t, 0, "app-0 exited 0"), ended: true, want: corev1.PodSucceeded},
		{name: "deleted before it ran", spec: plain, observed: seen(t, 0), ended: true, want: corev1.PodFailed},
		{name: "a sidecar's exit code does not count", spec: never + withSidecar, observed: seen(t, 0, "s-0 exited 9", "app-0 exited 0"), ended: true, want: corev1.PodSucceeded},
		{name: "a sidecar restarts, the pod stays", spec: withSidecar, observed: seen(t, 0, "s-1 running", "app-0 running"), want: corev1.PodRunning},
		{name: "R105 deadline", spec: plain, observed: seen(t, 0, "app-0 exited 0"), ended: true, reason: pod.ReasonDeadlineExceeded, want: corev1.PodFailed},
		{name: "final phases never change", spec: plain, observed: seen(t, 0, "app-0 running"), was: corev1.PodFailed, want: corev1.PodFailed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := podOf(t, tt.spec)
			p.Status.Phase = tt.was
			waits := map[string]pod.WaitError{}
			for _, c := range tt.waits {
				waits[c] = pod.WaitError{Reason: pod.ReasonCrashLoopBackOff}
			}
			s := pod.Status(pod.StatusInput{Pod: p, Observed: tt.observed, Waits: waits, Ended: tt.ended, Reason: tt.reason})
			if s.Phase != tt.want {
				t.Fatalf("phase %s, want %s", s.Phase, tt.want)
			}
		})
	}
}

// TestARemovedInstanceStillCountsR70: somebody removes the newest instance of a container while an older one is left.
func TestARemovedInstanceStillCountsR70(t *testing.T) {
	p := podOf(t, plain)
	p.Status = pod.Status(pod.StatusInput{Pod: p, Observed: seen(t, 0, "app-0 exited 1", "app-1 running")})
	left := seen(t, 0, "app-0 exited 1")
	if n := pod.Status(pod.StatusInput{Pod: p, Observed: left}).ContainerStatuses[0].RestartCount; n != 1 {
		t.Errorf("%d restarts are counted, want 1", n)
	}
	a := pod.Compute(pod.Input{Pod: p, Observed: left})
	if len(a.Start) != 1 || a.Start[0].Attempt != 2 {
		t.Errorf("the next instance is %+v, want app-2", a.Start)
	}
}

func TestContainerStatusR61R79R162(t *testing.T) {
	p := podOf(t, plain)
	o := seen(t, 0, "app-0 exited 1", "app-1 exited 3")
	o.Instances[1].Started, o.Instances[1].Message = at(1).Add(700*time.Millisecond), "boom"
	wait := map[string]pod.WaitError{"app": {Reason: pod.ReasonCrashLoopBackOff, Message: "back-off 10s"}}

	s := pod.Status(pod.StatusInput{Pod: p, Observed: o}).ContainerStatuses[0]
	if s.RestartCount != 1 || s.State.Terminated == nil || s.State.Terminated.ExitCode != 3 || s.LastTerminationState.Terminated.ExitCode != 1 {
		t.Fatalf("without a reason to wait: %+v", s)
	}
	if got := s.State.Terminated.StartedAt.Time; !got.Equal(at(1)) {
		t.Fatalf("R4: started at %v", got)
	}
	s = pod.Status(pod.StatusInput{Pod: p, Observed: o, Waits: wait}).ContainerStatuses[0]
	want := corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off 10s"}
	if d := cmp.Diff(&want, s.State.Waiting); d != "" || s.LastTerminationState.Terminated.Message != "boom" {
		t.Fatalf("in back-off: %s %+v", d, s.LastTerminationState)
	}
	s = pod.Status(pod.StatusInput{Pod: p, Observed: o, Waits: wait, Ended: true}).ContainerStatuses[0]
	if s.State.Terminated == nil || s.State.Terminated.Reason != "ContainerStatusUnknown" || s.LastTerminationState.Terminated.ExitCode != 3 {
		t.Fatalf("ended while it waited: %+v", s)
	}
	p.DeletionTimestamp = &metav1.Time{Time: at(5)}
	s = pod.Status(pod.StatusInput{Pod: p, Observed: o, Waits: wait, Ended: true}).ContainerStatuses[0]
	if s.State.Terminated == nil || s.State.Terminated.ExitCode != 3 || s.LastTerminationState.Terminated.ExitCode != 1 {
		t.Fatalf("deleted while it waited: %+v", s)
	}
	p = podOf(t, inits)
	if s = pod.Status(pod.StatusInput{Pod: p, Observed: seen(t, -1)}).ContainerStatuses[0]; s.State.Waiting.Reason != "PodInitializing" {
		t.Fatalf("R61: %+v", s.State)
	}
}

// TestTheLastStateOutlivesItsInstance: an instance whose end is the last state may have been removed meanwhile.
func TestTheLastStateOutlivesItsInstance(t *testing.T) {
	end := func(id string, code int32) corev1.ContainerState {
		return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ContainerID: id, ExitCode: code}}
	}
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	waiting := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{}}
	for _, c := range []struct {
		name     string
		old      corev1.ContainerStatus
		observed string
		want     int32
	}{
		{"purged with its sandbox", corev1.ContainerStatus{ContainerID: "app-0", State: end("app-0", 7)}, "app-1 running", 7},
		{"since then", corev1.ContainerStatus{ContainerID: "app-1", State: running, LastTerminationState: end("app-0", 7)}, "app-1 running", 7},
		{"and at its end", corev1.ContainerStatus{ContainerID: "app-1", State: running, LastTerminationState: end("app-0", 7)}, "app-1 exited 0", 7},
		{"another one later", corev1.ContainerStatus{ContainerID: "app-1", State: end("app-1", 8), LastTerminationState: end("app-0", 7)}, "app-2 running", 8},
		{"waited after its end", corev1.ContainerStatus{ContainerID: "app-1", State: waiting, LastTerminationState: end("app-1", 8)}, "app-2 running", 8},
		{"its own end is not its last state", corev1.ContainerStatus{ContainerID: "app-1", State: waiting, LastTerminationState: end("app-1", 8)}, "app-1 exited 8", -1},
	} {
		p := podOf(t, plain)
		c.old.Name = "app"
		p.Status.ContainerStatuses = []corev1.ContainerStatus{c.old}
		got := int32(-1)
		if last := pod.Status(pod.StatusInput{Pod: p, Observed: seen(t, 0, c.observed)}).ContainerStatuses[0].LastTerminationState.Terminated; last != nil {
			got = last.ExitCode
		}
		if got != c.want {
			t.Errorf("%s: last exit code %d, want %d", c.name, got, c.want)
		}
	}
}

func TestStartedAndReadyAreCarriedOverForTheSameInstanceOnly(t *testing.T) {
	p := podOf(t, plain)
	yes := true
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "app", ContainerID: "app-0", Started: &yes, Ready: true}}
	if s := pod.Status(pod.StatusInput{Pod: p, Observed: seen(t, 0, "app-0 running")}).ContainerStatuses[0]; !s.Ready || s.Started == nil {
		t.Fatalf("same instance: %+v", s)
	}
	if s := pod.Status(pod.StatusInput{Pod: p, Observed: seen(t, 0, "app-1 running")}).ContainerStatuses[0]; s.Ready {
		t.Fatalf("another instance: %+v", s)
	}
}

func TestConditionsR114R118R120(t *testing.T) {
	yes := true
	p := podOf(t, "{initContainers: [{name: s, restartPolicy: Always}, {name: i}], containers: [{name: app}], readinessGates: [{conditionType: x/y}]}")
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	done := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}
	s := &corev1.PodStatus{
		Phase: corev1.PodPending,
		InitContainerStatuses: []corev1.ContainerStatus{
			{Name: "s", State: running}, {Name: "i", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{}}},
		},
		ContainerStatuses: []corev1.ContainerStatus{{Name: "app"}},
	}
	check := func(what string, kind corev1.PodConditionType, status corev1.ConditionStatus, reason, message string) {
		t.Helper()
		c := pod.FindCondition(s, kind)
		if c == nil || c.Status != status || c.Reason != reason || c.Message != message {
			t.Fatalf("%s: %+v", what, c)
		}
	}
	pod.Conditions(p, s, true, seconds(1))
	check("R118", corev1.PodInitialized, "False", "ContainersNotInitialized", "containers with incomplete status: [s i]")
	check("R114 sidecars count", corev1.PodReady, "False", "ContainersNotReady", "containers with unready status: [s app]")

	s.Phase = corev1.PodRunning
	s.InitContainerStatuses[0].Started, s.InitContainerStatuses[0].Ready = &yes, true
	s.InitContainerStatuses[1].State = done
	s.ContainerStatuses[0].State, s.ContainerStatuses[0].Ready = running, true
	pod.Conditions(p, s, true, seconds(2))
	check("R118 done", corev1.PodInitialized, "True", "", "")
	check("R120 containers", corev1.ContainersReady, "True", "", "")
	check("R120 gate missing", corev1.PodReady, "False", "ReadinessGatesNotReady", `corresponding condition of pod readiness gate "x/y" does not exist.`)

	pod.SetCondition(s, corev1.PodCondition{Type: "x/y", Status: corev1.ConditionTrue}, seconds(3))
	pod.Conditions(p, s, true, seconds(3))
	check("R120 gate open", corev1.PodReady, "True", "", "")
	pod.Conditions(p, s, true, seconds(9))
	if c := pod.FindCondition(s, corev1.PodReady); !c.LastTransitionTime.Equal(&metav1.Time{Time: at(3)}) {
		t.Fatalf("transition time moved without a transition: %v", c.LastTransitionTime)
	}
	s.InitContainerStatuses[0].State, s.InitContainerStatuses[1].State = done, running
	s.InitContainerStatuses[0].Started = nil
	s.ContainerStatuses[0].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 137}}
	pod.Conditions(p, s, true, seconds(9))
	check("R118 stays while it begins anew", corev1.PodInitialized, "True", "", "")

	s.Reason = pod.ReasonDeadlineExceeded
	pod.Conditions(p, s, true, seconds(9))
	check("R105 at once", corev1.PodReady, "False", "PodFailed", "")
	s.Reason = ""

	s.Phase = corev1.PodSucceeded
	pod.Conditions(p, s, false, seconds(10))
	check("R120 ended", corev1.PodReady, "False", "PodCompleted", "")
}
