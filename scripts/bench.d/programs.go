//go:build unix

package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

// program measures some rows.
type program struct {
	name, about string
	// byName says that it runs only if it is named.
	byName bool
	// ha says that it uses the example in profile ha, which is left running for the next program that uses it.
	ha    bool
	limit time.Duration
	do    func(ctx context.Context, b *bench) error
}

// programs are all programs, in the order in which they run.
var programs = []program{
	{"start", "start and stop of the example in profile ha", false, false, 10 * time.Minute, measureStart},
	{"minimal", "start of the example in profile minimal", false, false, 5 * time.Minute, measureMinimal},
	{"commands", "up without changes, ps, status, why, events, --version", false, false, 4 * time.Minute, measureCommands},
	{"rest", "memory and CPU of supervisor and agent at rest", false, true, 4 * time.Minute, measureRest},
	{"switch", "profile switches, with clients that ask meanwhile", false, true, 5 * time.Minute, measureSwitch},
	{"redis", "Redis masters that hang and that are killed", false, true, 8 * time.Minute, measureRedis},
	{"network", "service addresses and host ports", false, false, 5 * time.Minute, measureNetwork},
	{"test", "lyandev test until the stack is ready", false, false, 5 * time.Minute, measureTest},
	{"reset", "Reset() of a stack for tests", false, false, 5 * time.Minute, measureReset},
	{"snapshot", "snapshots of a large database", false, false, 5 * time.Minute, measureSnapshot},
	{"edits", "edits until they are live", false, false, 8 * time.Minute, measureEdits},
	{"logs", "printing a large log", false, false, 3 * time.Minute, measureLogs},
	{"scale", "stacks of 30, 100 and 300 pods", true, false, 40 * time.Minute, measureScale},
}

// loadedFactor is how much longer a program may take on a busy machine.
const loadedFactor = 4

// runAll runs programs one after the other and prints their rows. A program that fails does not keep the others from running; the
// error then says which have failed.
func (b *bench) runAll(ctx context.Context, list []program) error {
	names := map[string]bool{}
	for _, p := range list {
		names[p.name] = true
	}
	b.res.Rows = rowsOf(names)
	fmt.Println("#", b.res.heading())
	began := time.Now()
	failed := 0
	for _, p := range list {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !p.ha {
			b.endHA()
		}
		if err := b.runOne(ctx, p); err != nil {
			failed++
		}
	}
	b.endHA()
	b.res.Took = time.Since(began).Seconds()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d programs failed; the lines with ! say why", failed, len(list))
	}
	return nil
}

// runOne runs a program, within its limit, and prints its rows. Whatever happens, what it started is removed, except for the
// example in profile ha, which stays if the program succeeded.
func (b *bench) runOne(ctx context.Context, p program) error {
	fmt.Printf("\n## %s: %s\n", p.name, p.about)
	began, keep := time.Now(), len(b.undo)
	limit := p.limit
	if b.res.Loaded {
		limit *= loadedFactor
	}
	limited, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it took longer than %s", limit))
	defer cancel()
	var err error
	if p.ha {
		err = b.startHA(limited)
	}
	if err == nil {
		err = p.do(limited, b)
	}
	if b.ha != nil {
		keep = max(keep, b.ha.undone)
	}
	b.cleanUp(keep)
	rows := b.res.ofProgram(p.name)
	if err != nil {
		b.endHA()
		if cause := context.Cause(limited); cause != nil {
			err = fmt.Errorf("%w; %w", cause, err)
		}
		for _, r := range rows {
			r.Error = strings.TrimSpace(r.Error + "\n" + err.Error())
		}
	}
	if p.name == "scale" {
		printCurve(os.Stdout, rows)
	} else {
		printRows(os.Stdout, rows)
	}
	fmt.Printf("# %s took %s\n", p.name, time.Since(began).Round(time.Second))
	return err
}
