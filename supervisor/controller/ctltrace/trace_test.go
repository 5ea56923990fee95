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
	for text, why := range map[string]string{
		`{`: "unexpected end",
		`{"objects":[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"kontainers":[]}}],"duration":1}`: "kontainers",
		`{"actions":[{"at":0.5,"do":"dance"}],"duration":1}`:                                                           `"dance"`,
		`{"actions":[{"at":0.5,"do":"patch","kind":"Job","name":"j","patch":{}}],"duration":1}`:                        "Job/j",
		`{"durration":1}`:                          `"durration"`,
		`{"actions":[{"at":1,"after":2}]}`:         `"after"`,
		`{"scenario":{"pods":{"i":{"ready":1}}}}`:  `"ready"`,
		`{"scenario":{"hidden":[]},"events":null}`: `"hidden"`,
	} {
		f := filepath.Join(t.TempDir(), "scenario.json")
		if err := os.WriteFile(f, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := trace(f, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestScriptedPodsDoAsTheRecordersDo: what the scripts of pods mean.
func TestScriptedPodsDoAsTheRecordersDo(t *testing.T) {
	const set = `{"objects":[{"apiVersion":"apps/v1","kind":"ReplicaSet","metadata":{"name":"web"},"spec":{"replicas":1,"selector":{"matchLabels":{"a":"b"}},
		"template":{"metadata":{"labels":{"a":"b"}},"spec":{%s"containers":[{"name":"c","image":"img:1"}]}}}}],"pods":{"img:1":%s},"actions":%s,"duration":9}`
	for _, c := range []struct{ name, policy, pods, actions, want string }{
		{"a run that fails restarts in place", "", `{"exitAfter":2,"exitCodes":[1]}`, `[]`, "podCreated web-1, podReady web-1, podReady web-1"},
		{"a run that succeeds ends the pod", "", `{"exitAfter":7,"neverReady":true}`, `[]`, "podCreated web-1, podEnd web-1, podCreated web-2"},
		{"under Never both do", `"restartPolicy":"Never",`, `{"exitAfter":7,"exitCodes":[1],"neverReady":true}`, `[]`, "podCreated web-1, podEnd web-1, podCreated web-2"},
		{
			"a pod that is being deleted never becomes ready", "", `{"readyAfter":2,"termTakes":3}`, `[{"at":1,"do":"deletePod","name":"web-1"}]`,
			"podCreated web-1, podDelete web-1, podCreated web-2, podReady web-2, podGone web-1",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := filepath.Join(t.TempDir(), "scenario.json")
			if err := os.WriteFile(f, fmt.Appendf(nil, set, c.policy, c.pods, c.actions), 0o600); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range strings.Split(strings.TrimSpace(timeline(t, f)), "\n") {
				if words := strings.Fields(e); strings.HasPrefix(words[1], "pod") {
					got = append(got, words[1]+" "+words[2])
				}
			}
			if text := strings.Join(got, ", "); text != c.want {
				t.Errorf("%s, want %s", text, c.want)
			}
		})
	}
}
