package main

import (
	"fmt"
	"io"
	"strconv"
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
	return printLoop(st.Out, stats, how)
}

// loopRow is a line of the table of stats loop: a stage of an action. Only the first of an action has head.
type loopRow struct {
	head  innerloop.ActionStats
	first bool
	stage innerloop.StageStats
}

// ofFirst is the text of an action in its first line, and a space in the others.
func ofFirst(text func(innerloop.ActionStats) string) func(loopRow) string {
	return func(r loopRow) string {
		if !r.first {
			return "\u00a0"
		}
		return text(r.head)
	}
}

func stageTime(of func(innerloop.StageStats) time.Duration) func(loopRow) string {
	return func(r loopRow) string {
		if r.stage.Stage == "" {
			return ""
		}
		return millis(of(r.stage))
	}
}

var loopRows = output.List[loopRow]{Columns: []output.Column[loopRow]{
	{Title: "ACTION", Cell: ofFirst(func(s innerloop.ActionStats) string { return string(s.Action) })},
	{Title: "EDITS", Cell: ofFirst(func(s innerloop.ActionStats) string { return strconv.Itoa(s.Count) })},
	{Title: "FAILED", Cell: ofFirst(func(s innerloop.ActionStats) string { return strconv.Itoa(s.Failed) })},
	{Title: "STAGE", Cell: func(r loopRow) string { return string(r.stage.Stage) }},
	{Title: "P50", Cell: stageTime(func(s innerloop.StageStats) time.Duration { return s.P50 })},
	{Title: "P90", Cell: stageTime(func(s innerloop.StageStats) time.Duration { return s.P90 })},
	{Title: "P99", Cell: stageTime(func(s innerloop.StageStats) time.Duration { return s.P99 })},
	{Title: "MAX", Cell: stageTime(func(s innerloop.StageStats) time.Duration { return s.Max })},
}}

func printLoop(out io.Writer, stats []innerloop.ActionStats, how output.Options) error {
	var rows []loopRow
	for _, s := range stats {
		rows = append(rows, loopRow{head: s, first: true})
		for i, g := range s.Stages {
			if i == 0 {
				rows = rows[:len(rows)-1]
			}
			rows = append(rows, loopRow{head: s, first: i == 0, stage: g})
		}
	}
	return loopRows.Print(out, rows, how)
}

func millis(d time.Duration) string {
	if d < 10*time.Millisecond {
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}

// Loop implements api.LoopBackend.
func (b backend) Loop() any { return b.LoopRecords() }
