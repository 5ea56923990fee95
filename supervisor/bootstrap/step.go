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
	// notExecuted is the lowest exit code of a command that was not executed or was killed: 126 and 127 of shells and engines, 128
	// and the signal's number.
	notExecuted = 126
)

// target is where a step runs.
type target struct {
	pod, container string
	// instance is the engine's container, "" while it does not run.
	instance string
}

// find returns the step's pod and container: the named ones, else the first pod in name order that is not terminating, and its
// first container. The container must have passed its startup probe. It need not be ready, since that may depend on the step.
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

// keyOf identifies a step by its content: a changed step is a new one.
func keyOf(workload string, step services.BootstrapStep) string {
	step.When = ""
	b, _ := json.Marshal(step) // strings only: it cannot fail
	sum := sha256.Sum256(b)
	return workload + "/" + step.Name + "/" + hex.EncodeToString(sum[:6])
}

// progress is the state machine of a step:
//
//	waiting -> running -> passed
//	   ^          |          | (always: new container)
//	   +-(failed)-+          |
//	   +---------------------+
type progress struct {
	running  bool
	since    time.Time
	failures int
	next     time.Time
	last     string
}

// state is the decision about a step.
type state struct {
	passed bool
	// do is true if the step must be started now.
	do    bool
	text  string
	again time.Duration
}

// decide returns the next action for a step that last passed in the container passed ("": never). It is pure.
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
		return state{text: "waits for a pod"}
	case t.instance == "":
		return state{text: fmt.Sprintf("waits for container %s of %s to start", t.container, where)}
	case now.Before(p.next):
		return state{
			text:  fmt.Sprintf("failed %d times in %s, next attempt at %s: %s", p.failures, where, p.next.Format(time.TimeOnly), p.last),
			again: p.next.Sub(now),
		}
	}
	text := "is starting in " + where
	if p.last != "" {
		text = fmt.Sprintf("is retried in %s after %d failures: %s", where, p.failures, p.last)
	}
	return state{do: true, text: text, again: soon}
}

// ended records the end of an attempt. After a failure the next one waits 1 s, doubling up to 30 s.
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

// errNotSo means that a step's run succeeded but its check still fails.
var errNotSo = errors.New("its run succeeded, but its check still fails")

// attempt makes one attempt at a step: if the check fails, or there is none, it executes the run, then the check again. If the
// check cannot be executed, nothing is known and the run is not executed: it may replace data.
func attempt(ctx context.Context, view services.View, step services.BootstrapStep, t target) error {
	m := mask.New(view.Stack)
	if len(step.Check) > 0 {
		switch exit, out, err := execute(ctx, view, t, step.Check); {
		case err != nil:
			return fmt.Errorf("cannot check it: %w", err)
		case exit == 0:
			return nil
		case exit >= notExecuted:
			return fmt.Errorf("its check could not be executed (exit code %d%s)", exit, m.String(lastLine(out)))
		}
	}
	exit, out, err := execute(ctx, view, t, step.Run)
	switch {
	case err != nil:
		return fmt.Errorf("cannot run it: %w", err)
	case exit != 0:
		return fmt.Errorf("its run exited with code %d%s", exit, m.String(lastLine(out)))
	case len(step.Check) == 0:
		return nil
	}
	exit, out, err = execute(ctx, view, t, step.Check)
	switch {
	case err != nil:
		return fmt.Errorf("cannot check it: %w", err)
	case exit != 0:
		return fmt.Errorf("%w (exited with code %d%s)", errNotSo, exit, m.String(lastLine(out)))
	}
	return nil
}

func execute(ctx context.Context, view services.View, t target, cmd []string) (int, []byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, commandLimit, fmt.Errorf("it did not end in %s", commandLimit))
	defer cancel()
	return view.Exec(ctx, t.pod, t.container, cmd, nil)
}

// lastLine returns ": " and the last line of an output, "" if the output is empty.
func lastLine(out []byte) string {
	s := strings.TrimSpace(string(out))
	if s == "" {
		return ""
	}
	return ": " + s[strings.LastIndexByte(s, '\n')+1:]
}
