package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/lyandev/lyandev/services/kube"
	"github.com/lyandev/lyandev/supervisor/probe/replay"
)

// scenario is the file's description of a run. Times are in seconds after the start.
type scenario struct {
	replay.Heading
	Objects  []json.RawMessage `json:"objects"`
	Pods     map[string]script `json:"pods"`
	Actions  []action          `json:"actions"`
	Nodes    int               `json:"nodes"`
	StartAt  *time.Time        `json:"startAt"`
	Duration float64           `json:"duration"`
	// Hide are the kinds of lines that the trace leaves out.
	Hide []string `json:"hide"`
}

// script is how pods of an image behave. A pod starts 0.3 s after its creation; exitAfter counts from its start, the other
// times from its creation.
type script struct {
	ReadyAfter *float64 `json:"readyAfter"`
	NeverReady bool     `json:"neverReady"`
	ExitAfter  *float64 `json:"exitAfter"`
	// ExitCodes are the exit codes of the image's runs in order, the last repeating; none means 0.
	ExitCodes []int32  `json:"exitCodes"`
	TermTakes *float64 `json:"termTakes"`
	UnreadyAt *float64 `json:"unreadyAt"`
}

// action is what somebody does to the cluster.
type action struct {
	At     float64         `json:"at"`
	Do     string          `json:"do"`
	Kind   string          `json:"kind"`
	Name   string          `json:"name"`
	Value  any             `json:"value"`
	Patch  map[string]any  `json:"patch"`
	Object json.RawMessage `json:"object"`
}

// event is a line of the trace.
type event struct {
	T     float64 `json:"t"`
	Event string  `json:"event"`
	Text  string  `json:"text,omitempty"`
}

// readScenario reads a scenario, or a recorded trace that holds one.
func readScenario(path string) (*scenario, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read scenario: %w", err)
	}
	s, err := replay.Scenario[scenario](b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

func (s *scenario) start() time.Time {
	if s.StartAt != nil {
		return *s.StartAt
	}
	return time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC)
}

// decode reads one object with the product's own decoder and gives it its defaults.
func decode(raw []byte) (kube.Object, error) {
	objects, err := kube.Decode(raw)
	if err != nil {
		return nil, err
	}
	if len(objects) != 1 {
		return nil, fmt.Errorf("cannot use %d objects where one is wanted", len(objects))
	}
	kube.Default(objects[0])
	return objects[0], nil
}

func seconds(f float64) time.Duration { return time.Duration(f * float64(time.Second)) }

func or(p *float64, otherwise float64) time.Duration {
	if p == nil {
		return seconds(otherwise)
	}
	return seconds(*p)
}
