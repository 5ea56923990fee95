package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// podUID is the UID of pods whose scenario gives none, as in the recorded traces.
const podUID = "11111111-2222-3333-4444-555555555555"

// scenario is one pod, what its containers do, and what is done to it. Times are seconds.
type scenario struct {
	Name                      string                `json:"name"`
	Rules                     []string              `json:"rules"`
	Pod                       corev1.Pod            `json:"pod"`
	Objects                   []json.RawMessage     `json:"objects"`
	Behaviors                 map[string][]behavior `json:"behaviors"`
	Images                    map[string]image      `json:"images"`
	Actions                   []action              `json:"actions"`
	MaxContainerRestartPeriod duration              `json:"maxContainerRestartPeriod"`
	FeatureGates              map[string]bool       `json:"featureGates"`
	Duration                  float64               `json:"duration"`
}

// behavior is what one instance of a container does.
type behavior struct {
	ExitAfter   *float64            `json:"exitAfter"`
	ExitCode    int32               `json:"exitCode"`
	Reason      string              `json:"reason"`
	Message     string              `json:"message"`
	Log         string              `json:"log"`
	StartTakes  *float64            `json:"startTakes"`
	CreateError string              `json:"createError"`
	StartError  string              `json:"startError"`
	IgnoreTerm  bool                `json:"ignoreTerm"`
	TermAfter   *float64            `json:"termAfter"`
	TermCode    *int32              `json:"termCode"`
	Exec        map[string][]string `json:"exec"`
}

// image is one image of the scripted engine; one that is not listed is present.
type image struct {
	Present   *bool    `json:"present"`
	User      string   `json:"user"`
	UID       *int64   `json:"uid"`
	Username  string   `json:"username"`
	PullTakes float64  `json:"pullTakes"`
	PullError string   `json:"pullError"`
	Errors    []string `json:"pullErrors"`
	Fails     int      `json:"pullFails"`
}

// action is something done to the pod from outside.
type action struct {
	At     float64         `json:"at"`
	Do     string          `json:"do"`
	Grace  *int64          `json:"grace"`
	Name   string          `json:"name"`
	Code   *int32          `json:"code"`
	Image  string          `json:"image"`
	Type   string          `json:"type"`
	Status string          `json:"status"`
	Object json.RawMessage `json:"object"`
}

// duration is seconds as a number, or text like "30s".
type duration time.Duration

func (d *duration) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	if n, err := strconv.ParseFloat(text, 64); err == nil {
		*d = duration(secs(n))
		return nil
	}
	v, err := time.ParseDuration(text)
	*d = duration(v)
	return err
}

// parse reads a recorded trace or a bare scenario.
func parse(data []byte) (*scenario, error) {
	var recorded struct {
		Scenario *scenario `json:"scenario"`
	}
	err := json.Unmarshal(data, &recorded)
	s := recorded.Scenario
	if err == nil && s == nil {
		s = &scenario{}
		err = json.Unmarshal(data, s)
	}
	if err == nil && len(s.Pod.Spec.Containers) == 0 {
		err = errors.New("no pod with containers in it")
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read scenario: %w", err)
	}
	if s.Pod.UID == "" {
		s.Pod.UID = podUID
	}
	return s, nil
}

// behavior of the n-th instance; the last one repeats.
func (s *scenario) behavior(container string, n int) behavior {
	list := s.Behaviors[container]
	if len(list) == 0 {
		return behavior{}
	}
	return list[min(n, len(list)-1)]
}

func secs(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

func orElse[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

// outcome is one answer of a command.
type outcome struct {
	result string
	takes  time.Duration
}

// execTakes is how long a command takes that says nothing about it.
const execTakes = 5 * time.Millisecond

// outcomes are the answers of successive calls that a token stands for.
func outcomes(token string) ([]outcome, error) {
	token, times, repeated := strings.Cut(token, "*")
	n := 1
	if repeated {
		var err error
		if n, err = strconv.Atoi(times); err != nil {
			return nil, fmt.Errorf("bad outcome %q", token+"*"+times)
		}
	}
	token, after, slow := strings.Cut(token, ":")
	takes := execTakes
	if slow {
		v, err := strconv.ParseFloat(after, 64)
		if err != nil {
			return nil, fmt.Errorf("bad outcome %q", token+":"+after)
		}
		takes = secs(v)
	}
	var once []outcome
	if rest, ok := strings.CutPrefix(token, "E"); ok {
		errs := 3
		if rest != "" {
			errs = int(rest[0] - '0')
			token = rest[1:]
		}
		for range errs {
			once = append(once, outcome{"E", execTakes})
		}
	}
	if token != "E" {
		once = append(once, outcome{token, takes})
	}
	var out []outcome
	for range n {
		out = append(out, once...)
	}
	return out, nil
}
