package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/probe"
)

// errScripted is what a try reports that the script says is broken.
var errScripted = errors.New("scripted error")

// scriptedHandler plays a probe's script and records every try. An iteration's tries after an error are its retries.
type scriptedHandler struct {
	world   *world
	typ     probe.Type
	script  *scripted
	timeout time.Duration
	// attempt counts logical probes of each instance, retry the tries of the current one.
	attempt map[int]int
	retry   int
	// again: the last try was broken, and the next belongs to the same logical probe.
	again bool
}

func (w *world) handler(_ *corev1.Container, t probe.Type, p *corev1.Probe) probe.Handler {
	timeout := time.Duration(max(p.TimeoutSeconds, 1)) * time.Second
	return &scriptedHandler{world: w, typ: t, script: w.scripts[t], timeout: timeout, attempt: map[int]int{}}
}

// Try plays the next outcome for the instance.
func (h *scriptedHandler) Try(ctx context.Context, t probe.Target) probe.Outcome {
	n, err := strconv.Atoi(strings.TrimPrefix(t.ContainerID, "c"))
	if err != nil {
		return probe.Outcome{Verdict: probe.Undecided, Err: fmt.Errorf("cannot probe %q: %w", t.ContainerID, err)}
	}
	if h.again {
		h.retry++
	} else {
		h.attempt[n]++
		h.retry = 0
	}
	o := h.next(n)
	broken := o.result == "E" || h.retry < o.errors
	h.again = broken && h.retry < 2
	name := o.result
	if broken {
		name, o.takes = "E", normalTry
	}
	h.world.record(event{
		Event: "probe", Type: lower(h.typ), Instance: n, Attempt: h.attempt[n], Retry: h.retry,
		Result: name, Timeout: h.timeout.Seconds(),
	})
	if o.result == "T" && !broken {
		o.takes = h.timeout + time.Hour
	}
	return h.play(ctx, o, broken)
}

func (h *scriptedHandler) play(ctx context.Context, o outcome, broken bool) probe.Outcome {
	select {
	case <-ctx.Done():
		return probe.Outcome{Verdict: probe.Undecided, Err: ctx.Err()}
	case <-time.After(min(o.takes, h.timeout)):
	}
	switch {
	case broken:
		return probe.Outcome{Verdict: probe.Undecided, Err: errScripted}
	case o.takes > h.timeout:
		return probe.Outcome{Verdict: probe.Failed, Output: "command timed out"}
	case o.result == "S":
		return probe.Outcome{Verdict: probe.Passed, Output: "ok"}
	default:
		return probe.Outcome{Verdict: probe.Failed, Output: "bad"}
	}
}

// next is the outcome of the instance's current attempt; a script's last outcome repeats.
func (h *scriptedHandler) next(n int) outcome {
	script := h.world.outcomes[h.typ][""]
	if own, ok := h.world.outcomes[h.typ][strconv.Itoa(n)]; ok {
		script = own
	}
	return script[min(h.attempt[n], len(script))-1]
}

func lower(t probe.Type) string { return strings.ToLower(string(t)) }
