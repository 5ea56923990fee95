package main

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/probe/replay"
)

// scenario is what a trace was made from; times are seconds after the workers' creation.
type scenario struct {
	replay.Heading
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
	// StartedAgo is how long before the workers' creation the first instance began; an instance's own goes before it.
	StartedAgo float64 `json:"startedAgo"`
	// NoStopCall: a deletion only marks the pod; nobody tells the workers to stop.
	NoStopCall bool    `json:"noStopCall"`
	Duration   float64 `json:"duration"`
}

// scripted is a probe's fields and the outcomes of its tries.
type scripted struct {
	corev1.Probe
	Script      []string            `json:"script"`
	PerInstance map[string][]string `json:"perInstance"`
}

// instance is one run of the container. The status says that it began StartedAgo before Start.
type instance struct {
	Start      float64  `json:"start"`
	StartedAgo *float64 `json:"startedAgo"`
	End        *float64 `json:"end"`
	ExitCode   int32    `json:"exitCode"`
}

// reaction is what a probe kill leads to.
type reaction struct {
	StopTakes    float64 `json:"stopTakes"`
	RestartDelay float64 `json:"restartDelay"`
	ObserveExit  bool    `json:"observeExit"`
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
