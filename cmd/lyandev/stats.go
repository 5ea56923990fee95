package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/supervisor/innerloop"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newStatsCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "stats", Usage: "show what each pod uses of processors, memory, network and disks", ArgsUsage: "[SERVICE|POD...]",
		Description: "Shows it again every second until Ctrl-C, once if the output is not a terminal. The values of a pod are the sum of its\n" +
			"containers. CPU is the share of one processor within the last second.",
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "no-stream", Usage: "show it once"},
			&cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "also containers that do not run, which use nothing"},
			&cli.StringFlag{Name: "format", Value: "table", Usage: "table, json (one line of JSON per pod, with the names of docker compose stats), a Go `TEMPLATE`, or 'table TEMPLATE'; shown once"},
			&cli.BoolFlag{Name: "no-trunc", Usage: "with --format: whole IDs"},
		}, listFlags()...),
		Action: func(c *cli.Context) error { return runStats(c, st) },
		Subcommands: []*cli.Command{{
			Name: "loop", Usage: "percentiles of the inner loop's stages, from an edit to ready pods",
			Description: "Times count from the first detected change. Stages: batched (until the burst of changes ended), waited (for the\n" +
				"previous edit), built, shipped, restarted, ready. For pods updated one after another, the times are summed.",
			Flags:  output.Flags(),
			Action: func(c *cli.Context) error { return runStatsLoop(c, st) },
		}},
	}
}

// loopStats is the JSON form of stats loop.
type loopStats struct {
	Stats   []innerloop.ActionStats `json:"stats"`
	Records []innerloop.Record      `json:"records"`
}

func runStatsLoop(c *cli.Context, st *ui.Streams) error {
	how, err := outputOf(c, st)
	if err != nil {
		return err
	}
	t, err := findTarget(c, nil)
	if err != nil {
		return err
	}
	var records []innerloop.Record
	if err := t.client.Loop(c.Context, &records); err != nil {
		return fmt.Errorf("cannot read the inner loop's statistics: %w", err)
	}
	stats := innerloop.Stats(records)
	if how.ForProgram() {
		return output.Object(st.Out, loopStats{stats, records}, how)
	}
	if len(records) == 0 {
		fmt.Fprintln(st.Err, "no edit has been delivered to a pod since the supervisor started")
		return nil
	}
	return printLoop(st.Out, stats)
}

func printLoop(out io.Writer, stats []innerloop.ActionStats) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "ACTION\tEDITS\tFAILED\tSTAGE\tP50\tP90\tP99\tMAX\t")
	for _, s := range stats {
		head := fmt.Sprintf("%s\t%d\t%d", s.Action, s.Count, s.Failed)
		if len(s.Stages) == 0 {
			fmt.Fprintf(w, "%s\t-\t\t\t\t\t\n", head)
		}
		for _, g := range s.Stages {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t\n", head, g.Stage, millis(g.P50), millis(g.P90), millis(g.P99), millis(g.Max))
			head = "\t\t"
		}
	}
	return w.Flush()
}

func millis(d time.Duration) string {
	if d < 10*time.Millisecond {
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}

// Loop implements api.LoopBackend.
func (b backend) Loop() any { return b.LoopRecords() }
