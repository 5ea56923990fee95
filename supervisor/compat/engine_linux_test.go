package compat_test

import (
	"context"
	"flag"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lyandev/lyandev/supervisor/e2e/harness"
)

// batchSize is how many cases run at the same time on the engine that is restarted. An engine has about thirty networks to give.
const batchSize = 8

// TestEngineRestart runs cases on an engine of the test's own, restarts that, and compares what is there afterwards. It runs
// with -full, or if -run names a case. The engine is the dockerd in PATH.
func TestEngineRestart(t *testing.T) {
	cases := restartable(t)
	if len(cases) == 0 {
		return
	}
	needTools(t)
	images := filepath.Join(tools.dir, "images.tar")
	if _, err := docker(t.Context(), "save", "-o", images, "debian:trixie-slim", imageFiles[0].tag, imageFiles[1].tag); err != nil {
		t.Fatal(err)
	}
	p := harness.NewPrivateEngine(t)
	if _, err := docker(t.Context(), "load", "-q", "-i", images); err != nil {
		t.Fatal(err)
	}
	for len(cases) > 0 {
		n := min(batchSize, len(cases))
		restartBatch(t, p, cases[:n])
		cases = cases[n:]
	}
}

// restartable are the cases that run to an end that an engine can be restarted at.
func restartable(t *testing.T) []*testCase {
	t.Helper()
	run := flag.Lookup("test.run").Value.String()
	_, name, named := strings.Cut(run, "/")
	if !*full && !named || testing.Short() {
		return nil
	}
	cases, err := readCases("testdata")
	if err != nil {
		t.Fatal(err)
	}
	match := regexp.MustCompile(name)
	var all []*testCase
	for _, c := range cases {
		if len(c.steps) == len(defaultSteps) && &c.steps[0] == &defaultSteps[0] && len(c.list("api")) == 0 && able(c) && match.MatchString(c.name) {
			all = append(all, c)
		}
	}
	return all
}

// restartBatch runs some cases with each of the programs, with a restart of the engine in between.
func restartBatch(t *testing.T, p *harness.PrivateEngine, cases []*testCase) {
	t.Helper()
	var pairs []*sessions
	for _, c := range cases {
		pairs = append(pairs, newSessions(t, c))
	}
	compose := restartSide(t, p, pairs, composeSide(t), nil)
	other := lyandevSide
	if *self {
		other = composeSide
	}
	lyandev := restartSide(t, p, pairs, other(t), compose)
	for i, s := range pairs {
		t.Run(s.c.name, func(t *testing.T) {
			var all []difference
			for n := range min(len(compose[i]), len(lyandev[i])) {
				all = append(all, compare(compose[i][n], lyandev[i][n])...)
			}
			report(t, s.c, all, false)
		})
	}
}

// restartSide starts the cases, restarts the engine and takes the cases down. It returns two snapshots of each case.
func restartSide(t *testing.T, p *harness.PrivateEngine, pairs []*sessions, by *side, truth [][]*snapshot) [][]*snapshot {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	snaps := make([][]*snapshot, len(pairs))
	var runs []*session
	for i, s := range pairs {
		var before []*snapshot
		if truth != nil {
			before = truth[i]
		}
		run := s.open(t, by, before)
		run.before = p.Network()
		runs = append(runs, run)
		snap, err := run.step(ctx, 0, "up")
		if err != nil {
			t.Fatalf("%s: %s: %v", by.name, s.c.name, err)
		}
		if why := unexpected(s.c, snap); why != "" && truth == nil {
			t.Errorf("%s: %s: %s", by.name, s.c.name, why)
		}
		snaps[i] = []*snapshot{snap}
	}
	p.Signal("TERM")
	p.Gone()
	p.Start()
	for i, run := range runs {
		if truth == nil || len(truth[i]) > 1 && truth[i][0].Failed == snaps[i][0].Failed {
			snap, err := run.look(ctx, 1, "engine restart")
			if err != nil {
				t.Errorf("%s: %s: %v", by.name, pairs[i].c.name, err)
				continue
			}
			snaps[i] = append(snaps[i], snap)
		}
		if err := run.finish(ctx); err != nil {
			t.Errorf("%s: %s: %v", by.name, pairs[i].c.name, err)
		}
		pairs[i].sweep(ctx)
	}
	return snaps
}
