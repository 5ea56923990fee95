package main

import (
	"time"

	"github.com/lyandev/lyandev/supervisor/probe"
)

// event is one line of a trace.
type event struct {
	T        float64 `json:"t"`
	TC       float64 `json:"tc"`
	Event    string  `json:"event"`
	Type     string  `json:"type,omitempty"`
	Instance int     `json:"instance"`
	Attempt  int     `json:"attempt,omitempty"`
	Retry    int     `json:"retry,omitempty"`
	Result   string  `json:"result,omitempty"`
	Value    *bool   `json:"value,omitempty"`
	Timeout  float64 `json:"timeout,omitempty"`
	Text     string  `json:"text,omitempty"`
}

// say records a change of started or ready.
func (w *world) say(what string, value bool) {
	if w.said[what] != value {
		w.said[what] = value
		w.record(event{Event: what, Instance: w.now, Value: &value})
	}
}

// ProbeChanged records a published result and hands it to play.
func (w *world) ProbeChanged(c probe.Change) {
	result := string(c.Result)
	if c.Result == probe.Unknown {
		result = "UNKNOWN"
	}
	w.mu.Lock()
	n := w.current
	w.mu.Unlock()
	w.record(event{Event: "result", Type: lower(c.Type), Instance: n, Result: result, Text: c.ContainerID})
	w.changes <- c
}

// ProbeEvent records a Kubernetes event.
func (w *world) ProbeEvent(e probe.Event) {
	w.mu.Lock()
	n := w.current
	w.mu.Unlock()
	w.record(event{Event: "k8sEvent", Instance: n, Text: "Warning " + e.Reason + " " + e.Message})
}

func (w *world) record(e event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	e.T = round(now.Sub(w.zero))
	if !w.started.IsZero() {
		e.TC = round(now.Sub(w.started))
	}
	w.events = append(w.events, e)
}

func round(d time.Duration) float64 { return d.Round(time.Microsecond).Seconds() }
