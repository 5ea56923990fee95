package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/api"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// newLifecycleCommands returns the commands that stop, start and signal services of the running stack.
func newLifecycleCommands(st *ui.Streams) []*cli.Command {
	grace := &cli.Int64Flag{Name: "timeout", Aliases: []string{"t"}, Usage: "kill containers that have not stopped after `SECONDS`; default: the file's stop_grace_period"}
	action := func(verb, doing string) cli.ActionFunc {
		return func(c *cli.Context) error { return control(c, st, verb, doing) }
	}
	return []*cli.Command{
		{
			Name: "restart", Usage: "restart services", ArgsUsage: "[SERVICE...]",
			Description: "Containers of plain Compose services are stopped and started again in place; a one-shot runs again. Services with\n" +
				"Kubernetes' semantics get a rolling update of their pods, as with kubectl rollout restart, and the command does not\n" +
				"wait for its end. Services whose depends_on says restart: true are restarted too.",
			Flags: []cli.Flag{grace}, Action: action("restart", "restarting"),
		},
		{
			Name: "stop", Usage: "stop services, until start or up", ArgsUsage: "[SERVICE...]",
			Description: "Containers of plain Compose services are kept; pods of services with Kubernetes' semantics are removed. Volumes stay.\n" +
				"The supervisor goes on: `lyandev down` ends it.",
			Flags: []cli.Flag{grace}, Action: action("stop", "stopping"),
		},
		{
			Name: "start", Usage: "start services that were stopped or whose containers have ended", ArgsUsage: "[SERVICE...]",
			Action: action("start", "starting"),
		},
		{
			Name: "kill", Usage: "send a signal to the containers of services", ArgsUsage: "[SERVICE...]",
			Description: "What happens then is up to the restart policy of plain services and to the pods of other ones.",
			Flags:       []cli.Flag{&cli.StringFlag{Name: "signal", Aliases: []string{"s"}, Value: "SIGKILL", Usage: "the `SIGNAL` to send"}},
			Action:      action("kill", "killing"),
		},
		{
			Name: "pause", Usage: "freeze the containers of services", ArgsUsage: "[SERVICE...]",
			Action: action("pause", "pausing"),
		},
		{
			Name: "unpause", Usage: "let paused containers of services go on", ArgsUsage: "[SERVICE...]",
			Action: action("unpause", "unpausing"),
		},
		{
			Name: "trigger", Usage: "run CronJobs now, or Jobs again", ArgsUsage: "CRONJOB|JOB...",
			Description: "A CronJob's run beside its schedule is a Job of its own, as with kubectl create job --from. The command does not wait\n" +
				"for its end; see lyandev logs.",
			Action: action("trigger", "triggering"),
		},
		{
			Name: "rm", Usage: "remove the stopped containers of services, until up", ArgsUsage: "[SERVICE...]",
			Description: "Named volumes stay. `lyandev up` makes the containers again.",
			Flags: []cli.Flag{
				&cli.BoolFlag{Name: "stop", Aliases: []string{"s"}, Usage: "stop running containers first"},
				&cli.BoolFlag{Name: "volumes", Aliases: []string{"v"}, Usage: "remove their anonymous volumes too"},
				grace,
				&cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Usage: "accepted for Compose's sake: lyandev does not ask"},
			},
			Action: action("rm", "removing"),
		},
	}
}

// control asks the supervisor to do something with services, and blocks until it is done.
func control(c *cli.Context, st *ui.Streams, verb, doing string) error {
	t, err := findTarget(c, nil)
	if err != nil {
		return err
	}
	before, err := t.client.State(c.Context)
	if err != nil {
		return err
	}
	names := c.Args().Slice()
	if err := checkServices(before, names); err != nil {
		return err
	}
	r := api.ControlRequest{Verb: verb, Services: names, Signal: c.String("signal"), Stop: c.Bool("stop"), Volumes: c.Bool("volumes")}
	if c.IsSet("timeout") {
		r.Grace = new(c.Int64("timeout"))
	}
	if err := t.client.Control(c.Context, r); err != nil {
		return err
	}
	what := strings.Join(names, ", ")
	if what == "" {
		what = "all services"
	}
	fmt.Fprintf(st.Err, "%s %s\n", doing, what)
	return awaitControl(c, t, before, r)
}

// awaitControl blocks until what was asked for can be seen in the state.
func awaitControl(c *cli.Context, t *target, before *state.Status, r api.ControlRequest) error {
	done := map[string]func(*state.Status, state.Workload) bool{
		"stop": allStopped, "rm": noPods, "start": allStarted,
		"restart": func(s *state.Status, w state.Workload) bool { return restarted(before, s, w) },
	}[r.Verb]
	if done == nil {
		return nil
	}
	finished := make(chan error, 1)
	go func() {
		finished <- t.client.WatchState(c.Context, func(s *state.Status) bool {
			for _, w := range s.Workloads {
				if (len(r.Services) == 0 || among(w, r.Services)) && !done(s, w) {
					return true
				}
			}
			return false
		})
	}()
	select {
	case err := <-finished:
		return err
	case <-time.After(controlLimit):
		return withCode(exitNotReady, errors.New("it has not happened within "+controlLimit.String()+"; see `lyandev ps` and `lyandev events`"))
	}
}

// controlLimit bounds the wait for stop, start and restart.
const controlLimit = 5 * time.Minute

// among reports whether a workload is among the names of services.
func among(w state.Workload, names []string) bool {
	for _, n := range names {
		if n == w.Name || n == w.Service {
			return true
		}
	}
	return false
}

func allStopped(s *state.Status, w state.Workload) bool {
	for _, p := range s.PodsOf(w.Name) {
		if p.Status.Phase == corev1.PodRunning || p.DeletionTimestamp != nil {
			return false
		}
	}
	return true
}

// noPods is about rm: what was not stopped stays.
func noPods(s *state.Status, w state.Workload) bool {
	for _, p := range s.PodsOf(w.Name) {
		if p.Status.Phase != corev1.PodRunning || p.DeletionTimestamp != nil {
			return false
		}
	}
	return true
}

func allStarted(s *state.Status, w state.Workload) bool {
	for _, p := range s.PodsOf(w.Name) {
		if p.Status.Reason == services.ReasonStopped || p.Status.Phase == corev1.PodPending {
			return false
		}
	}
	return w.Hold == nil || w.Hold.Kind != "stopped"
}

// restarted reports whether the containers of a plain service have been started since before.
func restarted(before, now *state.Status, w state.Workload) bool {
	if w.Kind != services.ComposeServiceKind.Kind {
		return true
	}
	for _, p := range now.PodsOf(w.Name) {
		if old := before.Pod(p.Name); old != nil && old.UID == p.UID && startOf(p).Equal(startOf(old)) && restartsOf(p) == restartsOf(old) {
			return false
		}
	}
	return true
}

func startOf(p *corev1.Pod) time.Time {
	for _, c := range p.Status.ContainerStatuses {
		switch {
		case c.State.Running != nil:
			return c.State.Running.StartedAt.Time
		case c.State.Terminated != nil:
			return c.State.Terminated.StartedAt.Time
		}
	}
	return time.Time{}
}

func restartsOf(p *corev1.Pod) (n int32) {
	for _, c := range p.Status.ContainerStatuses {
		n += c.RestartCount
	}
	return n
}
