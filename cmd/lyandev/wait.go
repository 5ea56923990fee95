package main

import (
	"fmt"
	"os"
	"os/signal"
	"slices"

	"github.com/urfave/cli/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newWaitCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "wait", Usage: "wait until services have ended, and exit with their exit code", ArgsUsage: "SERVICE...",
		Description: "Blocks until every pod of the services has ended, and prints each one's exit code. Exits with the first that is not 0.\n" +
			"A service that always restarts ends only with the stack. `lyandev up --wait` waits until the stack is ready.",
		Flags: output.Flags(),
		Action: func(c *cli.Context) error {
			t, err := findTarget(c, nil)
			if err != nil {
				return err
			}
			s, err := t.client.State(c.Context)
			if err != nil {
				return nameFirst(c, t, err, c.Args().Slice()...)
			}
			if err := checkPods(s, c.Args().Slice()); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(c.Context, os.Interrupt)
			defer stop()
			retries, err := retriesOf(c, t, s)
			if err != nil {
				return err
			}
			var ends []podEnd
			err = t.client.WatchState(ctx, func(s *state.Status) bool {
				var over bool
				ends, over = endsOf(s, c.Args().Slice(), ends, retries)
				return !over
			})
			if ctx.Err() != nil {
				return exitCode(exitInterrupted)
			}
			if err != nil {
				return err
			}
			return tellEnds(c, st, ends)
		},
	}
}

// podEnd is how a pod ended.
type podEnd struct {
	Pod      string `json:"pod"`
	Service  string `json:"service"`
	ExitCode int32  `json:"exitCode"`
}

// retriesOf returns how often each of the command line's Jobs may fail before it is given up.
func retriesOf(c *cli.Context, t *target, s *state.Status) (map[string]int, error) {
	out := map[string]int{}
	for _, n := range c.Args().Slice() {
		if w, ok := s.Workload(n); !ok || w.Kind != "Job" {
			continue
		}
		w, err := t.client.Workload(c.Context, n)
		if err != nil {
			return nil, err
		}
		if job, ok := w.Object.(*batchv1.Job); ok && job.Spec.BackoffLimit != nil {
			out[n] = int(*job.Spec.BackoffLimit)
		}
	}
	return out, nil
}

// endsOf returns how the pods of services ended, and whether all have: none runs, and the service starts no other. Ends that
// former snapshots have shown, of pods that are gone, are kept.
func endsOf(s *state.Status, names []string, former []podEnd, retries map[string]int) (ends []podEnd, over bool) {
	ends, over = slices.Clone(former), true
	have, failed := map[string]bool{}, map[string]int{}
	for _, p := range s.Pods {
		if !slices.ContainsFunc(names, func(n string) bool { return isPod(s, p, n) }) {
			continue
		}
		have[services.ShownService(p)] = true
		have[p.Labels[services.WorkloadLabel]] = true
		if p.Status.Phase == corev1.PodFailed {
			failed[p.Labels[services.WorkloadLabel]]++
		}
		if p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed {
			over = false
			continue
		}
		ends = slices.DeleteFunc(ends, func(e podEnd) bool { return e.Pod == p.Name })
		ends = append(ends, podEnd{p.Name, services.ShownService(p), exitCodeOf(p)})
	}
	for _, n := range names {
		w, ok := s.Workload(n)
		limit, retried := retries[n]
		if ok && !w.Right && (!have[n] && w.Want > 0 || retried && failed[n] <= limit) {
			over = false // a pod is still to be made
		}
	}
	return ends, over
}

// exitCodeOf is the exit code of an ended pod: the first of its containers that is not 0.
func exitCodeOf(p *corev1.Pod) int32 {
	for _, list := range [][]corev1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses} {
		for _, c := range list {
			if t := c.State.Terminated; t != nil && t.ExitCode != 0 {
				return t.ExitCode
			}
		}
	}
	if p.Status.Phase == corev1.PodFailed {
		return exitFailed
	}
	return 0
}

func tellEnds(c *cli.Context, st *ui.Streams, ends []podEnd) error {
	how, err := outputOf(c, st)
	if err != nil {
		return err
	}
	code := int32(0)
	for _, e := range ends {
		if code == 0 {
			code = e.ExitCode
		}
		if !how.ForProgram() {
			fmt.Fprintf(st.Out, "%s exited with %d\n", e.Pod, e.ExitCode)
		}
	}
	if how.ForProgram() {
		if err := output.Object(st.Out, ends, how); err != nil {
			return err
		}
	}
	return exitCode(int(code))
}
