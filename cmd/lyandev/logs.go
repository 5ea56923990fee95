package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/mask"
	"github.com/lyandev/lyandev/supervisor/explain"
	"github.com/lyandev/lyandev/supervisor/logs"
	"github.com/lyandev/lyandev/supervisor/ui"
)

type logOptions struct {
	follow, timestamps bool
	tail               int
	since              time.Duration
	names              []string
}

func newLogsCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "logs", Usage: "print the containers' logs", ArgsUsage: "[SERVICE|POD...]",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "follow until Ctrl-C, including pods that start later"},
			&cli.IntFlag{Name: "tail", Aliases: []string{"n"}, Value: -1, Usage: "print only the last `N` lines of each container"},
			&cli.DurationFlag{Name: "since", Usage: "print only lines of the last `DURATION`"},
			&cli.BoolFlag{Name: "timestamps", Aliases: []string{"t"}, Usage: "print the time of each line"},
		},
		Action: func(c *cli.Context) error {
			t, err := findTarget(c, nil)
			if err != nil {
				return err
			}
			o := logOptions{
				follow: c.Bool("follow"), tail: c.Int("tail"), since: c.Duration("since"), timestamps: c.Bool("timestamps"),
				names: c.Args().Slice(),
			}
			ctx, stop := signal.NotifyContext(c.Context, os.Interrupt, syscall.SIGTERM)
			defer stop()
			return printLogs(ctx, c, st, t, o)
		},
	}
}

// followLogs prints that up has attached and follows the logs until Ctrl-C or until the supervisor exits.
func followLogs(c *cli.Context, st *ui.Streams, t *target) error {
	ctx, stop := signal.NotifyContext(c.Context, os.Interrupt, syscall.SIGTERM)
	defer stop()
	fmt.Fprintln(st.Err, st.Paint(ui.Dim, "attached to the running supervisor; Ctrl-C detaches, `lyandev down` stops the stack"))
	return printLogs(ctx, c, st, t, logOptions{follow: true, tail: 0})
}

// printLogs prints log lines, each prefixed with its pod's name. Secrets in the pods' environments are masked.
func printLogs(ctx context.Context, c *cli.Context, st *ui.Streams, t *target, o logOptions) error {
	m := maskerOf(c, t)
	eng, err := connect(ctx)
	if ctx.Err() != nil {
		return nil // Ctrl-C came first
	}
	if err != nil {
		return err
	}
	defer eng.Close()
	known, matched := map[string]bool{}, false
	opts := logs.Options{
		Project: t.instance.Name, Follow: o.follow, Tail: o.tail, Timestamps: o.timestamps,
		Match: func(l map[string]string) bool {
			known[l[services.WorkloadLabel]] = true
			ok := len(o.names) == 0 || contains(o.names, l[logs.PodLabel]) || contains(o.names, l[services.WorkloadLabel]) ||
				contains(o.names, l[logs.PodLabel]+"/"+l[logs.ContainerLabel])
			matched = matched || ok
			return ok
		},
	}
	if o.since > 0 {
		opts.Since = time.Now().Add(-o.since)
	}
	width := 0
	err = logs.Stream(ctx, eng, opts, func(l logs.Line) {
		name := l.Pod
		if l.Container != "" && !strings.HasSuffix(l.Pod, l.Container) {
			name += "/" + l.Container
		}
		width = max(width, min(len(name), 44))
		text, out := m.String(l.Text), st.RawOut() // not a terminal: print the container's bytes unchanged
		if st.OutTTY {
			text, out = printable(st, text), st.Out
		}
		fmt.Fprintf(out, "%s %s\n", paintName(st, name, width), text)
	})
	if err == nil && !matched && len(o.names) > 0 && !o.follow {
		err = fmt.Errorf("cannot find logs of %s; pods with logs: %s", strings.Join(o.names, ", "), strings.Join(keysOf(known), ", "))
	}
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// maskerOf returns a masker for the secrets of the existing pods. If the pods cannot be listed, it masks only values that
// look like passwords.
func maskerOf(c *cli.Context, t *target) *mask.Masker {
	s, err := t.client.State(c.Context)
	if err != nil {
		s, err = observe(c, t)
	}
	if err != nil {
		return mask.New(nil)
	}
	return explain.Masker(s)
}

func keysOf(m map[string]bool) []string {
	var out []string
	for k := range m {
		if k != "" {
			out = append(out, k)
		}
	}
	return out
}

// printable keeps colours and drops every other escape sequence: a log must not move the cursor or set the title.
func printable(st *ui.Streams, s string) string {
	if !strings.ContainsAny(s, "\x1b\r\b\a\u009b") {
		return s
	}
	var b strings.Builder
	for s != "" {
		seq, _, n, _ := ansi.DecodeSequence(s, 0, nil)
		if n <= 0 {
			break
		}
		parameters, isCSI := strings.CutPrefix(seq, "\x1b[")
		parameters, isSGR := strings.CutSuffix(parameters, "m")
		switch {
		case isCSI && isSGR:
			b.WriteString(st.SGR(parameters))
		case seq[0] >= ' ' && seq[0] != 0x7f || seq == "\t":
			b.WriteString(seq)
		}
		s = s[n:]
	}
	return b.String()
}

func paintName(st *ui.Streams, name string, width int) string {
	text := fmt.Sprintf("%-*s |", width, name)
	if !st.OutTTY {
		return text
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	styles := []ui.Style{"36", "33", "32", "35", "34", "96", "93", "92", "95", "94"}
	return st.Paint(styles[h.Sum32()%uint32(len(styles))], text)
}
