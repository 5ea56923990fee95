package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/pod"
	"github.com/lyandev/lyandev/supervisor/probe/replay"
)

// podUID is the UID of pods whose scenario gives none, as in the recorded traces.
const podUID = "11111111-2222-3333-4444-555555555555"

// scenario is one pod, what its containers do, and what is done to it. Times are seconds.
type scenario struct {
	replay.Heading
	Pod                       corev1.Pod            `json:"pod"`
	Objects                   []json.RawMessage     `json:"objects"`
	Behaviors                 map[string][]behavior `json:"behaviors"`
	Images                    map[string]image      `json:"images"`
	Actions                   []action              `json:"actions"`
	MaxContainerRestartPeriod duration              `json:"maxContainerRestartPeriod"`
	FeatureGates              map[string]bool       `json:"featureGates"`
	Duration                  float64               `json:"duration"`
	// DumpConfig asks for the configuration of what is created; it is printed in any case.
	DumpConfig bool `json:"dumpConfig"`
}

// behavior is what one instance of a container does.
type behavior struct {
	ExitAfter   *float64            `json:"exitAfter"`
	ExitCode    int32               `json:"exitCode"`
	Reason      string              `json:"reason"`
	Message     string              `json:"message"`
	Log         logLines            `json:"log"`
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

// The actions.
const (
	deletePod     = "delete"
	removePod     = "removePod"
	setCondition  = "setCondition"
	setImage      = "setImage"
	createObject  = "createObject"
	killContainer = "killContainer"
	stopSandbox   = "stopSandbox"
)

var deeds = []string{deletePod, removePod, setCondition, setImage, createObject, killContainer, stopSandbox}

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
	// Value is another word for Image and Status, as the recorder has it.
	Value string `json:"value"`
}

// logLines are the lines of a container's log: a list, or one text.
type logLines []string

func (l *logLines) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(b, []byte("[")) {
		return json.Unmarshal(b, (*[]string)(l))
	}
	var text string
	err := json.Unmarshal(b, &text)
	*l = strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	return err
}

// tail is the end of the log, as an engine gives it for a termination message.
func (l logLines) tail() string {
	if len(l) == 0 {
		return ""
	}
	text := strings.Join(l[max(0, len(l)-pod.MaxLogTailLines):], "\n") + "\n"
	return text[max(0, len(text)-pod.MaxLogTailBytes):]
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
	s, err := replay.Scenario[scenario](data)
	if err != nil {
		return nil, err
	}
	if len(s.Pod.Spec.Containers) == 0 {
		return nil, errors.New("cannot read scenario: no pod with containers in it")
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("cannot read scenario: %w", err)
	}
	if s.Pod.UID == "" {
		s.Pod.UID = podUID
	}
	return s, nil
}

// check finds what the decoder cannot know: actions, objects and outcomes that there are not.
func (s *scenario) check() error {
	all := &objects{}
	for _, o := range s.Objects {
		if err := all.add(o); err != nil {
			return err
		}
	}
	for _, a := range s.Actions {
		if !slices.Contains(deeds, a.Do) {
			return fmt.Errorf("there is no action %q", a.Do)
		}
		if a.Do == createObject {
			if err := all.add(a.Object); err != nil {
				return err
			}
		}
	}
	for _, list := range s.Behaviors {
		for _, b := range list {
			for _, token := range slices.Concat(slices.Collect(maps.Values(b.Exec))...) {
				if _, err := outcomes(token); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// behavior is what the container's n-th instance does, by the calls to create one; the last one repeats.
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
	switch token {
	case "E":
	case "S", "F", "T":
		once = append(once, outcome{token, takes})
	default:
		return nil, fmt.Errorf("bad outcome %q", token)
	}
	var out []outcome
	for range n {
		out = append(out, once...)
	}
	return out, nil
}
