package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/lyandev/lyandev/supervisor/probe/replay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func load(t *testing.T, file string) (*scenario, []byte) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := parse(data)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return s, data
}

// played plays a scenario in virtual time.
func played(t *testing.T, s *scenario, relist bool) []event {
	t.Helper()
	var log *recorder
	synctest.Test(t, func(t *testing.T) { log = playOn(t.Context(), s, relist) })
	return log.events
}

// TestRecordedTraces compares with the kubelet's own traces, by the script that came with them.
func TestRecordedTraces(t *testing.T) {
	files, err := filepath.Glob("../testdata/traces/pod-*.json")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d recorded traces: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			s, _ := load(t, file)
			compare(t, file, played(t, s, true))
		})
	}
}

// TestRecordedTracesOnAnEngineWithEvents plays the same on an engine that tells every change at once, as Docker does.
func TestRecordedTracesOnAnEngineWithEvents(t *testing.T) {
	files, _ := filepath.Glob("../testdata/traces/pod-*.json")
	for _, file := range files {
		name := filepath.Base(file)
		if name == "pod-liveness-grace-pod.json" {
			continue // the kubelet probes a container that its last list still shows; there is no such list here
		}
		t.Run(name, func(t *testing.T) {
			s, _ := load(t, file)
			compare(t, file, played(t, s, false))
		})
	}
}

func compare(t *testing.T, file string, events []event) {
	t.Helper()
	var b bytes.Buffer
	if err := replay.Write(&b, events); err != nil {
		t.Fatal(err)
	}
	ours := filepath.Join(t.TempDir(), "ours.json")
	if err := os.WriteFile(ours, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("python3", "../../testdata/compare.py", file, ours).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// TestRules plays scenarios for rules that have no recorded trace. What is wanted was checked by hand against the rules.
func TestRules(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		s, data := load(t, file)
		var wanted struct {
			Want []string `json:"want"`
		}
		if err := json.Unmarshal(data, &wanted); err != nil {
			t.Fatal(err)
		}
		t.Run(strings.Join(append(s.Rules, s.Name), "/"), func(t *testing.T) {
			if d := cmp.Diff(inOrder(wanted.Want), inOrder(lines(played(t, s, true)))); d != "" {
				t.Fatalf("wanted (-), got (+):\n%s", d)
			}
		})
	}
}

// inOrder sorts what happens at the same time, which has no order.
func inOrder(lines []string) []string {
	lines = slices.Clone(lines)
	slices.SortStableFunc(lines, func(a, b string) int {
		var ta, tb float64
		_, _ = fmt.Sscan(a, &ta)
		_, _ = fmt.Sscan(b, &tb)
		switch {
		case ta < tb:
			return -1
		case ta > tb:
			return 1
		}
		return strings.Compare(a, b)
	})
	return lines
}

// lines is a trace cut down to what the scenarios speak of; an event's first occurrence stands for all.
func lines(events []event) []string {
	var out []string
	said := map[string]bool{}
	for _, e := range events {
		text := ""
		switch e.Event {
		case "create", "start", "sandboxRun", "sandboxStop", "podRemoved":
			text = strings.TrimSpace(e.Event + " " + e.ID)
		case "stop":
			text = fmt.Sprintf("stop %s grace=%d", e.ID, *e.Grace)
		case "exit":
			text = fmt.Sprintf("exit %s code=%d", e.ID, *e.Code)
		case "status":
			if strings.HasPrefix(e.Text, "phase=") || strings.HasPrefix(e.Text, "Ready=") {
				text = e.Text
			}
		case "event":
			if text = "event " + e.Text; said[text] || !spokenOf(e.Text) {
				text = ""
			}
			said["event "+e.Text] = true
		}
		if text != "" {
			out = append(out, fmt.Sprintf("%.3f %s", e.T, text))
		}
	}
	return out
}

func spokenOf(event string) bool {
	reason := strings.Fields(event)[1]
	return slices.Contains([]string{"Killing", "BackOff", "Failed", "FailedMount", "FailedPostStartHook", "FailedPreStopHook", "Unhealthy", "SandboxChanged"}, reason)
}
