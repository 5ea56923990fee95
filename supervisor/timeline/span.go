// Package timeline records where the time of an `up`, a profile switch, an edit or a drill goes, and explains it: a table per pod,
// the critical path, sums, and a trace file for Perfetto and chrome://tracing.
//
//	hooks (Begin, Mark) -> Recorder -> Action -> Pods, Path, Totals, WriteTrace
//
// The Recorder only keeps spans in memory; everything behind an Action is a pure function of it.
package timeline

import "time"

// Kind groups spans by what they are about.
type Kind string

// The kinds. Object and Of of a span depend on its kind.
const (
	// Client: a step of the command that began the action, before the supervisor answered.
	Client Kind = "command"
	// Stack: a step of the supervisor for the whole stack.
	Stack Kind = "stack"
	// Build: the build or the pull of the image Object.
	Build Kind = "build"
	// Engine: a call of the engine. Name is the method, Object the container, image, network or volume, Of the pod for which it was
	// called, "" for none.
	Engine Kind = "engine"
	// Pod: a step in the start of the pod Object. Detail is the container.
	Pod Kind = "pod"
	// Probe: one try of a probe of the pod Object. Name is the probe's type, Detail the answer. Failed is true for any but success.
	Probe Kind = "probe"
	// Operator: a look of the operator Object. Detail is what it says; Failed means that not all is right.
	Operator Kind = "operator"
	// Wait: the workload Object waited for Of. Detail is the reason in words.
	Wait Kind = "wait"
	// Mark: something that happened at one moment: End is Start. Name is one of the constants below.
	Mark Kind = "mark"
	// Event: the event Detail of the object Object.
	Event Kind = "event"
	// Edit, Switch and Drill: a step of such an action.
	Edit   Kind = "edit"
	Switch Kind = "switch"
	Drill  Kind = "drill"
)

// The names of marks. Object is the pod; Of its workload.
const (
	// PodWanted: the pod object was made. Detail is the operator of its workload, "" for none.
	PodWanted = "wanted"
	// ContainersReady: all containers of the pod became ready. PodReady: so did its readiness gates. PodUnready: it was ready, and is
	// not any more.
	ContainersReady = "containers ready"
	PodReady        = "ready"
	PodUnready      = "not ready"
	// PodEnded: all containers of the pod ended, and are not started again. PodGone: the pod and its containers are removed.
	PodEnded = "ended"
	PodGone  = "gone"
	// PodLeaving: the pod is to go.
	PodLeaving = "leaving"
	// StackReady: everything that is wanted is right. Object and Of are "".
	StackReady = "stack ready"
)

// The names of Pod spans.
const (
	StepImage    = "image"
	StepSandbox  = "network"
	StepCreate   = "create"
	StepStart    = "start"
	StepHook     = "postStart"
	StepStop     = "stop"
	StepRestart  = "restart"
	StepRemove   = "remove"
	StepTeardown = "stop all"
)

// Span is something that took from Start to End.
type Span struct {
	Kind   Kind      `json:"kind"`
	Name   string    `json:"name"`
	Object string    `json:"object,omitempty"`
	Of     string    `json:"of,omitempty"`
	Start  time.Time `json:"start"`
	End    time.Time `json:"end"`
	Detail string    `json:"detail,omitempty"`
	Failed bool      `json:"failed,omitempty"`
}

// Took is the length of the span.
func (s Span) Took() time.Duration { return s.End.Sub(s.Start) }

// Action is one `up`, profile switch, edit or drill, with the spans that ended while it went on, in the order of their ends.
type Action struct {
	// Name is "up", "switch", "edit" or "drill". Title says in a few words what it was ("profile ha", "minimal -> ha").
	Name  string    `json:"name"`
	Title string    `json:"title,omitempty"`
	Start time.Time `json:"start"`
	// End is the time of the question if the action has not ended. Over says that it has.
	End  time.Time `json:"end"`
	Over bool      `json:"over"`
	// Error is why it failed, "" if it did not.
	Error string `json:"error,omitempty"`
	// Dropped is how many spans were not kept because there were too many.
	Dropped int    `json:"dropped,omitempty"`
	Spans   []Span `json:"spans"`
}

// Took is the length of the action.
func (a *Action) Took() time.Duration { return a.End.Sub(a.Start) }

// of are the spans of some kinds in the order of their starts.
func (a *Action) of(kinds ...Kind) []Span {
	var out []Span
	for _, s := range a.Spans {
		for _, k := range kinds {
			if s.Kind == k {
				out = append(out, s)
			}
		}
	}
	sortSpans(out)
	return out
}
