package composepod

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod"
	"github.com/lyandev/lyandev/supervisor/probe"
)

// Input is what a status is computed from.
type Input struct {
	Pod  *corev1.Pod
	Want *compose.Container
	// Container is the pod's container, nil if there is none.
	Container *engine.Container
	// Waiting is why there is no running container, nil if that is not known.
	Waiting *pod.WaitError
	// Stopped: the container was told to stop. Unready: its post_start hooks have not ended. Starts is the number of starts
	// made by lyandev after the first.
	Stopped, Unready bool
	// HookFailed is the error of a post_start hook, "" if none failed.
	HookFailed string
	// Refused is why a pre_start hook prevents the start, "" if none does.
	Refused string
	// Last is the last end of the container that is known, nil if none is.
	Last   *end
	Starts int32
	// Pause is the pause of the pod's probes.
	Pause pod.Pause
	Now   time.Time
}

// Status computes the status of a plain service's pod. Ready is what Docker's health check says, or, without one, that the
// container runs.
func Status(in Input) corev1.PodStatus {
	s := *in.Pod.Status.DeepCopy()
	name := in.Pod.Spec.Containers[0].Name
	cs := corev1.ContainerStatus{Name: name, Image: in.Pod.Spec.Containers[0].Image}
	if len(s.ContainerStatuses) == 1 {
		cs.LastTerminationState = s.ContainerStatuses[0].LastTerminationState
		cs.RestartCount = s.ContainerStatuses[0].RestartCount
	}
	ready, why := false, ""
	s.Reason, s.Message = "", ""
	switch c := in.Container; {
	case c == nil && in.Waiting == nil && pod.Final(s.Phase):
		s.Reason = in.Pod.Status.Reason
		return s // removed by somebody after it ended
	case c == nil:
		s.Phase, s.PodIP, s.PodIPs = corev1.PodPending, "", nil
		cs.State.Waiting = waiting(in.Waiting)
	default:
		ready, why = in.observed(&s, &cs)
	}
	s.ContainerStatuses = []corev1.ContainerStatus{cs}
	in.conditions(&s, ready, why)
	return s
}

func waiting(w *pod.WaitError) *corev1.ContainerStateWaiting {
	if w == nil {
		return &corev1.ContainerStateWaiting{Reason: pod.ReasonContainerCreating}
	}
	return &corev1.ContainerStateWaiting{Reason: w.Reason, Message: w.Message}
}

// observed fills in what the engine says about the container.
func (in *Input) observed(s *corev1.PodStatus, cs *corev1.ContainerStatus) (ready bool, why string) {
	c := in.Container
	cs.ContainerID, cs.ImageID = "docker://"+c.ID, c.ImageID
	cs.RestartCount = in.Starts + int32(c.RestartCount)
	if s.StartTime == nil {
		s.StartTime = new(metav1.NewTime(c.Created))
	}
	if addrs := in.addresses(); len(addrs) > 0 {
		s.PodIPs, s.PodIP = addrs, addrs[0].IP
	} else if c.State != engine.StateRestarting {
		s.PodIPs, s.PodIP = nil, ""
	}
	running := c.State == engine.StateRunning || c.State == engine.StatePaused
	cs.Started = &running
	ended := &corev1.ContainerStateTerminated{
		ExitCode: int32(c.ExitCode), Reason: endReason(c), Message: c.Error, StartedAt: metav1.NewTime(c.Started),
		FinishedAt: metav1.NewTime(c.Exited), ContainerID: cs.ContainerID,
	}
	switch c.State {
	case engine.StateRunning, engine.StatePaused:
		s.Phase = corev1.PodRunning
		cs.State.Running = &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(c.Started)}
		if cs.RestartCount > 0 && !c.Exited.IsZero() {
			cs.LastTerminationState.Terminated = in.lastEnd(ended, cs.LastTerminationState.Terminated)
		}
		ready, why = in.healthy()
		cs.Ready = ready
		if in.HookFailed != "" {
			s.Reason, s.Message = services.ReasonPostStart, in.HookFailed
		}
	case engine.StateRestarting:
		s.Phase = corev1.PodRunning
		cs.State.Waiting = &corev1.ContainerStateWaiting{
			Reason: pod.ReasonCrashLoopBackOff, Message: fmt.Sprintf("exited with %d; Docker restarts it", c.ExitCode),
		}
		cs.LastTerminationState.Terminated = ended
		why = fmt.Sprintf("container %s exited with %d and is being restarted", cs.Name, c.ExitCode)
	case engine.StateCreated:
		s.Phase = corev1.PodPending
		cs.State.Waiting = waiting(in.Waiting)
	default:
		s.Phase = corev1.PodFailed
		if c.ExitCode == 0 {
			s.Phase = corev1.PodSucceeded
		}
		if in.Stopped {
			s.Reason, s.Message = services.ReasonStopped, "the container was stopped"
		}
		cs.State.Terminated = ended
		why = fmt.Sprintf("container %s exited with %d", cs.Name, c.ExitCode)
	}
	if in.Waiting != nil && (in.Waiting.Reason == pod.ReasonContainerCreating || in.Waiting.Reason == pod.ReasonHeld) && !runs(c) { // it is about to be started
		s.Phase, s.Reason, s.Message, cs.State = corev1.PodPending, "", "", corev1.ContainerState{Waiting: waiting(in.Waiting)}
	}
	if in.Refused != "" && !runs(c) {
		s.Phase, s.Reason, s.Message, why = corev1.PodFailed, ReasonPreStart, in.Refused, in.Refused
		cs.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: ReasonPreStart, Message: in.Refused}}
	}
	return ready, why
}

// lastEnd is how a container that runs again ended, of which the engine knows only the time. before is what was known of its last end.
func (in *Input) lastEnd(t, before *corev1.ContainerStateTerminated) *corev1.ContainerStateTerminated {
	last := in.Last
	if last == nil || last.id != in.Container.ID {
		if before != nil {
			return before
		}
		return t
	}
	t.ExitCode, t.Reason = int32(last.code), "Completed"
	if last.code != 0 {
		t.Reason = "Error"
	}
	if last.why != "" {
		t.Reason, t.Message = services.ReasonRestarted, "it "+last.why
	}
	in.startOf(t, before)
	return t
}

// startOf sets when a run began that ended, from what was known before: the engine knows only the start of the present run.
func (in *Input) startOf(t, before *corev1.ContainerStateTerminated) {
	known := []*corev1.ContainerStateTerminated{before}
	for _, c := range in.Pod.Status.ContainerStatuses {
		known = append(known, c.State.Terminated)
		if r := c.State.Running; r != nil && r.StartedAt.Before(&t.FinishedAt) {
			t.StartedAt = r.StartedAt
			return
		}
	}
	for _, k := range known {
		if k != nil && k.FinishedAt.Equal(&t.FinishedAt) {
			t.StartedAt = k.StartedAt
		}
	}
}

func endReason(c *engine.Container) string {
	switch {
	case c.OOMKilled && c.ExitCode == 137:
		return "OOMKilled"
	case c.ExitCode == 0:
		return "Completed"
	}
	return "Error"
}

// healthy says what Docker's health check says; a container without one is healthy while it runs.
func (in *Input) healthy() (ready bool, why string) {
	name := in.Pod.Spec.Containers[0].Name
	switch h := in.Container.Health; {
	case in.Container.State == engine.StatePaused:
		return false, "container " + name + " is paused"
	case in.Unready:
		return false, "the post_start hooks of container " + name + " have not ended"
	case in.HookFailed != "":
		return false, in.HookFailed
	case h == nil || h.Status == "healthy" || h.Status == "none" || h.Status == "":
		return true, ""
	case in.stays():
		return true, ""
	case h.Status == "starting":
		return false, "the health check of container " + name + " has not passed yet" + output(h)
	default:
		return false, "container " + name + " is unhealthy" + output(h)
	}
}

// stays reports whether the pause keeps the container ready: it was, in this run.
func (in *Input) stays() bool {
	if in.Pause.Probes != probe.PauseAll || len(in.Pod.Status.ContainerStatuses) != 1 {
		return false
	}
	was, c := in.Pod.Status.ContainerStatuses[0], in.Container
	return was.Ready && was.ContainerID == "docker://"+c.ID && was.State.Running != nil && was.State.Running.StartedAt.Time.Equal(c.Started)
}

// health is the condition services.HealthCheck of a running container.
func (in *Input) health() corev1.PodCondition {
	c := in.Container
	out := corev1.PodCondition{Type: services.HealthCheck, Status: corev1.ConditionFalse}
	switch h := c.Health; {
	case h == nil || h.Status == "none" || h.Status == "":
		out.Status, out.Reason, out.Message = corev1.ConditionUnknown, services.HealthNone, c.Name
	case h.Status == engine.HealthHealthy, in.stays():
		out.Status, out.Reason = corev1.ConditionTrue, services.HealthHealthy
	default:
		out.Reason, out.Message = h.Status, strings.TrimSpace(h.LastOutput)
	}
	return out
}

func output(h *engine.Health) string {
	if h.LastOutput == "" {
		return ""
	}
	return ": " + strings.TrimSpace(h.LastOutput)
}

// addresses are the container's addresses, that in its primary network first.
func (in *Input) addresses() []corev1.PodIP {
	var out []corev1.PodIP
	for _, a := range in.Want.Networks {
		if ip, ok := in.Container.IPs[a.Network]; ok && ip.IsValid() {
			out = append(out, corev1.PodIP{IP: ip.String()})
		}
	}
	if len(in.Want.Networks) == 0 {
		for _, ip := range in.Container.IPs {
			if ip.IsValid() {
				out = append(out, corev1.PodIP{IP: ip.String()})
			}
		}
	}
	return out
}

// conditions sets the conditions of the status.
func (in *Input) conditions(s *corev1.PodStatus, ready bool, why string) {
	now := metav1.NewTime(in.Now)
	set := func(t corev1.PodConditionType, yes bool, reason, message string) {
		c := corev1.PodCondition{Type: t, Status: corev1.ConditionFalse, Reason: reason, Message: message}
		if yes {
			c.Status, c.Reason, c.Message = corev1.ConditionTrue, "", ""
		}
		pod.SetCondition(s, c, now)
	}
	set(corev1.PodInitialized, true, "", "")
	set(corev1.PodScheduled, true, "", "")
	set(corev1.ContainersReady, ready, "ContainersNotReady", why)
	set(corev1.PodReady, ready, "ContainersNotReady", why)
	in.Pause.Note(s)
	drop := func(t corev1.PodConditionType) {
		s.Conditions = slices.DeleteFunc(s.Conditions, func(c corev1.PodCondition) bool { return c.Type == t })
	}
	c := in.Container
	if c == nil || len(c.IPs) == 0 {
		drop(services.Addresses)
	} else if b, err := json.Marshal(c.IPs); err == nil {
		pod.SetCondition(s, corev1.PodCondition{Type: services.Addresses, Status: corev1.ConditionTrue, Message: string(b)}, now)
	}
	if c == nil || c.State != engine.StateRunning {
		drop(services.HealthCheck)
	} else {
		pod.SetCondition(s, in.health(), now)
	}
	if c == nil || c.State != engine.StatePaused {
		drop(services.Paused)
	} else {
		pod.SetCondition(s, corev1.PodCondition{
			Type: services.Paused, Status: corev1.ConditionTrue,
			Message: "container " + in.Pod.Spec.Containers[0].Name + " is paused and does not respond; `docker unpause " + c.Name + "` resumes it",
		}, now)
	}
}

// publish computes the status and reports it if it has changed.
func (w *Worker) publish(c *engine.Container, conditions []corev1.PodCondition) {
	if c != nil && runs(c) {
		w.waiting = nil
		w.engineRestarts = int32(c.RestartCount)
	}
	if e := w.excuse; e != nil && c != nil && !runs(c) && !c.Exited.Before(e.from) && !c.Exited.After(e.to) {
		w.asked = true
	}
	now := time.Now()
	next := Status(Input{
		Pod: w.pod, Want: w.want, Container: c, Waiting: w.waiting, Stopped: w.asked, Unready: w.unready, HookFailed: w.hookFailed, Refused: w.refused, Last: w.last, Starts: w.starts,
		Pause: w.probePause, Now: now,
	})
	for _, x := range conditions {
		pod.SetCondition(&next, x, metav1.NewTime(now))
	}
	w.pod.Status = next
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gone || equality.Semantic.DeepEqual(w.published, w.pod) {
		return
	}
	w.published = w.pod.DeepCopy()
	w.deps.Sink.StatusChanged(w.pod.DeepCopy())
}
