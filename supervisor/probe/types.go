package probe

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Type is the kind of a probe. Its text begins the messages of events ("Liveness probe failed: ...").
type Type string

// The three kinds, in the order in which a container's workers are made (R2).
const (
	Startup   Type = "Startup"
	Readiness Type = "Readiness"
	Liveness  Type = "Liveness"
)

// Types lists the kinds in the order in which a container's workers are made (R2).
func Types() []Type { return []Type{Startup, Readiness, Liveness} }

// Of returns the container's probe of this kind, nil if it has none.
func (t Type) Of(c *corev1.Container) *corev1.Probe {
	switch t {
	case Startup:
		return c.StartupProbe
	case Readiness:
		return c.ReadinessProbe
	default:
		return c.LivenessProbe
	}
}

// Initial is the value published when an instance is first seen (R10).
func (t Type) Initial() Result {
	switch t {
	case Startup:
		return Unknown
	case Readiness:
		return Failure
	default:
		return Success
	}
}

// Result is a published probe result.
type Result string

// The published results. Unknown is only ever the initial value of a startup probe.
const (
	Unknown Result = "Unknown"
	Success Result = "Success"
	Failure Result = "Failure"
)

// Timing determines when a container is probed. The meaning of the results is the same with both.
type Timing string

const (
	// Fast adds early tries to the kubelet's timing: until an instance's startup or readiness probe has succeeded once, it is
	// also tried every 20 to 100 ms, or every 100 to 250 ms if it runs a command, regardless of initialDelaySeconds. A command is
	// tried when the container listens on one of its declared ports, where that can be seen. A success of an early try counts like
	// any other. A failure does not count and emits no event, so no container is killed earlier than with Strict. Liveness probes
	// are not affected.
	Fast Timing = "fast"
	// Strict is exactly the kubelet's timing.
	Strict Timing = "strict"
)

// Target is the container instance that a handler tries.
type Target struct {
	// PodIP is the pod's address as its status gives it, "" while it has none.
	PodIP string
	// ContainerID is the instance's engine ID.
	ContainerID string
}

// Handler tries a probe once. It applies the probe's timeout itself (R20), from the actual start of the try. The result is
// undefined if ctx ended.
type Handler interface {
	Try(ctx context.Context, t Target) Outcome
}

// costlyHandler is a handler whose tries cost so much that early ones are fewer: a command takes several engine calls and a process.
type costlyHandler interface {
	Handler
	// Premature reports whether a try is known to fail, because the container is not as far yet.
	Premature(ctx context.Context, t Target) bool
}

// HandlerFunc is a function that implements Handler.
type HandlerFunc func(ctx context.Context, t Target) Outcome

// Try calls the function.
func (f HandlerFunc) Try(ctx context.Context, t Target) Outcome { return f(ctx, t) }

// Verdict is the result of one try.
type Verdict string

// The verdicts. Their texts appear in the events of broken tries ("... resulted in unknown state: ...").
const (
	Passed Verdict = "success"
	// Warned counts as success and is reported as ProbeWarning (R47).
	Warned Verdict = "warning"
	Failed Verdict = "failure"
	// Undecided is the verdict of a try with an error.
	Undecided Verdict = "unknown"
)

// Outcome is the verdict of one try with its output or error.
type Outcome struct {
	Verdict Verdict
	// Output is the text shown in an event: the command's output, the status code, the reason of a refusal.
	Output string
	// Err is an error of the try itself. Such an outcome does not count: the try is repeated, then discarded (R13).
	Err error
}

func (o Outcome) result() Result {
	if o.Verdict == Passed || o.Verdict == Warned {
		return Success
	}
	return Failure
}

// brief is the output or the error in one line of at most 120 bytes.
func (o Outcome) brief() string {
	text := o.Output
	if o.Err != nil {
		text = o.Err.Error()
	}
	text, _, _ = strings.Cut(text, "\n")
	return strings.ToValidUTF8(text[:min(len(text), 120)], "")
}

// Change is a published result that differs from the previous one (R23).
type Change struct {
	Container   string
	ContainerID string
	Type        Type
	Result      Result
	At          time.Time
}

// Syncs reports whether this change requires a pod sync: always, except when liveness becomes Success (R23).
func (c Change) Syncs() bool { return c.Type != Liveness || c.Result != Success }

// Kills reports whether the instance must be killed because of this result (R80). The pod worker checks that it is still running.
func (c Change) Kills() bool { return c.Type != Readiness && c.Result == Failure }

// Apply applies the change to a status, as the kubelet does at once without waiting for a pod sync: readiness sets ready, startup
// sets started, liveness changes nothing (R25). It reports whether the status changed.
func (c Change) Apply(status *corev1.PodStatus) bool {
	for _, list := range [][]corev1.ContainerStatus{status.ContainerStatuses, status.InitContainerStatuses} {
		for i := range list {
			if s := &list[i]; s.Name == c.Container && s.ContainerID == c.ContainerID {
				return c.applyTo(s)
			}
		}
	}
	return false
}

func (c Change) applyTo(s *corev1.ContainerStatus) bool {
	good := c.Result == Success
	switch {
	case c.Type == Readiness && s.Ready != good:
		s.Ready = good
	case c.Type == Startup && (s.Started == nil || *s.Started != good):
		s.Started = &good
	default:
		return false
	}
	return true
}

// Event is a Kubernetes event about a container (R13, R24). All are of type Warning.
type Event struct {
	Container   string
	ContainerID string
	// Reason is "Unhealthy" or "ProbeWarning".
	Reason  string
	Message string
}

// eventFor returns the event of an iteration's last outcome, false for a plain success (R24).
func eventFor(t Type, o Outcome) (Event, bool) {
	switch {
	case o.Err != nil:
		return Event{Reason: "Unhealthy", Message: fmt.Sprintf("%s probe errored and resulted in %s state: %s", t, o.Verdict, o.Err)}, true
	case o.Verdict == Warned:
		return Event{Reason: "ProbeWarning", Message: fmt.Sprintf("%s probe warning: %s", t, o.Output)}, true
	case o.Verdict == Failed:
		return Event{Reason: "Unhealthy", Message: fmt.Sprintf("%s probe failed: %s", t, o.Output)}, true
	}
	return Event{}, false
}
