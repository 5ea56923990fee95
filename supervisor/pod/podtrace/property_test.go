package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"
)

// randomScenario is a pod of up to three containers and an init container or sidecar that crash, hang, fail probes and
// are killed at random, for twenty minutes.
func randomScenario(rt *rapid.T) *scenario {
	names := []string{"a", "b", "c"}[:rapid.IntRange(1, 3).Draw(rt, "containers")]
	behaviors := map[string]any{}
	var containers, inits []any
	for _, n := range names {
		containers = append(containers, randomContainer(rt, n))
		behaviors[n] = randomBehaviors(rt, n)
	}
	if rapid.Bool().Draw(rt, "init") {
		c := randomContainer(rt, "i")
		if rapid.Bool().Draw(rt, "sidecar") {
			c["restartPolicy"] = "Always"
		} else {
			delete(c, "livenessProbe")
			delete(c, "readinessProbe")
			delete(c, "startupProbe")
		}
		inits = append(inits, c)
		behaviors["i"] = randomBehaviors(rt, "i")
	}
	var actions []any
	for i := range rapid.IntRange(0, 3).Draw(rt, "actions") {
		at := rapid.IntRange(1, 1000).Draw(rt, fmt.Sprint("at", i))
		do := rapid.SampledFrom([]string{"killContainer", "delete", "stopSandbox", "setImage"}).Draw(rt, fmt.Sprint("do", i))
		actions = append(actions, map[string]any{"at": at, "do": do, "name": "a", "image": fmt.Sprint("img:", i+2), "grace": 5})
	}
	raw, err := json.Marshal(map[string]any{
		"pod": map[string]any{
			"metadata": map[string]any{"name": "p"},
			"spec": map[string]any{
				"containers": containers, "initContainers": inits, "terminationGracePeriodSeconds": 7,
				"restartPolicy": rapid.SampledFrom([]string{"Always", "OnFailure", "Never"}).Draw(rt, "policy"),
			},
		},
		"behaviors": behaviors, "actions": actions, "duration": 1200,
	})
	if err != nil {
		rt.Fatal(err)
	}
	s, err := parse(raw)
	if err != nil {
		rt.Fatal(err)
	}
	return s
}

func randomContainer(rt *rapid.T, name string) map[string]any {
	c := map[string]any{"name": name, "image": "img:1"}
	for _, p := range []string{"liveness", "readiness", "startup"} {
		if rapid.Bool().Draw(rt, name+p) {
			c[p+"Probe"] = map[string]any{
				"exec":             map[string]any{"command": []string{p}},
				"periodSeconds":    rapid.IntRange(1, 7).Draw(rt, name+p+"period"),
				"failureThreshold": rapid.IntRange(1, 4).Draw(rt, name+p+"threshold"),
			}
		}
	}
	return c
}

func randomBehaviors(rt *rapid.T, name string) []any {
	var out []any
	for i := range rapid.IntRange(1, 3).Draw(rt, name+"instances") {
		key := fmt.Sprint(name, i)
		b := map[string]any{
			"ignoreTerm": rapid.Bool().Draw(rt, key+"ignore"),
			"exec": map[string]any{
				"liveness":  []string{randomOutcome(rt, key+"l"), randomOutcome(rt, key+"l2"), randomOutcome(rt, key+"l3")},
				"readiness": []string{randomOutcome(rt, key+"r"), randomOutcome(rt, key+"r2")},
				"startup":   []string{randomOutcome(rt, key+"s"), "S"},
			},
		}
		if rapid.Bool().Draw(rt, key+"exits") {
			b["exitAfter"] = rapid.IntRange(1, 100).Draw(rt, key+"after")
			b["exitCode"] = rapid.IntRange(0, 2).Draw(rt, key+"code")
		}
		if rapid.IntRange(0, 9).Draw(rt, key+"start") == 0 {
			b["startError"] = "boom"
		}
		out = append(out, b)
	}
	return out
}

func randomOutcome(rt *rapid.T, key string) string {
	return rapid.SampledFrom([]string{"S", "S", "S", "F", "E", "T", "S:0.5", "F*3"}).Draw(rt, key)
}

// TestProperties plays random pods on both kinds of engine and checks what must hold of every life.
func TestProperties(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := randomScenario(rt)
		events := played(t, s, rapid.Bool().Draw(rt, "relist"))
		neverTwoAtOnce(rt, events)
		backOffIsKept(rt, s, events)
		neverKilledBelowThreshold(rt, s, events)
		neverReadyWithoutSuccess(rt, s, events)
		nothingStartsAfterTheEnd(rt, events)
	})
}

// neverTwoAtOnce: a container's instance is created only when the one before has ended.
func neverTwoAtOnce(rt *rapid.T, events []event) {
	alive := map[string]string{}
	for _, e := range events {
		switch e.Event {
		case "start":
			if strings.HasPrefix(e.Text, "error") {
				continue
			}
			if old := alive[e.Container]; old != "" {
				rt.Fatalf("%.3f: %s starts while %s runs", e.T, e.ID, old)
			}
			alive[e.Container] = e.ID
		case "exit":
			if alive[e.Container] == e.ID {
				delete(alive, e.Container)
			}
		}
	}
}

// backOffIsKept: an instance that ended by itself is followed no earlier than the second restart's 10 s, then 20 s ...
// as long as nothing else happens to the pod and no run lasts longer than 600 s (R71).
func backOffIsKept(rt *rapid.T, s *scenario, events []event) {
	if len(s.Actions) > 0 || strings.Contains(text(events), "Killing") {
		return
	}
	ended, wait := map[string]float64{}, map[string]float64{}
	last := map[string]float64{}
	for _, e := range events {
		switch {
		case e.Event == "exit", e.Event == "start" && strings.HasPrefix(e.Text, "error"):
			ended[e.Container] = e.T
		case e.Event == "create":
			end, again := ended[e.Container]
			if !again {
				continue
			}
			if e.T-last[e.Container] > 590 {
				wait[e.Container] = 0
			}
			last[e.Container] = e.T
			if e.T-end < wait[e.Container]-0.002 {
				rt.Fatalf("%.3f: %s after %.3f s, not %.0f s", e.T, e.ID, e.T-end, wait[e.Container])
			}
			wait[e.Container] = min(max(2*wait[e.Container], 10), 300)
		}
	}
}

func text(events []event) string {
	var b strings.Builder
	for _, e := range events {
		b.WriteString(e.Text + "\n")
	}
	return b.String()
}

// neverKilledBelowThreshold: a liveness kill comes only after as many failures in a row as its threshold, counted over
// instances (R7, R18). A command that was to succeed fails if its container ends under it, so events count, not scripts.
func neverKilledBelowThreshold(rt *rapid.T, s *scenario, events []event) {
	run, passing := map[string]int{}, map[string]bool{}
	for _, e := range events {
		c := e.Container
		switch {
		case e.Event == "exec" && e.Text == "liveness":
			if passing[c] {
				run[c] = 0
			}
			passing[c] = e.Result == "S"
		case e.Event == "event" && strings.Contains(e.Text, "Liveness probe failed"):
			run[c]++
			passing[c] = false
		case e.Event == "event" && strings.Contains(e.Text, " failed liveness probe"):
			if want := threshold(s, c); run[c] < want {
				rt.Fatalf("%.3f: %s killed after %d of %d failures", e.T, c, run[c], want)
			}
			run[c] = 0
		}
	}
}

func threshold(s *scenario, container string) int {
	for _, list := range [][]corev1.Container{s.Pod.Spec.InitContainers, s.Pod.Spec.Containers} {
		for _, c := range list {
			if c.Name == container && c.LivenessProbe != nil {
				return int(c.LivenessProbe.FailureThreshold)
			}
		}
	}
	return 0
}

// neverReadyWithoutSuccess: a container with a readiness probe is shown ready only after a success of its instance.
func neverReadyWithoutSuccess(rt *rapid.T, s *scenario, events []event) {
	passed := map[string]bool{}
	for _, e := range events {
		switch {
		case e.Event == "create":
			passed[e.Container] = false
		case e.Event == "exec" && e.Text == "readiness" && strings.HasPrefix(e.Result, "S"):
			passed[e.Container] = true
		case e.Event == "status" && strings.Contains(e.Text, "running") && strings.Contains(e.Text, "ready=true"):
			name := strings.Trim(strings.Fields(e.Text)[0], "[]")
			for _, c := range s.Pod.Spec.Containers {
				if c.Name == name && c.ReadinessProbe != nil && !passed[name] {
					rt.Fatalf("%.3f: %s ready without a success", e.T, name)
				}
			}
		}
	}
}

// nothingStartsAfterTheEnd: a deletion, or a final phase, is the last of starts (R70, R74).
func nothingStartsAfterTheEnd(rt *rapid.T, events []event) {
	over, at := "", 0.0
	for _, e := range events {
		switch {
		case e.Event == "action" && e.Text == "delete", e.Text == "phase=Failed", e.Text == "phase=Succeeded":
			over, at = e.Text, e.T
		case e.Event == "create" && over != "" && e.T > at:
			rt.Fatalf("%.3f: %s created after %s", e.T, e.ID, over)
		case over != "" && strings.HasPrefix(over, "phase=") && strings.HasPrefix(e.Text, "phase=") && e.Text != over:
			rt.Fatalf("%.3f: %s after %s", e.T, e.Text, over)
		}
	}
}

// TestAnHourOfCrashLoopTakesNoTime is the cost of virtual time: an hour of back-off, in about a second.
func TestAnHourOfCrashLoopTakesNoTime(t *testing.T) {
	s, _ := load(t, "../testdata/traces/pod-crashloop-exit0.json")
	s.Duration = 3600
	began := time.Now()
	events := played(t, s, true)
	if took := time.Since(began); took > 30*time.Second {
		t.Fatalf("an hour took %v", took)
	}
	starts := 0
	for _, e := range events {
		if e.Event == "start" {
			starts++
		}
	}
	// 0, 10, 20, 40, 80, 160 s, then every 300 s.
	if starts != 17 {
		t.Fatalf("%d starts in an hour", starts)
	}
}
