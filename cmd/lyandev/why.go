package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/explain"
	"github.com/lyandev/lyandev/supervisor/logs"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// logLimit bounds the time that why spends on containers' logs.
const logLimit = 3 * time.Second

func newWhyCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "why", Usage: "explain what a service or pod waits for, down to the root cause", ArgsUsage: "[SERVICE|POD]",
		Description: "Without an argument, explains the first cause that keeps the stack from being ready. Exits with 0 if nothing waits,\n" +
			"otherwise with 3.",
		Flags: output.Flags(),
		Action: func(c *cli.Context) error {
			how, err := outputOf(c, st)
			if err != nil {
				return err
			}
			return runWhy(c, st, how)
		},
	}
}

func runWhy(c *cli.Context, st *ui.Streams, how output.Options) error {
	t, err := findTarget(c, nil)
	if err != nil {
		return err
	}
	f, err := findFacts(c, t)
	if err != nil {
		return unattended(c.Context, t, "read the state of", nameFirst(c, t, err, c.Args().First()))
	}
	f.Deaf = deafPorts(c.Context, t, f.Snapshot, f.Now)
	f.Logs = logsOf(c.Context, t, f.Suspects(c.Args().First()))
	a, err := explain.Why(f, c.Args().First())
	var unknown *explain.UnknownError
	if errors.As(err, &unknown) {
		return unknownName("service or pod", unknown.Name, unknown.Known)
	}
	if err != nil {
		return withCode(exitUsage, err)
	}
	defer noteBrokenFile(c, st, t)
	if how.ForProgram() {
		err = output.Object(st.Out, a, how)
	} else {
		_, err = fmt.Fprint(st.Out, a.Text(f.Now))
	}
	if err == nil && a.Waits {
		err = exitCode(exitNotReady)
	}
	return err
}

// findFacts asks the supervisor for the snapshot, events and probe results that explanations are based on.
func findFacts(c *cli.Context, t *target) (explain.Facts, error) { return factsOf(c.Context, t) }

func factsOf(ctx context.Context, t *target) (explain.Facts, error) {
	f := explain.Facts{Now: time.Now(), LastLines: func(pod, container string) []string { return lastLines(ctx, t, pod, container) }}
	var err error
	f.Snapshot, err = t.client.State(ctx)
	if err == nil {
		f.Events, err = t.client.Events(ctx, 0)
	}
	if err == nil {
		f.Probes, err = t.client.ProbeAnswers(ctx)
	}
	return f, err
}

// quotedLines is how many lines of the log of a container that ended are quoted.
const quotedLines = 5

// lastLines returns the last lines of the log of a container's last run that ended, none if they cannot be read within 2 s.
func lastLines(ctx context.Context, t *target, pod, container string) []string {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	eng, err := connect(ctx)
	if err != nil {
		return nil
	}
	defer eng.Close()
	lines, err := logs.Last(ctx, eng, t.instance.Name, pod, container, quotedLines)
	if err != nil {
		return nil
	}
	return lines
}

// logsOf reads the last lines of the logs of containers, each given as POD/CONTAINER. Explanations do without what cannot be read.
func logsOf(ctx context.Context, t *target, containers []string) []explain.LogLine {
	if len(containers) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, logLimit)
	defer cancel()
	eng, err := connect(ctx)
	if err != nil {
		return nil
	}
	defer eng.Close()
	var out []explain.LogLine
	_ = logs.Stream(ctx, eng, logs.Options{
		Project: t.instance.Name, Tail: explain.LogTail,
		Match: func(_ string, l map[string]string) bool {
			return slices.Contains(containers, l[services.PodLabel]+"/"+l[services.ContainerLabel])
		},
	}, func(l logs.Line) {
		out = append(out, explain.LogLine{Pod: l.Pod, Container: l.Container, Text: l.Text})
	})
	return out
}
