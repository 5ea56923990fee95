package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/build"
	"github.com/lyandev/lyandev/supervisor/state"
)

// message is something that the loop is told. String says what it is: LYANDEV_DEBUG=1 logs every message, and then the
// actions that followed from it. handle is called by the loop.
type message interface {
	fmt.Stringer
	handle(s *Supervisor)
}

// post hands a message to the loop. It waits only while the inbox is full; after the loop's end it does nothing.
func (s *Supervisor) post(m message) {
	select {
	case s.inbox <- m:
	case <-s.done:
	}
}

// receive handles a message, and whatever else waits in the inbox, so that a burst of them makes one look.
func (s *Supervisor) receive(m message) {
	for {
		s.handle(m)
		select {
		case m = <-s.inbox:
		default:
			return
		}
	}
}

// handle counts a message, logs it and has it do its work.
func (s *Supervisor) handle(m message) {
	s.received++
	s.log.Debug("message", "number", s.received, "message", m)
	m.handle(s)
}

// request is a message with an answer: a question about the loop's state, or a change to it.
type request[T any] struct {
	what    string
	f       func() (T, error)
	answers chan answer[T]
}

type answer[T any] struct {
	value T
	err   error
}

func (r request[T]) String() string { return "request: " + r.what }

func (r request[T]) handle(*Supervisor) {
	v, err := r.f()
	r.answers <- answer[T]{v, err}
}

// ask has the loop run f, waits for it, and returns what f returns. what says in a few words what is asked for. It returns an
// error without waiting further when ctx or the loop ends; f may run later then. So f must not write variables of its
// caller: what it finds it returns.
func ask[T any](ctx context.Context, s *Supervisor, what string, f func() (T, error)) (T, error) {
	r := request[T]{what: what, f: f, answers: make(chan answer[T], 1)}
	s.post(r)
	var none T
	select {
	case a := <-r.answers:
		return a.value, a.err
	case <-ctx.Done():
		return none, context.Cause(ctx)
	case <-s.done:
		return none, errors.New("cannot reach the supervisor: it has ended")
	}
}

// change is ask for an f that only changes something.
func (s *Supervisor) change(ctx context.Context, what string, f func() error) error {
	_, err := ask(ctx, s, what, func() (struct{}, error) { return struct{}{}, f() })
	return err
}

// podStatus is what a worker says of its pod.
type podStatus struct{ pod *corev1.Pod }

func (m podStatus) String() string {
	text := fmt.Sprintf("pod %s is %s, ready %v", m.pod.Name, m.pod.Status.Phase, state.PodReady(m.pod))
	for _, c := range m.pod.Status.ContainerStatuses {
		switch {
		case c.State.Running != nil:
			text += ", " + c.Name + " runs"
		case c.State.Waiting != nil:
			text += ", " + c.Name + " waits (" + c.State.Waiting.Reason + ")"
		case c.State.Terminated != nil:
			text += fmt.Sprintf(", %s ended with %d", c.Name, c.State.Terminated.ExitCode)
		}
	}
	return text
}

func (m podStatus) handle(s *Supervisor) {
	if _, err := s.cluster.PodStatus(m.pod); err != nil {
		s.log.Error("cannot store the status of a pod", "pod", m.pod.Name, "error", err)
	}
}

// podGone says that a pod and its containers are gone.
type podGone struct {
	name string
	uid  types.UID
}

func (m podGone) String() string { return "pod " + m.name + " is gone" }

func (m podGone) handle(s *Supervisor) {
	if err := s.cluster.PodGone(m.uid); err != nil {
		s.log.Error("cannot forget a pod", "pod", m.name, "error", err)
	}
}

// verdict is what an operator says of its pods, as it saw them.
type verdict struct {
	operator string
	seen     services.View
	services.Verdict
}

func (m verdict) String() string {
	text := fmt.Sprintf("operator %s: right %v", m.operator, m.Right)
	if m.Message != "" {
		text += ", " + m.Message
	}
	return text
}

// handle drops the verdict of an operator that has been stopped since.
func (m verdict) handle(s *Supervisor) {
	if !s.ops.Running(m.operator) {
		return
	}
	changed, err := s.cluster.TakeVerdict(m.operator, m.seen, m.Verdict, time.Now())
	if err != nil {
		s.log.Error("cannot store a verdict", "operator", m.operator, "error", err)
	}
	for name, c := range changed.Conditions {
		s.pods.SetCondition(name, c)
	}
	for _, e := range changed.Events {
		s.event(e.Kind, e.Name, corev1.EventTypeNormal, e.Reason, "%s", e.Message)
	}
	for _, name := range changed.Doubtful {
		s.pods.ProbeReadiness(name)
	}
}

// handoverAnswer is what the operators say that were asked whether pods may leave.
type handoverAnswer struct {
	stack *services.Stack
	err   error
}

func (m handoverAnswer) String() string {
	if m.err != nil {
		return "handover refused: " + m.err.Error()
	}
	return "handover approved"
}

func (m handoverAnswer) handle(s *Supervisor) {
	s.cluster.Handover.End(m.err, s.cluster.Stack() == m.stack, time.Now())
}

// engineLost says that the engine does not answer.
type engineLost struct{ err error }

func (m engineLost) String() string       { return "the engine does not answer: " + m.err.Error() }
func (m engineLost) handle(s *Supervisor) { s.engineLost(m.err) }

// lookAgain asks for a look because something changed that the loop reads elsewhere.
type lookAgain struct{ cause string }

func (m lookAgain) String() string     { return "look again: " + m.cause }
func (m lookAgain) handle(*Supervisor) {}

// awaitPush asks to be told when the endpoint table of the next look has been pushed, or could not be.
type awaitPush struct{ pushed chan<- struct{} }

func (m awaitPush) String() string { return "await the push of the endpoint table" }

func (m awaitPush) handle(s *Supervisor) {
	s.podnet.AfterNextPush("", func() { close(m.pushed) })
}

// stopRequest asks to end the stack; a second one hurries. keep is that of Halt; a request without it after one with it only
// changes that.
type stopRequest struct{ keep bool }

func (m stopRequest) String() string {
	if m.keep {
		return "stop the stack and keep its containers"
	}
	return "stop the stack"
}

func (m stopRequest) handle(s *Supervisor) {
	switch {
	case !s.stopping:
		s.keeping = m.keep
	case s.keeping && !m.keep:
		s.keeping = false
	default:
		s.pods.Hurry()
	}
	s.stopping = true
	s.callers.stop(errStopping)
}

// buildsBegin says which images are about to be built; one that replaces nothing leaves the others listed.
type buildsBegin struct {
	list    []*services.Build
	replace bool
}

func (m buildsBegin) String() string {
	var names []string
	for _, b := range m.list {
		names = append(names, b.Name)
	}
	return "builds begin: " + strings.Join(names, ", ")
}

func (m buildsBegin) handle(s *Supervisor) {
	if m.replace {
		s.builds = nil
	}
	for _, b := range m.list {
		s.showBuild(state.Build{Name: b.Name, Image: b.Image, State: "waiting", Started: time.Now()})
	}
}

// buildProgress is how far a build has come.
type buildProgress struct{ build.Progress }

func (m buildProgress) String() string {
	return strings.TrimSpace("build " + m.Build + " " + m.State + " " + m.Step)
}

func (m buildProgress) handle(s *Supervisor) {
	i := slices.IndexFunc(s.builds, func(b state.Build) bool { return b.Name == m.Build })
	if i < 0 {
		return
	}
	b := s.builds[i]
	if m.State != "" {
		b.State, b.Took = m.State, m.Took
		s.timeBuild(b)
	}
	if m.State == "failed" {
		b.Error = m.Line
	}
	if m.Step != "" {
		b.Step = m.Step
	}
	s.builds[i] = b
}

// pullProgress is how far the pull of an image has come.
type pullProgress struct{ state.Build }

func (m pullProgress) String() string       { return "pull " + m.Image + " " + m.State }
func (m pullProgress) handle(s *Supervisor) { s.showBuild(m.Build) }

// showBuild puts how a build stands in the place of what was known of it. Called by the loop.
func (s *Supervisor) showBuild(b state.Build) {
	if i := slices.IndexFunc(s.builds, func(o state.Build) bool { return o.Name == b.Name }); i >= 0 {
		s.builds[i] = b
		return
	}
	s.builds = append(s.builds, b)
}
