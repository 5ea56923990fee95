package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/api"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newPauseProbesCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "pause-probes", Usage: "do not judge pods by their probes while you debug them", ArgsUsage: "SERVICE|POD...",
		Description: "No failed probe restarts a container. A container that is ready stays ready, so that the request that hit a breakpoint is\n" +
			"answered, and is not probed: a process that stands gets no requests that it would answer later. One that has just been\n" +
			"started is probed until it is ready, so that rollouts and live updates go on. No rollout or restart counts as failed\n" +
			"meanwhile.\n" +
			"\n" +
			"The pause of a SERVICE is for its pods of now and later ones, until resume-probes, the end of --for, or down. That of a\n" +
			"POD is for this pod alone, until it is replaced. To pause from the first start on, give the service the annotation\n" +
			"(annotations:, or x-lyandev.annotations) " + services.PauseProbesAnnotation + ": \"true\", or \"liveness\".\n" +
			"\n" +
			"The health check of a plain Compose service is the engine's and goes on; its result does not count meanwhile.\n" +
			"`lyandev help debugging` tells how to attach debuggers.\n" +
			"\n" +
			"Examples:\n" +
			"  lyandev pause-probes web\n" +
			"  lyandev pause-probes web-0 --for 30m\n" +
			"  lyandev pause-probes web --liveness",
		Flags: []cli.Flag{
			&cli.DurationFlag{Name: "for", Usage: "resume them after `TIME`, for example 30m; default: never"},
			&cli.BoolFlag{Name: "liveness", Usage: "pause liveness and startup probes only: a container that stands gets no traffic"},
			jsonFlag(),
		},
		Action: func(c *cli.Context) error {
			if c.IsSet("for") && c.Duration("for") < time.Second {
				return withCode(exitUsage, fmt.Errorf("cannot pause probes for %s: --for must be at least 1s", c.Duration("for")))
			}
			r := api.ProbePauseRequest{Names: c.Args().Slice(), Liveness: c.Bool("liveness"), For: c.Duration("for")}
			return changeProbes(c, st, r, (*api.Client).PauseProbes, func(pods []string) string {
				if len(pods) == 0 {
					return "the probes of later pods of " + strings.Join(r.Names, ", ") + " will be paused"
				}
				return "the probes of " + strings.Join(pods, ", ") + " are paused; `lyandev resume-probes " + strings.Join(r.Names, " ") + "` resumes them"
			})
		},
	}
}

func newResumeProbesCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "resume-probes", Usage: "judge pods by their probes again, after pause-probes", ArgsUsage: "[SERVICE|POD...]",
		Description: "Without names, all probes that pause-probes has paused. Failures are counted from zero.\n" +
			"\n" +
			"Example:\n" +
			"  lyandev resume-probes web",
		Flags: []cli.Flag{jsonFlag()},
		Action: func(c *cli.Context) error {
			r := api.ProbePauseRequest{Names: c.Args().Slice()}
			return changeProbes(c, st, r, (*api.Client).ResumeProbes, func(pods []string) string {
				if len(pods) == 0 {
					return "no probes were paused"
				}
				return "the probes of " + strings.Join(pods, ", ") + " are judged again"
			})
		},
	}
}

// changeProbes asks the supervisor to pause or resume probes, and tells of which pods it has.
func changeProbes(c *cli.Context, st *ui.Streams, r api.ProbePauseRequest,
	change func(*api.Client, context.Context, api.ProbePauseRequest) ([]string, error), told func(pods []string) string,
) error {
	t, err := findTarget(c, nil)
	if err != nil {
		return err
	}
	s, err := t.client.State(c.Context)
	if err != nil {
		return err
	}
	if err := checkPods(s, r.Names); err != nil {
		return err
	}
	pods, err := change(t.client, c.Context, r)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(st.Out, struct {
			Pods []string `json:"pods"`
		}{append([]string{}, slices.Clone(pods)...)})
	}
	fmt.Fprintln(st.Err, told(pods))
	return nil
}
