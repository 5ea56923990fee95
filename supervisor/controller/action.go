package controller

import (
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Plan is what a look decided: the actions in order, when to look again if nothing happens before, and what to remember.
type Plan struct {
	Actions []Action
	// Next is the time of the next look that time alone asks for; zero means none. It is never before the look itself.
	Next time.Time
	// Memory goes into the next View.
	Memory Memory
}

// String prints the plan, a line an action. An empty plan is "".
func (p Plan) String() string {
	var b strings.Builder
	for _, a := range p.Actions {
		b.WriteString(a.String())
		b.WriteByte('\n')
	}
	return b.String()
}

// Action is one change to the store: one of CreatePod, DeletePod, CreateReplicaSet, ScaleReplicaSet, DeleteReplicaSet,
// CreateJob, DeleteJob, CreateRevision, UpdateRevision, DeleteRevision, UpdateStatus and Event.
type Action interface {
	// Cause says why, for people, in a few words.
	Cause() string
	// String is the action and its cause on one line.
	fmt.Stringer
	isAction()
}

// Why is the cause of an action.
type Why string

// Cause is the text itself.
func (w Why) Cause() string { return string(w) }
func (Why) isAction()       {}

func (w Why) line(verb, what string) string {
	if w == "" {
		return verb + " " + what
	}
	return verb + " " + what + ": " + string(w)
}

// CreatePod puts a new pod into the store. Its status is empty but for what the caller adds.
type CreatePod struct {
	Pod *corev1.Pod
	Why
}

// DeletePod asks for the graceful deletion of an observed pod, with the pod's own grace period. A pod that has ended or
// never ran may go at once.
type DeletePod struct {
	Pod *corev1.Pod
	Why
}

// CreateReplicaSet puts a Deployment's new ReplicaSet into the store.
type CreateReplicaSet struct {
	ReplicaSet *appsv1.ReplicaSet
	Why
}

// ScaleReplicaSet stores ReplicaSet in the place of the one of the same name. Only spec.replicas, spec.minReadySeconds and
// annotations differ; From and To are equal where only the latter do.
type ScaleReplicaSet struct {
	ReplicaSet *appsv1.ReplicaSet
	From, To   int32
	Why
}

// DeleteReplicaSet takes a ReplicaSet out of the store.
type DeleteReplicaSet struct {
	ReplicaSet *appsv1.ReplicaSet
	Why
}

// CreateJob puts a CronJob's new Job into the store.
type CreateJob struct {
	Job *batchv1.Job
	Why
}

// DeleteJob takes a Job out of the store; its pods are deleted by actions of their own.
type DeleteJob struct {
	Job *batchv1.Job
	Why
}

// CreateRevision remembers a template of a StatefulSet.
type CreateRevision struct {
	Revision *appsv1.ControllerRevision
	Why
}

// UpdateRevision stores Revision in the place of the one of the same name; only its number differs.
type UpdateRevision struct {
	Revision *appsv1.ControllerRevision
	Why
}

// DeleteRevision forgets a template that is past the history limit.
type DeleteRevision struct {
	Revision *appsv1.ControllerRevision
	Why
}

// UpdateStatus stores the status of Object (a copy of the workload with its new status), and for a Deployment also its
// annotations. Text is the new status in short.
type UpdateStatus struct {
	Object runtime.Object
	Kind   string
	Name   string
	Text   string
	Why
}

// Event tells people what happened to a workload, in Kubernetes' own reasons and messages.
type Event struct {
	Kind, Name            string
	Type, Reason, Message string
	Why
}

func (a CreatePod) String() string {
	return a.line("create pod", a.Pod.Name+images(&a.Pod.Spec))
}
func (a DeletePod) String() string { return a.line("delete pod", a.Pod.Name) }
func (a CreateReplicaSet) String() string {
	return a.line("create replicaset", fmt.Sprintf("%s with %d pods", a.ReplicaSet.Name, deref(a.ReplicaSet.Spec.Replicas, 1)))
}

func (a ScaleReplicaSet) String() string {
	if a.From == a.To {
		return a.line("annotate replicaset", a.ReplicaSet.Name)
	}
	return a.line("scale replicaset", fmt.Sprintf("%s from %d to %d", a.ReplicaSet.Name, a.From, a.To))
}
func (a DeleteReplicaSet) String() string { return a.line("delete replicaset", a.ReplicaSet.Name) }
func (a CreateJob) String() string        { return a.line("create job", a.Job.Name) }
func (a DeleteJob) String() string        { return a.line("delete job", a.Job.Name) }
func (a CreateRevision) String() string   { return a.line("create revision", a.Revision.Name) }
func (a UpdateRevision) String() string   { return a.line("update revision", a.Revision.Name) }
func (a DeleteRevision) String() string   { return a.line("delete revision", a.Revision.Name) }
func (a UpdateStatus) String() string {
	return a.line("status", a.Kind+"/"+a.Name+" "+a.Text)
}

func (a Event) String() string {
	return fmt.Sprintf("event %s/%s %s %s: %s", a.Kind, a.Name, a.Type, a.Reason, a.Message)
}

// Cause of an event is the event.
func (a Event) Cause() string { return a.Message }

func images(s *corev1.PodSpec) string {
	var names []string
	for _, c := range s.Containers {
		names = append(names, c.Image)
	}
	if len(names) == 0 {
		return ""
	}
	return " (" + strings.Join(names, ", ") + ")"
}

func (l *look) event(o owner, kind, reason, format string, args ...any) {
	l.add(Event{Kind: o.kind, Name: o.meta.Name, Type: kind, Reason: reason, Message: fmt.Sprintf(format, args...)})
}

func deref[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}
