// Package state is what is known of a running stack: a snapshot with one writer (the supervisor's loop) and any number of
// readers, and the event log. A slow reader is coalesced and never blocks the writer.
package state

import (
	"cmp"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
)

// Phase is where the stack as a whole stands.
type Phase string

// The phases. Their transitions:
//
//	starting -> ready <-> degraded
//	   |          |          |
//	   +----------+----------+--> stopping -> stopped
//
// A changed stack (another profile, an edited file) goes back to starting.
const (
	// Starting: something wanted has not been right yet.
	Starting Phase = "starting"
	// Ready: every workload is complete, its pods are Ready and its operator says it is right.
	Ready Phase = "ready"
	// Degraded: it was Ready, and something is not any more.
	Degraded Phase = "degraded"
	Stopping Phase = "stopping"
	Stopped  Phase = "stopped"
)

// ConnectionsWait begins the warning that the agent has no room for more connections.
const ConnectionsWait = "connections to Services wait: "

// Snapshot is everything known at one moment. Its parts are shared and never changed once published.
type Snapshot struct {
	// Seq grows by one with every published snapshot.
	Seq uint64 `json:"seq"`
	// Applied is the number of the latest apply that this snapshot reflects, 0 before the first one. It never gets smaller
	// while a supervisor runs; the next supervisor counts from 0 again. Who has applied a stack waits for a snapshot whose
	// Applied is at least the number that the apply returned.
	Applied uint64    `json:"applied"`
	Time    time.Time `json:"time"`
	Project string    `json:"project"`
	Profile string    `json:"profile,omitempty"`
	Dir     string    `json:"dir,omitempty"`
	Version string    `json:"version"`
	PID     int       `json:"pid"`
	Phase   Phase     `json:"phase"`
	// Message says why the phase is what it is, in one line ("waiting for lyanna-mariadb-slave: ...").
	Message string `json:"message,omitempty"`
	// Engine is "" while the Docker engine answers, else what is wrong with it, in a sentence that begins with "the Docker
	// engine".
	Engine string `json:"engine,omitempty"`

	Workloads []Workload `json:"workloads"`
	// Pods are in name order.
	Pods      []*corev1.Pod               `json:"pods"`
	Services  []*corev1.Service           `json:"services,omitempty"`
	Operators map[string]services.Verdict `json:"operators,omitempty"`
	Builds    []Build                     `json:"builds,omitempty"`
	// Switch is the change of profiles that goes on, or the last one; nil if there was none.
	Switch *Switch `json:"switch,omitempty"`
	// Bound are the addresses on the host with the ports really bound.
	Bound []services.HostPort `json:"bound,omitempty"`
	// Rollouts are the conditions worth telling of Deployments (ProgressDeadlineExceeded, a stuck rollout).
	Warnings []string `json:"warnings,omitempty"`
	// Advice is what may go wrong though nothing is wrong now, and how to prevent it.
	Advice []string `json:"advice,omitempty"`
}

// Workload is how one workload stands.
type Workload struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	// Want, Have, Ready and Updated count pods.
	Want    int32 `json:"want"`
	Have    int32 `json:"have"`
	Ready   int32 `json:"ready"`
	Updated int32 `json:"updated"`
	// Revision is the value of the hash label (pod-template-hash or controller-revision-hash) of pods made from the wanted
	// template, "" if pods of this kind carry none.
	Revision string `json:"revision,omitempty"`
	// Leaving is true when the wanted stack has no such workload: its pods stop once everything that stays is ready.
	Leaving bool `json:"leaving,omitempty"`
	// Right is true when the workload is complete: all pods Ready (or the Job done).
	Right bool `json:"right"`
	// Hold is what it waits for, nil when nothing.
	Hold *Hold `json:"hold,omitempty"`
}

// Wanted says whether a pod of the workload is one that the wanted stack asks for: it is not being deleted, its workload
// stays, and it was made from the wanted template.
func (w Workload) Wanted(p *corev1.Pod) bool {
	if p.DeletionTimestamp != nil || w.Leaving {
		return false
	}
	hash := cmp.Or(p.Labels[appsv1.DefaultDeploymentUniqueLabelKey], p.Labels[appsv1.ControllerRevisionHashLabelKey])
	return w.Revision == "" || hash == "" || hash == w.Revision
}

// Hold is a named wait.
type Hold struct {
	// Kind is "dependency", "build", "image", "operator", "bootstrap", "config" or "stopping".
	Kind string `json:"kind"`
	// For is the name of what is waited for, Reason why.
	For    string    `json:"for"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
}

// Build is how one image build stands.
type Build struct {
	Name  string `json:"name"`
	Image string `json:"image"`
	// Pull says that the image comes from a registry; it is the name then.
	Pull bool `json:"pull,omitempty"`
	// State is "waiting", "running", "done", "current" (nothing had changed), "failed" or "cancelled".
	State   string        `json:"state"`
	Step    string        `json:"step,omitempty"`
	Error   string        `json:"error,omitempty"`
	Started time.Time     `json:"started"`
	Took    time.Duration `json:"took,omitempty"`
}

// Workload finds a workload by name.
func (s *Snapshot) Workload(name string) (Workload, bool) {
	for _, w := range s.Workloads {
		if w.Name == name {
			return w, true
		}
	}
	return Workload{}, false
}

// Pod finds a pod by name, or nil.
func (s *Snapshot) Pod(name string) *corev1.Pod {
	for _, p := range s.Pods {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// PodsOf are the pods of a workload, in name order.
func (s *Snapshot) PodsOf(workload string) []*corev1.Pod {
	var out []*corev1.Pod
	for _, p := range s.Pods {
		if p.Labels[services.WorkloadLabel] == workload {
			out = append(out, p)
		}
	}
	return out
}

// PodReady reports the pod's Ready condition.
func PodReady(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// NotRight is what the operator says of a pod whose containers are ready and whose role is not right yet; "" otherwise. Of
// one whose containers are still to get ready an operator can only say that it does not answer.
func NotRight(p *corev1.Pod) string {
	text, ready := "", false
	for _, c := range p.Status.Conditions {
		switch {
		case c.Type == corev1.ContainersReady:
			ready = c.Status == corev1.ConditionTrue
		case c.Type == services.RightGate && c.Status != corev1.ConditionTrue:
			text = c.Message
		}
	}
	if !ready {
		return ""
	}
	return text
}
