package throwaway

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/engine/tcengine"
	"github.com/lyandev/lyandev/supervisor/state"
)

// crashes is how many consecutive exits of a container make WaitReady fail.
const crashes = 3

// ErrNotReady means that the stack did not become ready; the text says why.
var ErrNotReady = errors.New("the stack is not ready")

// Strategy returns the copy's readiness as a testcontainers wait strategy.
func (c *Copy) Strategy() tcengine.Ready { return tcengine.Ready{Wait: c.waitPod} }

// settling is how long a container without a readiness probe must have run to count as ready: without a probe it is Ready as soon
// as it runs, even if it exits a moment later. Start times have a resolution of one second.
const settling = 1500 * time.Millisecond

// WaitReady blocks until the whole stack is ready: all pods exist and are Ready, the operators report no problem, and containers
// without a readiness probe have run for at least 1.5 s. The error is ErrNotReady if the stack cannot become ready by itself
// or ctx ends first.
func (c *Copy) WaitReady(ctx context.Context) error { return c.Strategy().WaitUntilReady(ctx, nil) }

func (c *Copy) waitPod(ctx context.Context, pod string) error {
	for {
		err := c.await(ctx, func(s *state.Status) (bool, error) { return readiness(s, pod) })
		wait := unsettled(c.State(), pod, time.Now())
		switch {
		case err == nil && wait <= 0:
			return nil
		case err == nil:
			select {
			case <-time.After(wait):
				continue
			case <-ctx.Done():
				err = context.Cause(ctx)
			}
		}
		if ctx.Err() != nil {
			err = fmt.Errorf("%s (%w)", c.State().Message, err)
		}
		return fmt.Errorf("%w: %w", ErrNotReady, err)
	}
}

// readiness reports whether a pod, or the whole stack (""), is ready. It returns an error if it never will be. It is pure.
func readiness(s *state.Status, pod string) (bool, error) {
	if pod != "" {
		p := s.Pod(pod)
		return p != nil && state.PodReady(p), nil
	}
	if s.Phase == state.Ready {
		return true, nil
	}
	if why := stuck(s); why != "" {
		return false, errors.New(why)
	}
	return false, nil
}

// unsettled returns the time until every container without a readiness probe has run for the settling time. It is pure.
func unsettled(s *state.Status, pod string, now time.Time) time.Duration {
	var wait time.Duration
	for _, p := range s.Pods {
		if pod != "" && p.Name != pod {
			continue
		}
		for _, c := range p.Spec.Containers {
			for _, have := range p.Status.ContainerStatuses {
				if r := have.State.Running; have.Name == c.Name && r != nil && c.ReadinessProbe == nil {
					wait = max(wait, r.StartedAt.Add(settling).Sub(now))
				}
			}
		}
	}
	return wait
}

// await waits for a state that satisfies ok, the end of ctx, or the end of the supervisor.
func (c *Copy) await(ctx context.Context, ok func(*state.Status) (bool, error)) error {
	watch, cancel := context.WithCancel(ctx)
	defer cancel()
	snapshots := c.sup.Store().Subscribe(watch)
	for {
		select {
		case s, more := <-snapshots:
			if !more {
				return context.Cause(ctx)
			}
			if done, err := ok(s); done || err != nil {
				return err
			}
		case <-c.done:
			return errors.Join(errors.New("the supervisor has ended"), c.err)
		}
	}
}

// stuck returns why the stack cannot become ready by itself, "" if it may. It is pure.
func stuck(s *state.Status) string {
	for _, p := range s.Pods {
		if p.DeletionTimestamp != nil {
			continue
		}
		for _, list := range [][]corev1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses} {
			for _, c := range list {
				if why := containerStuck(c); why != "" {
					return fmt.Sprintf("container %s of pod %s %s", c.Name, p.Name, why)
				}
			}
		}
		if p.Status.Phase == corev1.PodFailed && len(p.OwnerReferences) == 0 && p.Labels[testLabel] == "" {
			return fmt.Sprintf("pod %s has failed", p.Name)
		}
	}
	return ""
}

func containerStuck(c corev1.ContainerStatus) string {
	w := c.State.Waiting
	if w == nil {
		return ""
	}
	switch w.Reason {
	case "CrashLoopBackOff":
		if t := c.LastTerminationState.Terminated; t != nil && c.RestartCount >= crashes-1 {
			return fmt.Sprintf("keeps exiting with code %d: %s", t.ExitCode, t.Message)
		}
	case "ErrImageNeverPull", "InvalidImageName", "ImagePullBackOff":
		return w.Reason + ": " + w.Message
	}
	return ""
}
