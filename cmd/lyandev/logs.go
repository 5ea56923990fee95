package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/mask"
	"github.com/lyandev/lyandev/supervisor/explain"
	"github.com/lyandev/lyandev/supervisor/logs"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

type logOptions struct {
	follow, timestamps, previous bool
	// plain leaves out the prefix with the pod's name.
	plain bool
	tail  int
	// index is the number of the pod of each named service, from 1; 0 is all.
	index int
	// since and until are the zero time if there is no limit.
	since, until time.Time
	// names are services, pods or POD/CONTAINER, all if there are none; those of except are left out.
	names, except []string
	// mask hides secrets; nil is a masker for the pods that run now.
	mask *mask.Masker
	// to is where the lines go; nil is Out.
	to io.Writer
	// silent are workloads whose lines are left out.
	silent map[string]bool
}

func newLogsCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "logs", Usage: "print the containers' logs", ArgsUsage: "[SERVICE|POD...]",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "follow until Ctrl-C, including pods that start later"},
			&cli.StringFlag{Name: "tail", Aliases: []string{"n"}, Value: "all", Usage: "print only the last `N` lines of each container"},
			&cli.StringFlag{Name: "since", Usage: "print only lines after `TIME`: a duration before now (42m) or a date (2006-01-02T15:04:05Z)"},
			&cli.StringFlag{Name: "until", Usage: "print only lines before `TIME`"},
			&cli.IntFlag{Name: "index", Usage: "with SERVICE: only the pod number `N`, from 1"},
			&cli.BoolFlag{Name: "timestamps", Aliases: []string{"t"}, Usage: "print the time of each line"},
			&cli.BoolFlag{Name: "no-log-prefix", Usage: "print the lines without the names of their pods"},
			&cli.BoolFlag{Name: "no-color", Usage: "print without colours"},
			&cli.BoolFlag{Name: "previous", Aliases: []string{"p"}, Usage: "print the last run that ended of each container, as kubectl does"},
		},
		Action: func(c *cli.Context) error {
			o, err := parseLogOptions(c)
			if err != nil {
				return withCode(exitUsage, err)
			}
			if c.Bool("no-color") {
				st.Color = false
			}
			t, err := findTarget(c, nil)
			if err != nil {
				return err
			}
			if o.previous && o.follow {
				return withCode(exitUsage, errors.New("cannot follow logs with --previous: that run has ended; leave out one of -f and -p"))
			}
			ctx, stop := signal.NotifyContext(c.Context, os.Interrupt, syscall.SIGTERM)
			defer stop()
			return printLogs(ctx, c, st, t, o)
		},
	}
}

func parseLogOptions(c *cli.Context) (logOptions, error) {
	o := logOptions{
		follow: c.Bool("follow"), timestamps: c.Bool("timestamps"), previous: c.Bool("previous"), plain: c.Bool("no-log-prefix"), tail: -1, names: c.Args().Slice(),
		index: c.Int("index"),
	}
	if c.IsSet("index") && (o.index < 1 || len(o.names) == 0) {
		return o, fmt.Errorf("cannot use --index %d: it is the number of a pod of SERVICE, from 1", o.index)
	}
	if n := c.String("tail"); n != "all" {
		var err error
		if o.tail, err = strconv.Atoi(n); err != nil {
			return o, fmt.Errorf("cannot use --tail %q: it must be a number or all", n)
		}
	}
	var err error
	if o.since, err = parseMoment(c.String("since"), time.Now()); err != nil {
		return o, fmt.Errorf("cannot use --since %q: %w", c.String("since"), err)
	}
	if o.until, err = parseMoment(c.String("until"), time.Now()); err != nil {
		return o, fmt.Errorf("cannot use --until %q: %w", c.String("until"), err)
	}
	return o, nil
}

// printLogs prints log lines, each prefixed with its pod's name. Secrets in the pods' environments are masked.
func printLogs(ctx context.Context, c *cli.Context, st *ui.Streams, t *target, o logOptions) error {
	m := o.mask
	if m == nil {
		var s *state.Status
		if s, m = maskerOf(c, t); s != nil {
			if err := checkPods(s, o.names); err != nil {
				return err
			}
		}
		if o.index > 0 {
			var err error
			if o.names, err = podsByIndex(s, o.names, o.index); err != nil {
				return withCode(exitUsage, err)
			}
		}
	}
	eng, err := connect(ctx)
	if ctx.Err() != nil {
		return nil // Ctrl-C came first
	}
	if err != nil {
		return err
	}
	defer eng.Close()
	opts := logs.Options{
		Project: t.instance.Name, Follow: o.follow, Tail: o.tail, Since: o.since, Until: o.until, Timestamps: o.timestamps, Previous: o.previous,
		Match: func(name string, l map[string]string) bool {
			return !o.silent[l[services.WorkloadLabel]] && (len(o.names) == 0 || slices.ContainsFunc(o.names, isNamed(name, l))) &&
				!slices.ContainsFunc(o.except, isNamed(name, l))
		},
	}
	w := newLogWriter(st, m)
	w.plain = o.plain
	if o.to != nil {
		w.out.Reset(o.to)
	}
	opts.Flush = w.flush
	err = logs.Stream(ctx, eng, opts, w.line)
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// podsByIndex returns the names of the pods number index of services.
func podsByIndex(s *state.Status, names []string, index int) (out []string, err error) {
	if s == nil {
		return nil, fmt.Errorf("cannot use --index %d: neither a supervisor nor the engine says which pods there are", index)
	}
	for _, n := range names {
		list := s.PodsOf(n)
		slices.SortStableFunc(list, func(a, b *corev1.Pod) int { return len(a.Name) - len(b.Name) }) // web-2 comes before web-10
		if index > len(list) {
			return nil, fmt.Errorf("cannot use --index %d: %s has %d %s", index, n, len(list), plural(len(list), "pod"))
		}
		out = append(out, list[index-1].Name)
	}
	return out, nil
}

// maskerOf returns the status of the stack and a masker for the secrets of its pods. If the pods cannot be listed, the status is
// nil and only values that look like passwords are masked.
func maskerOf(c *cli.Context, t *target) (*state.Status, *mask.Masker) {
	s, err := t.client.State(c.Context)
	if err != nil {
		s, err = observe(c, t)
	}
	if err != nil {
		return nil, mask.New(nil)
	}
	return s, explain.Masker(s)
}
