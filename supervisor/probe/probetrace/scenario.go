package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// scenario is what a trace was made from; times are seconds after the workers' creation.
type scenario struct {
	Startup       *scripted  `json:"startup"`
	Liveness      *scripted  `json:"liveness"`
	Readiness     *scripted  `json:"readiness"`
	RestartPolicy string     `json:"restartPolicy"`
	Sidecar       bool       `json:"sidecar"`
	Containers    []instance `json:"containers"`
	ReactToKill   *reaction  `json:"reactToKill"`
	ResyncAt      []float64  `json:"resyncAt"`
	DeleteAt      float64    `json:"deleteAt"`
	DeleteExitsAt float64    `json:"deleteExitsAt"`
	Isolated      bool       `json:"isolated"`
	WallPhase     float64    `json:"wallPhase"`
	KubeletUptime *float64   `json:"kubeletUptime"`
	StartedAgo    float64    `json:"startedAgo"`
	Duration      float64    `json:"duration"`
}

// scripted is a probe's fields and the outcomes of its tries.
type scripted struct {
	corev1.Probe
	Script      []string            `json:"script"`
	PerInstance map[string][]string `json:"perInstance"`
}

// instance is one run of the container.
type instance struct {
	Start    float64  `json:"start"`
	End      *float64 `json:"end"`
	ExitCode int32    `json:"exitCode"`
}

// reaction is what a probe kill leads to.
type reaction struct {
	StopTakes    float64 `json:"stopTakes"`
	RestartDelay float64 `json:"restartDelay"`
	ObserveExit  bool    `json:"observeExit"`
}

// load reads a recorded trace or a bare scenario.
func load(path string) (*scenario, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read scenario: %w", err)
	}
	var trace struct {
		Scenario *scenario `json:"scenario"`
	}
	if err := json.Unmarshal(data, &trace); err != nil {
		return nil, fmt.Errorf("cannot read scenario %s: %w", path, err)
	}
	if trace.Scenario != nil {
		return trace.Scenario, nil
	}
	s := &scenario{}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("cannot read scenario %s: %w", path, err)
	}
	return s, nil
}

// outcome is one logical probe: errors broken tries first, then the result, which takes a while.
type outcome struct {
	errors int
	result string
	takes  time.Duration
}

// normalTry is how long a try takes unless the script says otherwise.
const normalTry = 5 * time.Millisecond

var token = regexp.MustCompile(`^(?:E(\d+))?([SFTE])((?:[:*][0-9.]+)*)$`)

// parseScript turns tokens such as S, F*3, S:1.5, E1S into outcomes.
func parseScript(tokens []string) ([]outcome, error) {
	var all []outcome
	for _, t := range tokens {
		m := token.FindStringSubmatch(t)
		if m == nil {
			return nil, fmt.Errorf("cannot read script: %q is no outcome", t)
		}
		o, times := outcome{result: m[2], takes: normalTry}, 1
		o.errors, _ = strconv.Atoi(m[1])
		for _, suffix := range regexp.MustCompile(`[:*][0-9.]+`).FindAllString(m[3], -1) {
			v, err := strconv.ParseFloat(suffix[1:], 64)
			if err != nil {
				return nil, fmt.Errorf("cannot read script: %q: %w", t, err)
			}
			if suffix[0] == '*' {
				times = int(v)
			} else {
				o.takes = seconds(v)
			}
		}
		for range times {
			all = append(all, o)
		}
	}
	return all, nil
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(time.Microsecond)
}
