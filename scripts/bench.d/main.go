//go:build unix

// Command bench measures lyandev and a peer on the same tasks, keeps the figures, and compares two versions.
//
//	bench [--force] [--runs N] [--out FILE] [PROGRAM...]
//	                       measure: all programs but scale, or the named ones
//	bench list             the programs and their rows
//	bench compare A B      how the figures of the result files A and B differ
//	bench readme [FILE]    write README's table from FILE; default: the newest result of all programs
//	                       on a quiet machine
//
// It is run by scripts/bench in the repository's root. It measures only while the load average of one minute is at most 0.3, and
// waits some minutes for that; --force or BENCH_FORCE=1 measures at once and marks the result as loaded.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, os.Args[1:])
	stop()
	switch {
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(os.Stderr, "bench: interrupted")
		os.Exit(130)
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	verb := ""
	if len(args) > 0 {
		verb = args[0]
	}
	switch {
	case verb == "list":
		for _, p := range programs {
			fmt.Printf("%-10s %s\n", p.name, p.about)
			for _, r := range rowsOf(map[string]bool{p.name: true}) {
				fmt.Printf("    %-24s %s\n", r.Key, r.What)
			}
		}
		return nil
	case verb == "compare" && len(args) == 3:
		return compareFiles(os.Stdout, args[1], args[2])
	case verb == "compare":
		return errors.New("compare needs two result files: scripts/bench compare A.json B.json")
	case verb == "readme" && len(args) <= 2:
		return writeReadme(args[1:])
	}
	return measure(ctx, args)
}

func writeReadme(args []string) error {
	cache, err := cacheDir()
	if err != nil {
		return err
	}
	path := filepath.Join(cache, "results", "latest.json")
	if len(args) == 1 {
		path = args[0]
	} else if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("cannot write the table: %w; run make bench on a quiet machine first, or name a result file", err)
	}
	if err := publish(".", path); err != nil {
		return err
	}
	fmt.Printf("README.md shows %s, which is kept as %s\n", path, published)
	return nil
}

// selected are the programs with these names, in the order of the table; all but those that are only run by name if there
// are none.
func selected(names []string) ([]program, error) {
	for _, name := range names {
		if !slices.ContainsFunc(programs, func(p program) bool { return p.name == name }) {
			return nil, fmt.Errorf("there is no program %q; `scripts/bench list` shows all", name)
		}
	}
	var out []program
	for _, p := range programs {
		if slices.Contains(names, p.name) || len(names) == 0 && !p.byName {
			out = append(out, p)
		}
	}
	return out, nil
}

func measure(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	force := flags.Bool("force", os.Getenv("BENCH_FORCE") != "", "measure although the machine is busy, and mark the result as loaded")
	runs := flags.Int("runs", 5, "how often each row is measured at least")
	out := flags.String("out", "", "the result file; default: DATE-COMMIT.json in the cache directory")
	if err := flags.Parse(args); err != nil {
		return err
	}
	list, err := selected(flags.Args())
	if err != nil {
		return err
	}
	b, err := newBench(ctx, *runs)
	if err != nil {
		return err
	}
	defer b.end()
	b.removeLeftovers(ctx)
	if err := b.prepare(ctx); err != nil {
		return err
	}
	if b.res.Load, b.res.Loaded, err = awaitQuiet(ctx, os.Stderr, *force, loadAverage); err != nil {
		return err
	}
	whole := flags.NArg() == 0
	err = b.runAll(ctx, list)
	path := *out
	if path == "" {
		name := b.res.Date.Format("20060102-150405") + "-" + b.res.Commit
		if !whole {
			name += "-" + strings.Join(flags.Args(), "-")
		}
		path = filepath.Join(b.cache, "results", name+".json")
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	if werr := b.res.write(path); werr != nil {
		return errors.Join(err, werr)
	}
	if whole && b.res.Runs >= 5 && !b.res.Loaded {
		if werr := b.res.write(filepath.Join(b.cache, "results", "latest.json")); werr != nil {
			return errors.Join(err, werr)
		}
	}
	fmt.Printf("\n# took %s; result: %s\n", time.Duration(b.res.Took*float64(time.Second)).Round(time.Second), path)
	return err
}
