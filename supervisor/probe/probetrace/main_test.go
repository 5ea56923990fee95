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

	"github.com/lyandev/lyandev/supervisor/probe/replay"
)

// runs is how often each recorded scenario is played: the workers' races must never show.
const runs = 20

func playFile(t *testing.T, path string) []event {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return playScenario(t, data)
}

func playScenario(t *testing.T, data []byte) []event {
	t.Helper()
	w, err := parse(data)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) { w.play(t.Context()) })
	return w.events
}

// TestRecordedTraces plays every recorded trace of the kubelet and has compare.py judge each distinct answer.
func TestRecordedTraces(t *testing.T) {
	files, err := filepath.Glob("../testdata/traces/probe-*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("cannot find the recorded traces: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			judged := map[string]bool{}
			for range runs {
				var out bytes.Buffer
				if err := replay.Write(&out, playFile(t, file)); err != nil {
					t.Fatal(err)
				}
				if !judged[out.String()] {
					judged[out.String()] = true
					judge(t, file, out.Bytes())
					sameEvents(t, file, out.Bytes())
				}
			}
		})
	}
}

func judge(t *testing.T, recorded string, ours []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ours.json")
	if err := os.WriteFile(path, ours, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("python3", "../../testdata/compare.py", recorded, path).CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// sameEvents compares the Kubernetes events, which compare.py leaves aside: texts and times (R13, R24).
func sameEvents(t *testing.T, recorded string, ours []byte) {
	t.Helper()
	theirs, err := os.ReadFile(recorded)
	if err != nil {
		t.Fatal(err)
	}
	said := func(data []byte) string {
		var trace struct{ Events []event }
		if err := json.Unmarshal(data, &trace); err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, e := range trace.Events {
			if e.Event == "k8sEvent" {
				lines = append(lines, fmt.Sprintf("%g %s", e.T, e.Text))
			}
		}
		slices.Sort(lines)
		return strings.Join(lines, "\n")
	}
	if got, want := said(ours), said(theirs); got != want {
		t.Errorf("events:\n%s\nrecorded:\n%s", got, want)
	}
}

// story is a trace in short: "1.31 readiness S" a try, "2 readiness=Failure" a result, "3 ready", "3 !started", "4 kill liveness".
func story(events []event) string {
	var lines []string
	for _, e := range events {
		line := ""
		switch e.Event {
		case "probe":
			line = fmt.Sprintf("%s %s", e.Type, e.Result)
		case "result":
			line = fmt.Sprintf("%s=%s", e.Type, e.Result)
		case "started", "ready":
			line = e.Event
			if !*e.Value {
				line = "!" + line
			}
		case "kill":
			line = "kill " + e.Type
		default:
			continue
		}
		lines = append(lines, fmt.Sprintf("%g %s", e.T, line))
	}
	return strings.Join(lines, "\n")
}

// TestRules plays scenarios of our own, for rules that have no recorded sample here. Expectations follow the rules' text.
func TestRules(t *testing.T) {
	for _, c := range ruleScenarios {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			told := map[string]bool{}
			for _, line := range strings.Split(story(playScenario(t, []byte(c.scenario))), "\n") {
				told[line] = true
			}
			for _, line := range strings.Split(c.want, ",") {
				line = strings.TrimSpace(line)
				text, no := strings.CutPrefix(line, "no ")
				found := told[text]
				if no && strings.HasPrefix(text, "* ") {
					for l := range told {
						found = found || strings.HasSuffix(l, text[1:])
					}
				}
				if found == no {
					t.Errorf("%q: found %v", line, found)
				}
				delete(told, text)
			}
			if c.exact {
				for line := range told {
					if line != "" {
						t.Errorf("unexpected %q", line)
					}
				}
			}
		})
	}
}

func TestParseScript(t *testing.T) {
	got, err := parseScript([]string{"S", "F*2", "S:1.5", "E1S", "E2F", "E", "T"})
	if err != nil || len(got) != 8 || got[3].takes.Seconds() != 1.5 || got[4].errors != 1 || got[5].errors != 2 || got[6].result != "E" {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := parseScript([]string{"X"}); err == nil {
		t.Fatal("X is no outcome")
	}
}

// TestWhatIsNotKnownIsRefused: a key that were dropped would make another scenario of it.
func TestWhatIsNotKnownIsRefused(t *testing.T) {
	for scenario, name := range map[string]string{
		`{"containers":[{"start":1}],"durration":2}`:                          `"durration"`,
		`{"containers":[{"begin":1}],"duration":2}`:                           `"begin"`,
		`{"liveness":{"script":["S"],"period":1},"containers":[]}`:            `"period"`,
		`{"scenario":{"reactToKill":{"stop":1}},"events":[],"oracle":"real"}`: `"stop"`,
		`{"liveness":{"script":["S","X"]}}`:                                   `"X"`,
	} {
		if _, err := parse([]byte(scenario)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", scenario, err)
		}
	}
}

func TestBareScenarioAndCommand(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.json")
	bare := `{"containers":[{"start":0.5}],"duration":2}`
	if err := os.WriteFile(path, []byte(bare), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := story(playFile(t, path)); got != "0.5 started\n0.5 ready" {
		t.Fatalf("story %q", got)
	}
	out, err := exec.Command("go", "run", ".", path).Output()
	if err != nil {
		t.Fatalf("%v", err)
	}
	var trace struct{ Events []event }
	if err := json.Unmarshal(out, &trace); err != nil || len(trace.Events) != 3 {
		t.Fatalf("output %s: %v", out, err)
	}
}
