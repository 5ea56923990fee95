package main

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lyandev/lyandev/supervisor/probe/replay"
)

// slack is by how many seconds a line may come earlier or later than in any recorded run, as in compare.py.
const slack = 1.3

// TestInformativeLines compares what compare.py leaves aside: sizes, events, conditions, statuses, endpoints, deletions. Every
// line that all runs of a recorded trace have must be there, about each object in their order, and no line that no run has.
// Which of several equal pods goes and what the look of a controller meets by chance differs from run to run.
func TestInformativeLines(t *testing.T) {
	files, err := filepath.Glob("../testdata/traces/ctl-*.json")
	if err != nil || len(files) < 31 {
		t.Fatalf("%d recorded traces: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if err := trace(file, &b); err != nil {
				t.Fatal(err)
			}
			sameLines(t, data, b.Bytes())
		})
	}
}

func sameLines(t *testing.T, recorded, ours []byte) {
	t.Helper()
	lines, others, err := replay.Lines(recorded)
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := replay.Lines(ours)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]replay.Line{}
	for _, l := range slices.Concat(lines, slices.Collect(maps.Values(others))) {
		known[l.Key] = l
	}
	for _, g := range got {
		w, ok := known[g.Key]
		switch {
		case !informative(g.Event):
		case !ok:
			t.Errorf("at %g, in no recorded run: %s", g.At, g.Key)
		case g.At < w.Earliest-slack || g.At > w.Latest+slack:
			t.Errorf("at %g, recorded %g to %g: %s", g.At, w.Earliest, w.Latest, g.Key)
		}
	}
	left := map[string][]replay.Line{}
	for _, g := range got {
		left[about(g)] = append(left[about(g)], g)
	}
	for _, w := range lines {
		if !informative(w.Event) || !w.Always {
			continue
		}
		i := slices.IndexFunc(left[about(w)], func(g replay.Line) bool { return g.Text == w.Text })
		if i < 0 {
			t.Errorf("not given, or not in its order, recorded at %g: %s", w.At, w.Text)
			continue
		}
		if w.Event != "event" { // events have no order within an instant
			left[about(w)] = left[about(w)][i+1:]
		}
	}
}

func informative(event string) bool {
	return slices.Contains([]string{"scale", "event", "delete", "condition", "status", "endpoints"}, event)
}

// about is what a line is about: a kind of line, the object, and the type of a condition.
func about(l replay.Line) string {
	object, rest, _ := strings.Cut(l.Text, " ")
	if l.Event == "condition" {
		kind, _, _ := strings.Cut(rest, "=")
		object += " " + kind
	}
	return l.Event + " " + object
}
