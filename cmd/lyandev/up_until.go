package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/mask"
	"github.com/lyandev/lyandev/supervisor/api"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
	"github.com/lyandev/lyandev/supervisor/ui/screen"
)

// untilEnd says at which end of a container `up` stops the stack: of any (exit), of one that failed (failure), or of any, with the exit
// code of the service from.
type untilEnd struct {
	exit, failure bool
	from          string
}

func (u untilEnd) any() bool { return u.exit || u.failure || u.from != "" }

// runUntilEnd applies the stack, prints the logs from the first line on, and blocks until a container has ended that --exit-code-from,
// --abort-on-container-exit or --abort-on-container-failure is about. Then it stops the stack. The exit code is that of the container, or of
// the service of --exit-code-from; exitNotReady if the stack cannot start, and exitInterrupted after Ctrl-C.
func runUntilEnd(c *cli.Context, t *target, o upOptions, answers bool) error {
	if from := o.until.from; from != "" && o.request.Stack.Find(from) == nil {
		return withCode(exitUsage, unknownName("service", from, o.request.Stack.DisplayNames()))
	}
	if !answers {
		if err := startInBackground(c, t); err != nil {
			return err
		}
	}
	ctx, stop := signal.NotifyContext(c.Context, os.Interrupt, syscall.SIGTERM)
	defer stop()
	end, err := awaitEnd(ctx, c, t, o)
	interrupted := ctx.Err() != nil
	stop() // a second Ctrl-C ends this command
	if err != nil && !interrupted && !errors.Is(err, errNotThere) {
		return abandonEmpty(t, err)
	}
	code, stopErr := stopAfter(c, t, o, end)
	switch {
	case interrupted:
		return errors.Join(exitCode(exitInterrupted), stopErr)
	case err != nil:
		return withCode(exitNotReady, errors.Join(err, stopErr))
	case stopErr != nil:
		return stopErr
	}
	return exitCode(code)
}

// awaitEnd applies the stack and blocks until a container has ended that o.until is about.
func awaitEnd(ctx context.Context, c *cli.Context, t *target, o upOptions) (*podEnd, error) {
	began := time.Now()
	before, _ := t.client.State(ctx)
	applied, err := t.client.Apply(ctx, o.request)
	if err != nil {
		return nil, err
	}
	for _, text := range applied.Warnings {
		fmt.Fprintf(o.st.Err, "%s %s\n", o.st.Paint(ui.Yellow, "warning:"), text)
	}
	if err := runAgain(ctx, t, before, o); err != nil {
		return nil, err
	}
	followed, endLogs := context.WithCancel(ctx)
	printed := make(chan struct{})
	go func() {
		defer close(printed)
		logs := o.logs
		logs.tail, logs.since, logs.mask, logs.silent = -1, began, mask.New(o.request.Stack), silent(o.request.Stack)
		if !o.noLogs {
			_ = printLogs(followed, c, o.st, t, logs)
		}
	}()
	var end *podEnd
	why := ""
	err = t.client.WatchState(ctx, func(s *state.Status) bool {
		if s.Applied < applied.Applied {
			return true
		}
		if end = o.until.endIn(s, o.request.Stack, began); end == nil {
			why = blocked(s)
		}
		return end == nil && why == ""
	})
	if why != "" {
		err = notThere{why}
	}
	if end != nil {
		time.Sleep(moment) // for the last lines of the log
	}
	endLogs()
	<-printed
	return end, err
}

// runAgain starts the service of --exit-code-from again if it had done its work before this up: its exit code is asked for now.
func runAgain(ctx context.Context, t *target, before *state.Status, o upOptions) error {
	if o.until.from == "" || before == nil {
		return nil
	}
	for _, p := range before.PodsOf(o.until.from) {
		if services.PlainPod(p) && p.Status.Phase == corev1.PodSucceeded {
			return t.client.Control(ctx, api.ControlRequest{Verb: "restart", Services: []string{o.until.from}})
		}
	}
	return nil
}

// endIn returns the first end of a container in a state that stops the stack, nil if there is none. Ends before began do not count, nor
// does the success of a service that another one waits for with service_completed_successfully.
func (u untilEnd) endIn(s *state.Status, stack *services.Stack, began time.Time) *podEnd {
	var first *podEnd
	var firstAt time.Time
	for _, p := range s.Pods {
		w, _ := s.Workload(p.Labels[services.WorkloadLabel])
		over := services.PlainPod(p) || w.Kind == "Job" && (w.Right || w.Failed != "")
		if !over || p.DeletionTimestamp != nil || p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed {
			continue
		}
		at := endOf(p)
		if at.Before(began.Truncate(time.Second)) {
			continue
		}
		e := podEnd{Pod: p.Name, Service: services.ShownService(p), ExitCode: exitCodeOf(p)}
		if e.ExitCode == 0 && e.Service != u.from && w.Name != u.from && (u.failure || awaited(stack, w.Name)) {
			continue
		}
		if first == nil || at.Before(firstAt) {
			first, firstAt = &e, at
		}
	}
	return first
}

// awaited reports whether a workload of the stack waits for the success of another one.
func awaited(stack *services.Stack, name string) bool {
	return slices.ContainsFunc(stack.Workloads, func(x *services.Workload) bool {
		return slices.ContainsFunc(x.DependsOn, func(d services.Dependency) bool { return d.Workload == name && d.Condition == services.Completed })
	})
}

// endOf is when the last container of a pod ended.
func endOf(p *corev1.Pod) (at time.Time) {
	for _, c := range p.Status.ContainerStatuses {
		if t := c.State.Terminated; t != nil && t.FinishedAt.After(at) {
			at = t.FinishedAt.Time
		}
	}
	return at
}

// stopAfter stops the stack and returns the exit code: that of the service of --exit-code-from, which is stopped first if it still runs, else
// that of the container that ended.
func stopAfter(c *cli.Context, t *target, o upOptions, end *podEnd) (code int, err error) {
	from := o.until.from
	if end != nil {
		code = int(end.ExitCode)
		fmt.Fprintf(o.st.Err, "%s exited with %d; stopping the stack\n", end.Pod, end.ExitCode)
		if x := o.request.Stack.Find(from); x != nil && x.DisplayName() != end.Service {
			if code, err = stopOne(c.Context, t, from, o.request.Grace); err != nil {
				return 0, err
			}
		}
	}
	o.cutShort(func() { _ = t.client.Stop(c.Context) })
	p := screen.New(o.st, screen.Options{Quiet: o.quiet})
	defer p.Close()
	return code, stopRunning(c.Context, t, func(s *state.Status) bool { p.Show(s); return true })
}

// stopOne stops the containers of a service and returns the exit code of the first that did not succeed.
func stopOne(ctx context.Context, t *target, name string, grace *int64) (code int, err error) {
	if err := t.client.Control(ctx, api.ControlRequest{Verb: "stop", Services: []string{name}, Grace: grace}); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, controlLimit)
	defer cancel()
	err = t.client.WatchState(ctx, func(s *state.Status) bool {
		code = 0
		for _, p := range s.PodsOf(name) {
			if p.Status.Phase == corev1.PodRunning {
				return true
			}
			if n := exitCodeOf(p); code == 0 {
				code = int(n)
			}
		}
		return false
	})
	return code, err
}
