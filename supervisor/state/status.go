// Package state holds the observed state of a running stack, which the supervisor's loop publishes and any number of readers
// follow, and the event log. A slow reader skips intermediate states and never blocks the writer.
package state

import (
	"cmp"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
)

// Phase is the state of the stack as a whole.
type Phase string

// The phases. Their transitions:
//
//	starting -> ready <-> degraded
//	   |          |          |
//	   +----------+----------+--> stopping -> stopped
//
// A changed stack (another profile, an edited file) goes back to starting.
const (
	// Starting: a workload has not been right yet.
	Starting Phase = "starting"
	// Ready: every workload has all its pods, the pods are Ready, and the operators report no problem.
	Ready Phase = "ready"
	// Degraded: the stack was Ready, and a workload or operator no longer is.
	Degraded Phase = "degraded"
	Stopping Phase = "stopping"
	Stopped  Phase = "stopped"
)

// EditFailed is the prefix of the warnings that an edit of a workload, or of a build of that name, failed.
func EditFailed(name string) string { return "edit of " + name + " failed: " }

// ConnectionsWait is the prefix of the warning that the agent is at its connection limit.
const ConnectionsWait = "connections to Services wait: "

// Status is the observed state of the stack at one moment. It is shared by all readers and must not be changed.
type Status struct {
	// Seq grows by one with every published snapshot.
	Seq uint64 `json:"seq"`
	// Applied is the number of the latest apply that this state reflects, 0 before the first. It never decreases while a
	// supervisor runs; the next supervisor starts at 0 again. After an apply, wait for a state whose Applied is at least the
	// number that the apply returned.
	Applied uint64    `json:"applied"`
	Time    time.Time `json:"time"`
	Project string    `json:"project"`
	Profile string    `json:"profile,omitempty"`
	Dir     string    `json:"dir,omitempty"`
	Version string    `json:"version"`
	PID     int       `json:"pid"`
	Phase   Phase     `json:"phase"`
	// Message is the reason for the phase, one line ("waiting for lyanna-mariadb-slave: ...").
	Message string `json:"message,omitempty"`
	// Engine is "" while the Docker engine answers, else the problem, a sentence that starts with "the Docker engine".
	Engine string `json:"engine,omitempty"`

	Workloads []Workload `json:"workloads"`
	// Pods are sorted by name.
	Pods      []*corev1.Pod               `json:"pods"`
	Services  []*corev1.Service           `json:"services,omitempty"`
	Operators map[string]services.Verdict `json:"operators,omitempty"`
	Builds    []Build                     `json:"builds,omitempty"`
	// Switch is the current or last profile switch, nil if there was none.
	Switch *Switch `json:"switch,omitempty"`
	// Bound are the published host ports with their actual port numbers.
	Bound []services.HostPort `json:"bound,omitempty"`
	// Datapath is how connections to service addresses and host ports reach pods, nil if unknown.
	Datapath *Datapath `json:"datapath,omitempty"`
	// Warnings are current problems that do not change the phase, such as a stuck rollout.
	Warnings []string `json:"warnings,omitempty"`
	// Advice warns of possible problems and says how to prevent them; see explain.Advise.
	Advice []string `json:"advice,omitempty"`
}

// Datapath is how connections to service addresses and host ports reach pods.
type Datapath struct {
	// Name is "nftables" if the kernel forwards them, "userland" if the agent copies their data.
	Name string `json:"name"`
	// Fallback is why the kernel does not, "" if it does or was not asked to.
	Fallback string `json:"fallback,omitempty"`
}

// Text is one line for people.
func (d Datapath) Text() string {
	switch {
	case d.Name != "userland":
		return "forwarded by the kernel (" + d.Name + ")"
	case d.Fallback == "":
		return "forwarded by the agent (userland), as LYANDEV_DATAPATH says"
	}
	return "forwarded by the agent (userland), which is slower: " + d.Fallback
}

// Workload is the state of one workload.
type Workload struct {
	Name string `json:"name"`
	// Service is the service's name as a Compose file has it, "" if it is Name.
	Service string `json:"service,omitempty"`
	Kind    string `json:"kind"`
	// Want, Have, Ready and Updated are the numbers of desired, existing, Ready and up-to-date pods.
	Want    int32 `json:"want"`
	Have    int32 `json:"have"`
	Ready   int32 `json:"ready"`
	Updated int32 `json:"updated"`
	// Revision is the hash label (pod-template-hash or controller-revision-hash) of pods made from the current template, "" for
	// kinds without one.
	Revision string `json:"revision,omitempty"`
	// Leaving is true if the applied stack no longer has the workload: its pods are stopped once the other workloads are ready.
	Leaving bool `json:"leaving,omitempty"`
	// Right is true if all pods are Ready, or the Job is complete.
	Right bool `json:"right"`
	// Failed is why the workload has failed for good (a Job beyond its back-off limit), "" if it has not.
	Failed string `json:"failed,omitempty"`
	// Source is file:line of the declaration, "" if unknown.
	Source string `json:"source,omitempty"`
	// Hold is what the workload is waiting for, nil for nothing.
	Hold *Hold `json:"hold,omitempty"`
	// Runs are the runs of a CronJob, nil for other kinds.
	Runs *Runs `json:"runs,omitempty"`
}

// Runs describes the runs of a CronJob.
type Runs struct {
	// Active is the number of runs that have not ended.
	Active int `json:"active"`
	// Last is when the last run that ended did so, zero if none has. Failed says that it failed.
	Last   time.Time `json:"last,omitzero"`
	Failed bool      `json:"failed,omitempty"`
	// Next is the next time of the schedule, zero if it never comes or the CronJob is suspended. Suspended is spec.suspend.
	Next      time.Time `json:"next,omitzero"`
	Suspended bool      `json:"suspended,omitempty"`
}

// Wanted reports whether a pod of the workload belongs to the applied stack: it is not being deleted, its workload is not
// Leaving, and it was made from the current template.
func (w Workload) Wanted(p *corev1.Pod) bool {
	if p.DeletionTimestamp != nil || w.Leaving {
		return false
	}
	hash := cmp.Or(p.Labels[appsv1.DefaultDeploymentUniqueLabelKey], p.Labels[appsv1.ControllerRevisionHashLabelKey])
	return w.Revision == "" || hash == "" || hash == w.Revision
}

// Hold is what a workload is waiting for.
type Hold struct {
	// Kind is "dependency", "build", "image", "operator", "bootstrap", "config" or "stopping".
	Kind string `json:"kind"`
	// For is the name of the dependency, image or operator. Reason is a predicate for messages ("waits for db ...").
	For    string `json:"for"`
	Reason string `json:"reason"`
	// Never says why the wait for a dependency will not end by itself, a whole sentence; "" while it may.
	Never string    `json:"never,omitempty"`
	Since time.Time `json:"since"`
}

// Build is the state of one image build or pull.
type Build struct {
	Name  string `json:"name"`
	Image string `json:"image"`
	// Pull is true if the image is pulled from a registry; Name is then the image's reference.
	Pull bool `json:"pull,omitempty"`
	// State is "waiting", "running", "done", "current" (unchanged, not built), "failed" or "cancelled".
	State   string        `json:"state"`
	Step    string        `json:"step,omitempty"`
	Error   string        `json:"error,omitempty"`
	Started time.Time     `json:"started"`
	Took    time.Duration `json:"took,omitempty"`
}

// Workload returns a workload by its name, or by the service's name in the file.
func (s *Status) Workload(name string) (Workload, bool) {
	for _, w := range s.Workloads {
		if w.Name == name || w.Service == name {
			return w, true
		}
	}
	return Workload{}, false
}

// Pod returns a pod by its name, by the one that people see (services.ShownPod) or by that of its container on the engine
// (services.DockerName), or nil.
func (s *Status) Pod(name string) *corev1.Pod {
	for _, p := range s.Pods {
		if p.Name == name {
			return p
		}
	}
	for _, p := range s.Pods {
		if services.ShownPod(p) == name {
			return p
		}
	}
	for _, p := range s.Pods {
		if name != "" && services.DockerName(s.Project, p) == name {
			return p
		}
	}
	return nil
}

// PodsOf returns the pods of a workload, given by either of its names (see Workload), sorted by name.
func (s *Status) PodsOf(workload string) []*corev1.Pod {
	if w, ok := s.Workload(workload); ok {
		workload = w.Name
	}
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

// Health returns what the engine's health check says about the container of a plain service's pod: one of services.Health..., with
// the last output of the check (of HealthNone the container's name). Both are "" if the container does not run, and for other pods.
func Health(p *corev1.Pod) (health, output string) {
	for _, c := range p.Status.Conditions {
		if c.Type == services.HealthCheck {
			return c.Reason, c.Message
		}
	}
	return "", ""
}

// NotRight returns the operator's message about a pod whose containers are ready but which is not right yet, else "". While
// containers are not ready it is "", because an operator can then only report that the pod does not answer.
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
