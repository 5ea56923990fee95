package pod

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/supervisor/probe"
)

// StatusInput is the input of Status.
type StatusInput struct {
	// Pod has the previous status, from which started, ready, start time and conditions are kept.
	Pod      *corev1.Pod
	Observed Observed
	// Waits say why containers could not be started at the last attempt, by container name.
	Waits map[string]WaitError
	// Ended is true if nothing of the pod is running and nothing will be started: the phase is final (R100).
	Ended bool
	// Reason and Message are the pod's own (DeadlineExceeded), "" for none. With a reason an ended pod is Failed.
	Reason, Message string
}

// Status returns the pod's status except for started and ready, which the probes set, and the conditions, which depend on these
// (see Conditions). It is pure. A final phase is reported only once the pod has ended.
func Status(in StatusInput) corev1.PodStatus {
	old := &in.Pod.Status
	v := viewOf(Input{Pod: in.Pod, Observed: in.Observed})
	s := corev1.PodStatus{
		HostIP: old.HostIP, HostIPs: old.HostIPs, StartTime: old.StartTime, QOSClass: old.QOSClass,
		Reason: in.Reason, Message: in.Message,
	}
	for _, c := range old.Conditions {
		s.Conditions = append(s.Conditions, *c.DeepCopy())
	}
	s.PodIP, s.PodIPs = old.PodIP, old.PodIPs
	if sb := in.Observed.Sandbox; sb != nil && sb.IP != "" {
		s.PodIP, s.PodIPs = sb.IP, []corev1.PodIP{{IP: sb.IP}}
	}
	behind := v.anyMainMade()
	for i := range in.Pod.Spec.InitContainers {
		c := &in.Pod.Spec.InitContainers[i]
		status := v.container(&in, c)
		if v.newest[c.Name] == nil && status.State.Terminated == nil && behind && !probe.IsSidecar(c) {
			status.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed", Message: messageInitGone}}
		}
		s.InitContainerStatuses = append(s.InitContainerStatuses, status)
	}
	for i := range in.Pod.Spec.Containers {
		s.ContainerStatuses = append(s.ContainerStatuses, v.container(&in, &in.Pod.Spec.Containers[i]))
	}
	s.Phase = v.phase(&in, &s)
	v.notePaused(&s)
	return s
}

// messageInitGone is the kubelet's word for an init container that somebody has removed (docker container prune) after it
// had done its work.
const messageInitGone = "Unable to get init container status from container runtime and pod has been initialized, treat it as exited normally"

// container is the status of one container.
func (v *view) container(in *StatusInput, c *corev1.Container) corev1.ContainerStatus {
	inst := v.newest[c.Name]
	s := corev1.ContainerStatus{Name: c.Name, Image: c.Image}
	if inst == nil {
		v.absent(in, &s)
	} else {
		s.Image, s.ImageID, s.ContainerID = inst.Image, inst.ImageID, inst.ID
		s.RestartCount = int32(v.attempt(inst))
		s.State = v.state(inst)
		v.carryOver(&in.Pod.Status, &s)
	}
	if last := v.before(inst); last != nil {
		s.LastTerminationState.Terminated = terminated(last)
	}
	if w, ok := in.Waits[c.Name]; ok && shouldRestart(in.Pod, c, inst) {
		wait(&s, w, in.Ended)
	}
	return s
}

// wait shows a container that would be started as waiting. Once the pod has ended nothing is started any more: one that ran
// is then shown as the kubelet shows it, with its own end as the last state.
func wait(s *corev1.ContainerStatus, w WaitError, ended bool) {
	ran := s.State.Terminated != nil
	if ran {
		s.LastTerminationState = s.State
	}
	switch {
	case !ended:
		s.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: w.Reason, Message: w.Message}}
	case ran:
		s.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			Reason: reasonStatusUnknown, Message: messageNotLocated, ExitCode: exitStatusUnknown,
		}}
	}
}

// absent is the status of a container that has no instance: not yet, or not any more. One that had ended is still shown so,
// as the init containers of a sandbox that was replaced; one that ran counts as ended in a way that nobody saw.
func (v *view) absent(in *StatusInput, s *corev1.ContainerStatus) {
	s.State.Waiting = v.initialWait()
	old := statusOf(&in.Pod.Status, s.Name)
	if old == nil {
		return
	}
	s.RestartCount, s.LastTerminationState = old.RestartCount, old.LastTerminationState
	switch {
	case old.State.Terminated != nil:
		*s = *old.DeepCopy()
	case old.State.Running != nil && s.LastTerminationState.Terminated == nil:
		s.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{
			Reason: reasonStatusUnknown, Message: messageStatusUnknown, ExitCode: exitStatusUnknown,
		}
	}
}

// statusOf finds a container's status, init containers included; nil if there is none.
func statusOf(s *corev1.PodStatus, name string) *corev1.ContainerStatus {
	for _, list := range [][]corev1.ContainerStatus{s.ContainerStatuses, s.InitContainerStatuses} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	return nil
}

// before is the newest dead instance other than inst.
func (v *view) before(inst *Instance) *Instance {
	var out *Instance
	for i := range v.Observed.Instances {
		d := &v.Observed.Instances[i]
		if d.State == Exited && d != inst && inst != nil && d.Container == inst.Container && newer(d, out) {
			out = d
		}
	}
	return out
}

func (v *view) initialWait() *corev1.ContainerStateWaiting {
	if len(v.spec.InitContainers) > 0 {
		return &corev1.ContainerStateWaiting{Reason: ReasonPodInitializing}
	}
	return &corev1.ContainerStateWaiting{Reason: ReasonContainerCreating}
}

func (v *view) state(inst *Instance) corev1.ContainerState {
	switch inst.State {
	case Running:
		return corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: seconds(inst.Started)}}
	case Exited:
		return corev1.ContainerState{Terminated: terminated(inst)}
	default:
		return corev1.ContainerState{Waiting: v.initialWait()}
	}
}

// carryOver keeps what only the former status knows: started and ready of the same instance, until the probes say
// otherwise, and the last state once the instance that it tells of has been removed.
func (v *view) carryOver(old *corev1.PodStatus, s *corev1.ContainerStatus) {
	o := statusOf(old, s.Name)
	if o == nil {
		return
	}
	last := o.LastTerminationState.Terminated
	switch {
	case o.ContainerID == s.ContainerID:
		s.Started, s.Ready = o.Started, o.Ready
	case o.State.Terminated != nil:
		last = o.State.Terminated
	}
	if last != nil && last.ContainerID != s.ContainerID { // its own end was its last state while it waited to be restarted
		s.LastTerminationState.Terminated = last.DeepCopy()
	}
}

// terminated is the terminated state of an ended instance.
func terminated(i *Instance) *corev1.ContainerStateTerminated {
	reason := i.Reason
	switch {
	case reason != "":
	case i.ExitCode == 0:
		reason = "Completed"
	default:
		reason = "Error"
	}
	return &corev1.ContainerStateTerminated{
		ExitCode: i.ExitCode, Reason: reason, Message: i.Message, ContainerID: i.ID,
		StartedAt: seconds(i.Started), FinishedAt: seconds(i.Finished),
	}
}

// seconds cuts a time to whole seconds, as it would come back from an API server (R4).
func seconds(t time.Time) metav1.Time {
	if t.IsZero() {
		return metav1.Time{}
	}
	return metav1.NewTime(t.Truncate(time.Second))
}

// phase is R74, with final phases held back until the pod has ended.
func (v *view) phase(in *StatusInput, s *corev1.PodStatus) corev1.PodPhase {
	old := in.Pod.Status.Phase
	if Final(old) {
		return old
	}
	if in.Ended && in.Reason != "" {
		return corev1.PodFailed
	}
	p := Phase(in.Pod, s, v.anyMainMade(), in.Ended)
	if Final(p) && !in.Ended {
		if old == "" {
			return corev1.PodPending
		}
		return old
	}
	return p
}

// Final reports whether a phase is Succeeded or Failed.
func Final(p corev1.PodPhase) bool { return p == corev1.PodSucceeded || p == corev1.PodFailed }

// isSidecarOf says whether the status belongs to a sidecar of the pod.
func isSidecarOf(spec *corev1.PodSpec, name string) bool {
	c, init := findContainer(spec, name)
	return init && probe.IsSidecar(c)
}
