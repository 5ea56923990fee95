package pod

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/probe"
)

// Phase is the pod's phase by its container statuses (R74). initialized says that an ordinary container was made in the
// present sandbox: sidecars that start again do not make such a pod Pending. ended says that nothing will be started any
// more, so that exit codes alone decide between Succeeded and Failed, whatever the restart policy (R100).
func Phase(pod *corev1.Pod, s *corev1.PodStatus, initialized, ended bool) corev1.PodPhase {
	t := countStates(pod, s)
	switch {
	case t.initGivenUp > 0, t.initFailed > 0 && ended:
		return corev1.PodFailed
	case ended:
		return t.endPhase(pod)
	case t.initPending > 0, t.sidecarWaiting > 0, t.sidecarPending > 0 && !initialized, t.waiting > 0:
		return corev1.PodPending
	case t.running > 0 || t.sidecarRunning > 0 || t.restarting > 0:
		return corev1.PodRunning
	case t.stopped == 0:
		return corev1.PodPending
	case t.stopped == t.succeeded:
		return corev1.PodSucceeded
	}
	return corev1.PodFailed
}

// tally counts containers by what their statuses say.
type tally struct {
	// initPending are plain init containers that have not ended, initFailed those that ended badly, initGivenUp those of
	// them that are not tried again.
	initPending, initFailed, initGivenUp int
	// sidecarWaiting are sidecars that never ran, sidecarPending those and the ones that run and are not started,
	// sidecarRunning those that run.
	sidecarWaiting, sidecarPending, sidecarRunning int
	// Of the ordinary containers: waiting are those that never ran, stopped those that have ended (or wait after a run);
	// of these succeeded ended with 0 and restarting will be started again.
	running, waiting, stopped, succeeded, restarting int
}

func countStates(pod *corev1.Pod, s *corev1.PodStatus) tally {
	var t tally
	for i := range s.InitContainerStatuses {
		c := &s.InitContainerStatuses[i]
		if isSidecarOf(&pod.Spec, c.Name) {
			t.sidecar(c)
		} else {
			t.init(pod, c)
		}
	}
	for i := range s.ContainerStatuses {
		c, _ := findContainer(&pod.Spec, s.ContainerStatuses[i].Name)
		if c != nil {
			t.main(pod, c, &s.ContainerStatuses[i])
		}
	}
	return t
}

func (t *tally) init(pod *corev1.Pod, s *corev1.ContainerStatus) {
	end := endOf(s)
	switch {
	case end == nil:
		t.initPending++
	case end.ExitCode != 0:
		t.initFailed++
		if c, _ := findContainer(&pod.Spec, s.Name); c != nil && !probe.RestartsAfter(c, pod.Spec.RestartPolicy, end.ExitCode) {
			t.initGivenUp++
		}
	}
}

func (t *tally) sidecar(s *corev1.ContainerStatus) {
	switch {
	case s.State.Running != nil:
		t.sidecarRunning++
		if s.Started == nil || !*s.Started {
			t.sidecarPending++
		}
	case endOf(s) == nil:
		t.sidecarWaiting++
		t.sidecarPending++
	}
}

func (t *tally) main(pod *corev1.Pod, c *corev1.Container, s *corev1.ContainerStatus) {
	end := endOf(s)
	switch {
	case s.State.Running != nil:
		t.running++
		return
	case end == nil:
		t.waiting++
		return
	}
	t.stopped++
	if s.State.Terminated != nil && end.ExitCode == 0 {
		t.succeeded++
	}
	if probe.RestartsAfter(c, pod.Spec.RestartPolicy, end.ExitCode) {
		t.restarting++
	}
}

// endOf is how a container that does not run ended last, nil if it never ran.
func endOf(s *corev1.ContainerStatus) *corev1.ContainerStateTerminated {
	switch {
	case s.State.Running != nil:
		return nil
	case s.State.Terminated != nil:
		return s.State.Terminated
	}
	return s.LastTerminationState.Terminated
}

// endPhase is the phase of a pod that has ended: Succeeded only if every ordinary container ran and ended with 0.
func (t *tally) endPhase(pod *corev1.Pod) corev1.PodPhase {
	if t.succeeded == len(pod.Spec.Containers) {
		return corev1.PodSucceeded
	}
	return corev1.PodFailed
}
