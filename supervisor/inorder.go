package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/cluster/view"
	"github.com/lyandev/lyandev/supervisor/order"
	"github.com/lyandev/lyandev/supervisor/pod/composepod"
)

// inOrder carries out stop, start, restart or rm for the workloads of list, one after the other where one depends on the other. It
// blocks until all is done and the status shows it.
func (s *Supervisor) inOrder(ctx context.Context, stack *services.Stack, r Control, list []*services.Workload) error {
	if r.Verb == "rm" && !r.Stop {
		if err := s.change(ctx, "rm", func() error { return s.noneRuns(r, list) }); err != nil {
			return err
		}
	}
	backwards := r.Verb == "stop" || r.Verb == "rm"
	err := order.Walk(ctx, stack, backwards, func(ctx context.Context, x *services.Workload) error {
		if !slices.Contains(list, x) {
			return nil
		}
		var err error
		switch {
		case r.Verb == "rm" || r.Verb == "stop" && !x.Plain():
			err = s.takeAway(ctx, r, x)
		case r.Verb == "stop":
			err = s.each(ctx, x, "stop", func(w *composepod.Worker) <-chan error { return w.Stop(r.Grace) })
		case r.Verb == "start":
			err = s.startOne(ctx, x)
		default:
			err = s.restartOne(ctx, r, x)
		}
		if err != nil {
			return fmt.Errorf("cannot %s %s: %w", r.Verb, x.DisplayName(), err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.await(ctx, func() (bool, error) { return true, nil })
}

// noneRuns is an error if a service that rm names runs. Called by the loop.
func (s *Supervisor) noneRuns(r Control, list []*services.Workload) error {
	for _, x := range list {
		if p := s.running(x); p != "" && len(r.Services) > 0 {
			return fmt.Errorf("cannot remove the containers of %s: %s runs; stop it first, or use --stop", x.DisplayName(), p)
		}
	}
	return nil
}

// takeAway suspends a workload and blocks until its pods are gone. rm without Stop leaves a workload that runs as it is.
func (s *Supervisor) takeAway(ctx context.Context, r Control, x *services.Workload) error {
	began, err := ask(ctx, s, r.Verb+" "+x.Name(), func() (bool, error) {
		if r.Verb == "rm" && !r.Stop && s.running(x) != "" {
			return false, nil
		}
		if r.Verb == "rm" {
			s.removeVolumes(r, x)
		}
		s.suspend(r, x)
		return true, s.saveStopped()
	})
	if err != nil || !began {
		return err
	}
	return s.await(ctx, func() (bool, error) { return len(s.cluster.PodsOf(x.Name())) == 0, nil })
}

// each has the workers of a plain workload's pods do something, and blocks until they have done it.
func (s *Supervisor) each(ctx context.Context, x *services.Workload, what string, do func(*composepod.Worker) <-chan error) error {
	answers, err := ask(ctx, s, what+" "+x.Name(), func() (list []<-chan error, err error) {
		for _, p := range s.cluster.PodsOf(x.Name()) {
			if w := s.pods.Plain(p.Name); w != nil && p.DeletionTimestamp == nil {
				list = append(list, do(w))
			}
		}
		return list, nil
	})
	errs := []error{err}
	for _, a := range answers {
		errs = append(errs, s.answered(ctx, a))
	}
	return errors.Join(errs...)
}

// answered blocks until a value arrives, and returns it, or an error when ctx or the supervisor ends.
func (s *Supervisor) answered(ctx context.Context, answer <-chan error) error {
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.done:
		return errors.New("the supervisor has ended")
	}
}

// startOne ends a stop or removal by hand when what the workload depends on is as depends_on asks for, and starts the containers of a
// plain one. It blocks until all pods have started.
func (s *Supervisor) startOne(ctx context.Context, x *services.Workload) error {
	if err := s.needs(ctx, x); err != nil {
		return err
	}
	err := s.change(ctx, "start "+x.Name(), func() error {
		s.resume(x)
		return s.saveStopped()
	})
	if err != nil {
		return err
	}
	if x.Plain() {
		if err := s.each(ctx, x, "start", (*composepod.Worker).Start); err != nil {
			return err
		}
	}
	return s.await(ctx, func() (bool, error) { return s.begun(x) })
}

// begun reports whether all pods of a workload have started. The error says why one never will. Called by the loop.
func (s *Supervisor) begun(x *services.Workload) (bool, error) {
	pods := s.cluster.PodsOf(x.Name())
	if hasReplicas(x) && len(pods) < int(x.Replicas()) {
		return false, nil
	}
	for _, p := range pods {
		if why := view.Never(p); why != "" {
			return false, errors.New(why)
		}
		if p.Status.Phase == corev1.PodPending || p.Status.Phase == "" || p.DeletionTimestamp != nil {
			return false, nil
		}
	}
	return true, nil
}

// restartOne restarts a workload; a plain one when what it depends on is as depends_on asks for.
func (s *Supervisor) restartOne(ctx context.Context, r Control, x *services.Workload) error {
	if !x.Plain() {
		return s.change(ctx, "restart "+x.Name(), func() error { return s.cluster.Restart(x.Name(), time.Now()) })
	}
	if err := s.needs(ctx, x); err != nil {
		return err
	}
	return s.each(ctx, x, "restart", func(w *composepod.Worker) <-chan error { return w.Restart(r.Grace, "is restarted by hand") })
}

// needs blocks until what a plain workload depends on is as depends_on asks for, except for what is stopped. The controllers hold
// other workloads themselves.
func (s *Supervisor) needs(ctx context.Context, x *services.Workload) error {
	if !x.Plain() || len(x.DependsOn) == 0 {
		return nil
	}
	return s.await(ctx, func() (bool, error) {
		wait, waits := s.cluster.Wait(x.Name())
		switch {
		case !waits || s.allStopped(wait.For):
			return true, nil
		case wait.Never != "":
			return false, errors.New(wait.Never)
		}
		return false, nil
	})
}

// allStopped reports whether a workload has no pod but stopped ones. Called by the loop.
func (s *Supervisor) allStopped(name string) bool {
	return !slices.ContainsFunc(s.cluster.PodsOf(name), func(p *corev1.Pod) bool { return p.Status.Reason != services.ReasonStopped && !neverRan(p) })
}

// awaited is what somebody waits for. done is called by the loop after every step, until it returns true or an error.
type awaited struct {
	ctx    context.Context //nolint:containedctx // of the one who waits
	done   func() (bool, error)
	answer chan error
}

// await blocks until done, which the loop calls after it has published the status, returns true or an error, or until ctx or the
// supervisor ends.
func (s *Supervisor) await(ctx context.Context, done func() (bool, error)) error {
	a := awaited{ctx, done, make(chan error, 1)}
	err := s.change(ctx, "wait", func() error {
		s.awaited = append(s.awaited, a)
		return nil
	})
	if err != nil {
		return err
	}
	return s.answered(ctx, a.answer)
}

// answerAwaited tells those whose wait is over. Called by the loop.
func (s *Supervisor) answerAwaited() {
	s.awaited = slices.DeleteFunc(s.awaited, func(a awaited) bool {
		if a.ctx.Err() != nil {
			return true
		}
		is, err := a.done()
		if is || err != nil {
			a.answer <- err
		}
		return is || err != nil
	})
}
