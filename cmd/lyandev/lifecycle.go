package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/supervisor/api"
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
				"wait for its end. Services whose depends_on says restart: true are restarted after it.",
			Flags: []cli.Flag{grace}, Action: action("restart", "restarting"),
		},
		{
			Name: "stop", Usage: "stop services, until start or up", ArgsUsage: "[SERVICE...]",
			Description: "Services are stopped after those that depend on them. Containers of plain Compose services are kept; pods of services with Kubernetes' semantics are removed. Volumes stay.\n" +
				"The supervisor goes on: `lyandev down` ends it.",
			Flags: []cli.Flag{grace}, Action: action("stop", "stopping"),
		},
		{
			Name: "start", Usage: "start services that were stopped or whose containers have ended", ArgsUsage: "[SERVICE...]",
			Description: "What a service depends on is started first, and its condition (healthy, completed) waited for.",
			Action:      action("start", "starting"),
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
	names := c.Args().Slice()
	before, err := stateOrResume(c, st, t, verb, names)
	if err != nil || before == nil {
		return err
	}
	if err := checkServices(before, names); err != nil {
		return err
	}
	r := api.ControlRequest{Verb: verb, Services: names, Signal: c.String("signal"), Stop: c.Bool("stop"), Volumes: c.Bool("volumes")}
	if c.IsSet("timeout") {
		r.Grace = new(c.Int64("timeout"))
	}
	what := strings.Join(names, ", ")
	if what == "" {
		what = "all services"
	}
	fmt.Fprintf(st.Err, "%s %s\n", doing, what)
	return controlled(c.Context, t, r)
}

// controlLimit bounds the wait for stop, start, restart and rm.
const controlLimit = 5 * time.Minute

// controlled asks the supervisor for something, and blocks until it is done.
func controlled(ctx context.Context, t *target, r api.ControlRequest) error {
	limited, cancel := context.WithTimeout(ctx, controlLimit)
	defer cancel()
	err := t.client.Control(limited, r)
	if limited.Err() != nil && ctx.Err() == nil {
		return withCode(exitNotReady, errors.New("it has not happened within "+controlLimit.String()+"; see `lyandev ps` and `lyandev events`"))
	}
	return err
}
