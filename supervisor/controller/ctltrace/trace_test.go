package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the timelines of the scenarios anew")

// TestRecordedTraces runs every recorded scenario and compares the outcome with what Kubernetes did.
func TestRecordedTraces(t *testing.T) {
	files, err := filepath.Glob("../testdata/traces/ctl-*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded traces: %v", err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			if err := trace(f, &out); err != nil {
				t.Fatal(err)
			}
			ours := filepath.Join(t.TempDir(), "ours.json")
			if err := os.WriteFile(ours, out.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			if msg, err := exec.Command("python3", "../../testdata/compare.py", f, ours).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, msg)
			}
		})
	}
}

// TestScenarios runs scenarios of our own for the rules that no recorded trace shows. Their timelines were checked by hand.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("../testdata/scenarios/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".json"), func(t *testing.T) {
			t.Parallel()
			got := timeline(t, f)
			golden := strings.TrimSuffix(f, ".json") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("timeline differs from %s:\n%s", golden, got)
			}
		})
	}
}

// timeline is what happened to the pods, a line an event.
func timeline(t *testing.T, file string) string {
	t.Helper()
	var out bytes.Buffer
	if err := trace(file, &out); err != nil {
		t.Fatal(err)
	}
	var run struct{ Events []event }
	if err := json.Unmarshal(out.Bytes(), &run); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range run.Events {
		switch e.Event {
		case "podCreated", "podReady", "podDelete", "podGone", "podEnd", "action", "endpoints":
			fmt.Fprintf(&b, "%7.1f %s %s\n", e.T, e.Event, strings.TrimSpace(e.Text))
		}
	}
	return b.String()
}

func TestTheSameScenarioGivesTheSameTrace(t *testing.T) {
	const file = "../testdata/traces/ctl-dep-rolling-10.json"
	var a, b bytes.Buffer
	if err := trace(file, &a); err != nil {
		t.Fatal(err)
	}
	if err := trace(file, &b); err != nil {
		t.Fatal(err)
	}
	if a.String() != b.String() {
		t.Error("two runs differ")
	}
}

func TestABadScenarioIsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"not JSON":        `{`,
		"unknown field":   `{"objects":[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"kontainers":[]}}],"duration":1}`,
		"unknown action":  `{"actions":[{"at":0.5,"do":"dance"}],"duration":1}`,
		"nothing to mend": `{"actions":[{"at":0.5,"do":"patch","kind":"Job","name":"j","patch":{}}],"duration":1}`,
	} {
		t.Run(name, func(t *testing.T) {
			f := filepath.Join(t.TempDir(), "scenario.json")
			if err := os.WriteFile(f, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := trace(f, &bytes.Buffer{}); err == nil {
				t.Error("no error")
			}
		})
	}
}
