package bootstrap

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/mask"
)

const (
	firstWait = time.Second
	maxWait   = 30 * time.Second
	// commandLimit bounds one command of a step.
	commandLimit = 15 * time.Minute
	firstStart   = "first-start"
)

// target is where a step runs.
type target struct {
	pod, container string
	// instance is the engine's container, "" while it does not run.
	instance string
}

// find is the step's pod and container: the named ones, else the first pod in name order that is not ending and its first
// container. The container must have passed its startup probe; readiness is not asked for, since it may depend on the step.
func find(pods []*corev1.Pod, step services.BootstrapStep) target {
	t := target{pod: step.Pod, container: step.Container}
	i := slices.IndexFunc(pods, func(p *corev1.Pod) bool {
		return p.DeletionTimestamp == nil && (step.Pod == "" || p.Name == step.Pod)
	})
	if i < 0 {
		return t
	}
	p := pods[i]
	t.pod = p.Name
	if t.container == "" && len(p.Spec.Containers) > 0 {
		t.container = p.Spec.Containers[0].Name
	}
	for _, s := range p.Status.ContainerStatuses {
		if s.Name == t.container && s.State.Running != nil && s.Started != nil && *s.Started {
			t.instance = s.ContainerID
		}
	}
	return t
}

// keyOf names a step by what it does: a changed step is another one.
func keyOf(workload string, step services.BootstrapStep) string {
	step.When = ""
	b, _ := json.Marshal(step) // strings only: it cannot fail
	sum := sha256.Sum256(b)
	return workload + "/" + step.Name + "/" + hex.EncodeToString(sum[:6])
}

// progress is how a step stands; a small machine:
//
//	waiting -> running -> passed
//	   ^          |          | (always: its container is another one)
//	   +-(failed)-+          |
//	   +---------------------+
type progress struct {
	running  bool
	since    time.Time
	failures int
	next     time.Time
	last     string
}

// state is what a look at a step says.
type state struct {
	passed bool
	// do says that it is to be started now.
	do    bool
	text  string
	again time.Duration
}

// decide says what is to be done for a step that passed last in the container passed ("" never). It is pure.
func (p *progress) decide(step services.BootstrapStep, t target, passed string, now time.Time) state {
	where := "pod " + t.pod
	switch {
	case passed != "" && (step.When == firstStart || passed == t.instance):
		return state{passed: true}
	case p.running:
		text := fmt.Sprintf("runs in %s, since %s", where, p.since.Format(time.TimeOnly))
		if p.last != "" {
			text += fmt.Sprintf(", after %d failures: %s", p.failures, p.last)
		}
		return state{text: text, again: soon}
	case t.pod == "":
		return state{text: "waits for a pod to run in"}
	case t.instance == "":
		return state{text: fmt.Sprintf("waits for container %s of %s to have started", t.container, where)}
	case now.Before(p.next):
		return state{
			text:  fmt.Sprintf("failed %d times in %s and is tried again at %s: %s", p.failures, where, p.next.Format(time.TimeOnly), p.last),
			again: p.next.Sub(now),
		}
	}
	text := "is started in " + where
	if p.last != "" {
		text = fmt.Sprintf("is tried again in %s after %d failures: %s", where, p.failures, p.last)
	}
	return state{do: true, text: text, again: soon}
}

// ended notes the end of an attempt: a failure waits 1 s, doubling to 30 s.
func (p *progress) ended(err error, now time.Time) {
	p.running = false
	if err == nil {
		p.failures, p.last, p.next = 0, "", time.Time{}
		return
	}
	wait := min(firstWait<<min(p.failures, 10), maxWait)
	p.failures++
	p.last, p.next = err.Error(), now.Add(wait)
}

// errNotSo says that a step's check does not pass though its run has succeeded.
var errNotSo = errors.New("its check does not pass after its run")

// attempt does a step once: nothing if its check passes, else its run, which the check must confirm.
func attempt(ctx context.Context, view services.View, step services.BootstrapStep, t target) error {
	m := mask.New(view.Stack)
	if len(step.Check) > 0 {
		if exit, _, err := execute(ctx, view, t, step.Check); err == nil && exit == 0 {
			return nil
		}
	}
	exit, out, err := execute(ctx, view, t, step.Run)
	switch {
	case err != nil:
		return fmt.Errorf("cannot run it: %w", err)
	case exit != 0:
		return fmt.Errorf("its run ended with %d%s", exit, m.String(lastLine(out)))
	case len(step.Check) == 0:
		return nil
	}
	exit, out, err = execute(ctx, view, t, step.Check)
	switch {
	case err != nil:
		return fmt.Errorf("cannot check it: %w", err)
	case exit != 0:
		return fmt.Errorf("%w (ended with %d%s)", errNotSo, exit, m.String(lastLine(out)))
	}
	return nil
}

func execute(ctx context.Context, view services.View, t target, cmd []string) (int, []byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, commandLimit, fmt.Errorf("it did not end in %s", commandLimit))
	defer cancel()
	return view.Exec(ctx, t.pod, t.container, cmd, nil)
}

// lastLine is ": " and the last line of an output, "" if it has none.
func lastLine(out []byte) string {
	s := strings.TrimSpace(string(out))
	if s == "" {
		return ""
	}
	return ": " + s[strings.LastIndexByte(s, '\n')+1:]
}
