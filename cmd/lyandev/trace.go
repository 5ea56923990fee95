package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/supervisor/drill"
	"github.com/lyandev/lyandev/supervisor/timeline"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// processBegan is when this process began.
var processBegan = time.Now()

// timed adds a step of this command that ends now, and began when the one before ended.
func timed(steps []timeline.Span, name string) []timeline.Span {
	start := processBegan
	if n := len(steps); n > 0 {
		start = steps[n-1].End
	}
	return append(steps, timeline.Span{Kind: timeline.Client, Name: name, Start: start, End: time.Now()})
}

// traceNames are the actions whose times are recorded.
var traceNames = []string{"up", "switch", "edit", "drill"}

func newTraceCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "trace", Usage: "show where the time of the last up, profile switch, edit or drill went", ArgsUsage: "[up|switch|edit|drill]",
		Description: "Prints what each pod spent its time with, the critical path (what would have to be faster for the whole to be faster), and\n" +
			"sums. Without an argument it is about the last one of any sort. It knows those since the supervisor started.",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "save", Usage: "write a trace to `FILE`, which https://ui.perfetto.dev and chrome://tracing open; \"-\" is the standard output"},
		}, output.Flags()...),
		Action: func(c *cli.Context) error { return runTrace(c, st) },
	}
}

// traceReport is the JSON form of trace.
type traceReport struct {
	Action *timeline.Action     `json:"action"`
	Pods   []*timeline.PodTimes `json:"pods"`
	Path   []timeline.Link      `json:"path"`
	Totals []timeline.Total     `json:"totals"`
}

func newTraceReport(a *timeline.Action) traceReport {
	return traceReport{Action: a, Pods: timeline.Pods(a), Path: timeline.Path(a), Totals: timeline.Totals(a)}
}

func runTrace(c *cli.Context, st *ui.Streams) error {
	how, err := outputOf(c, st)
	if err != nil {
		return err
	}
	name := c.Args().First()
	if name != "" && !slices.Contains(traceNames, name) {
		return unknownName("action", name, traceNames)
	}
	t, err := findTarget(c, nil)
	if err != nil {
		return err
	}
	a, err := t.client.Times(c.Context, name)
	if err != nil {
		return unattended(c.Context, t, "read the times of", err)
	}
	if a == nil {
		return fmt.Errorf("cannot show times: there was no %s since the supervisor started", nameOr(name, strings.Join(traceNames, ", ")))
	}
	if file := c.String("save"); file != "" {
		return saveTrace(st, a, file)
	}
	if how.ForProgram() {
		return output.Object(st.Out, newTraceReport(a), how)
	}
	return printTrace(st.Out, a, how)
}

func nameOr(name, otherwise string) string {
	if name == "" {
		return otherwise
	}
	return name
}

func saveTrace(st *ui.Streams, a *timeline.Action, file string) error {
	if file == "-" {
		return timeline.WriteTrace(st.Out, a)
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("cannot write the trace: %w", err)
	}
	err = timeline.WriteTrace(f, a)
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("cannot write the trace to %s: %w", file, err)
	}
	fmt.Fprintf(st.Err, "wrote %s; open it at https://ui.perfetto.dev or chrome://tracing\n", file)
	return nil
}

// printUpTrace prints the times of an `up` that has just ended. What this command did since the stack was ready is added.
func printUpTrace(c *cli.Context, st *ui.Streams, t *target) error {
	how, err := outputOf(c, st, output.Wide, output.Name)
	if err != nil {
		return err
	}
	a, err := t.client.Times(c.Context, "up")
	if err != nil || a == nil {
		return err
	}
	if now := time.Now(); a.Over {
		a.Spans = append(a.Spans, timeline.Span{Kind: timeline.Client, Name: "command notices, and checks that containers stay", Start: a.End, End: now})
		a.End = now
	}
	return printTrace(st.Out, a, how)
}

func printTrace(out io.Writer, a *timeline.Action, how output.Options) error {
	state := "took"
	if !a.Over {
		state = "has gone on for"
	}
	fmt.Fprintf(out, "%s %s: %s %s\n", a.Name, a.Title, state, inSeconds(a.Took()))
	if a.Error != "" {
		fmt.Fprintf(out, "it failed: %s\n", a.Error)
	}
	pods := timeline.Pods(a)
	pods = slices.DeleteFunc(pods, func(p *timeline.PodTimes) bool { return len(p.Steps) == 0 && p.Gone.IsZero() && p.Leaving.IsZero() })
	if len(pods) > 0 {
		fmt.Fprintln(out)
		if err := tracePods(a, pods).Print(out, pods, how); err != nil {
			return err
		}
	}
	fmt.Fprintln(out, "\nCritical path:")
	for _, line := range pathLines(a) {
		fmt.Fprintln(out, "  "+line)
	}
	if totals := timeline.Totals(a); len(totals) > 0 {
		fmt.Fprintln(out, "\nSums (what went on at the same time counts twice):")
		if err := traceTotals.Print(out, totals, how); err != nil {
			return err
		}
	}
	if a.Dropped > 0 {
		fmt.Fprintf(out, "%d spans were not recorded, because there were too many\n", a.Dropped)
	}
	return nil
}

// tracePods is the table of what pods spent their time with, in seconds; the last times are since the action began.
func tracePods(a *timeline.Action, pods []*timeline.PodTimes) output.List[*timeline.PodTimes] {
	sum := func(names ...string) func(*timeline.PodTimes) string {
		return func(p *timeline.PodTimes) string {
			var d time.Duration
			for _, s := range p.Steps {
				if slices.Contains(names, s.Name) {
					d += s.Took()
				}
			}
			return plainSeconds(d)
		}
	}
	at := func(when func(*timeline.PodTimes) time.Time) func(*timeline.PodTimes) string {
		return func(p *timeline.PodTimes) string {
			if t := when(p); !t.IsZero() && !t.Before(a.Start) {
				return plainSeconds(t.Sub(a.Start))
			}
			return ""
		}
	}
	gone := slices.ContainsFunc(pods, func(p *timeline.PodTimes) bool { return !p.Gone.IsZero() })
	return output.List[*timeline.PodTimes]{Columns: []output.Column[*timeline.PodTimes]{
		{Title: "POD", Cell: func(p *timeline.PodTimes) string { return p.Name }},
		{Title: "FREE AT", Cell: at(func(p *timeline.PodTimes) time.Time { return p.Released })},
		{Title: "QUEUED", Cell: sum(timeline.StepQueued)},
		{Title: "IMAGE", Cell: sum(timeline.StepImage)},
		{Title: "NETWORK", Cell: sum(timeline.StepSandbox)},
		{Title: "CREATE", Cell: sum(timeline.StepCreate)},
		{Title: "INIT", Cell: sum(timeline.StepInit)},
		{Title: "START", Cell: sum(timeline.StepStart, timeline.StepHook)},
		{Title: "PROBE", Cell: sum(timeline.StepProbe, timeline.StepRun)},
		{Title: "TRIES", Cell: func(p *timeline.PodTimes) string {
			if p.Tries == 0 {
				return ""
			}
			return strconv.Itoa(p.Tries)
		}},
		{Title: "OPERATOR", Cell: sum(timeline.StepOperator)},
		{Title: "READY AT", Cell: at((*timeline.PodTimes).Done)},
		{Title: "GONE AT", Cell: at(func(p *timeline.PodTimes) time.Time { return p.Gone }), Wide: !gone},
		{Title: "WAITED FOR", Cell: func(p *timeline.PodTimes) string {
			if p.For == "" {
				return ""
			}
			return p.For + " " + plainSeconds(p.Waited)
		}},
	}}
}

var traceTotals = output.List[timeline.Total]{Columns: []output.Column[timeline.Total]{
	{Title: "KIND", Cell: func(t timeline.Total) string { return string(t.Kind) }},
	{Title: "NAME", Cell: func(t timeline.Total) string { return t.Name }},
	{Title: "COUNT", Cell: func(t timeline.Total) string { return strconv.Itoa(t.Count) }},
	{Title: "FAILED", Cell: func(t timeline.Total) string {
		if t.Failed == 0 {
			return ""
		}
		return strconv.Itoa(t.Failed)
	}},
	{Title: "SUM", Cell: func(t timeline.Total) string { return inSeconds(t.Sum) }},
	{Title: "LONGEST", Cell: func(t timeline.Total) string { return inSeconds(t.Longest) }},
	{Title: "OF", Cell: func(t timeline.Total) string { return t.Of }},
}}

// pathLines are the critical path in words: a line for each pod or part, and one for each of its steps with the time and its share.
func pathLines(a *timeline.Action) []string {
	var out []string
	for _, l := range timeline.Path(a) {
		head := l.Object
		if head == "" {
			head = "command and supervisor"
		}
		if l.Why != "" {
			head += " (" + l.Why + ")"
		}
		if l.To().Sub(l.From()) < tellingStep {
			continue
		}
		out = append(out, fmt.Sprintf("at %5.2f s  %s", l.From().Sub(a.Start).Seconds(), head))
		for _, s := range l.Steps {
			if s.Took() < tellingStep {
				continue
			}
			share := 100 * s.Took().Seconds() / max(a.Took().Seconds(), 1e-9)
			out = append(out, fmt.Sprintf("           %7s %3.0f %%  %s%s", inSeconds(s.Took()), share, s.Text(), callsText(s)))
			for _, n := range s.Notes {
				out = append(out, fmt.Sprintf("                       %7.2f s  %s", n.At.Sub(a.Start).Seconds(), n.Text))
			}
		}
	}
	return out
}

// tellingStep is the length of the shortest step of the critical path that is printed, tellingCall that of engine calls in it.
const (
	tellingStep = 2 * time.Millisecond
	tellingCall = 5 * time.Millisecond
)

// callsText are the longest engine calls within a step.
func callsText(s timeline.Step) string {
	var parts []string
	for _, c := range s.Calls {
		if c.Took < tellingCall || len(parts) == 4 {
			break
		}
		text := c.Method
		if c.Count > 1 {
			text = fmt.Sprintf("%d x %s", c.Count, c.Method)
		}
		parts = append(parts, text+" "+plainSeconds(c.Took))
	}
	if len(parts) == 0 {
		return ""
	}
	return "  [" + strings.Join(parts, ", ") + "]"
}

// inSeconds is a duration in seconds, with two digits after the point, or three below 0.1 s.
func inSeconds(d time.Duration) string { return plainSeconds(d) + " s" }

func plainSeconds(d time.Duration) string {
	switch {
	case d < 500*time.Microsecond:
		return ""
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%.3f", d.Seconds())
	}
	return fmt.Sprintf("%.2f", d.Seconds())
}

// timeDrill tells the supervisor that a drill begins; the returned function tells that it has ended, with its phases. A supervisor that
// cannot be told records nothing.
func timeDrill(ctx context.Context, t *target, title string) func(*drill.Report, error) {
	a := timeline.Action{Name: "drill", Title: title, Start: time.Now()}
	_ = t.client.TakeTimes(ctx, a)
	return func(r *drill.Report, err error) {
		a.End, a.Over = time.Now(), true
		if err != nil {
			a.Error = err.Error()
		}
		if r != nil {
			a.Spans = drillPhases(r, a.Start, a.End)
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = t.client.TakeTimes(ctx, a)
	}
}

// drillPhases are the phases of a drill that ran between two times, without gaps. Those that did not come are left out.
func drillPhases(r *drill.Report, start, end time.Time) []timeline.Span {
	if r.FaultAt.IsZero() {
		return nil
	}
	var out []timeline.Span
	at := start
	phase := func(name string, to time.Time, detail string) {
		if to.After(at) && !to.After(end) {
			out = append(out, timeline.Span{Kind: timeline.Drill, Name: name, Start: at, End: to, Detail: detail})
			at = to
		}
	}
	phase("clients start and succeed", r.FaultAt, "")
	phase("until the supervisor noticed", r.FaultAt.Add(r.Detected), r.Fault+" on "+r.Target)
	phase("until all clients were served again", r.FaultAt.Add(r.Recovered), "")
	phase("until the fault was undone and the stack ready", r.FaultAt.Add(r.Right), "")
	phase("the writes are read back", end, "")
	for _, e := range r.Events {
		if telling(e) && e.Type == "Normal" {
			out = append(out, timeline.Span{Kind: timeline.Event, Name: e.Reason, Object: e.Name, Start: e.Last, End: e.Last, Detail: e.Reason + ": " + e.Message})
		}
	}
	return out
}

// Times implements api.TimesBackend.
func (b backend) Times(name string) *timeline.Action { return b.Supervisor.Times(name) }
