package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/lyandev/lyandev/supervisor/pod"
	"github.com/lyandev/lyandev/supervisor/probe"
)

var (
	errNotRunning = errors.New("container is not running")
	errScripted   = errors.New("scripted error")
)

// Exec answers one call of a command in an instance by the scenario's script: the engine is a probe.Execer. A command ends
// with its container.
func (e *engine) Exec(ctx context.Context, id string, command []string, timeout time.Duration) (exit int, output []byte, err error) {
	line := strings.Join(command, " ")
	c, o, err := e.next(id, line)
	if err != nil {
		e.log.add(event{Event: "exec", ID: id, Result: "not running", Text: line})
		return 0, nil, err
	}
	e.log.add(event{Event: "exec", Container: c.Container, ID: id, Result: o.result, Timeout: timeout.Seconds(), Text: line})
	if o.result == "T" {
		o.takes = 100 * time.Hour
	}
	var late <-chan time.Time
	if timeout > 0 {
		late = time.After(timeout)
	}
	select {
	case <-ctx.Done():
		return 0, nil, ctx.Err()
	case <-c.gone:
		return 137, nil, nil
	case <-late:
		return 0, nil, probe.ErrExecTimeout
	case <-time.After(o.takes):
	}
	switch o.result {
	case "S":
		return 0, []byte("ok"), nil
	case "E":
		return 0, nil, errScripted
	}
	return 1, []byte("bad"), nil
}

// next finds the running instance and the answer of this call.
func (e *engine) next(id, line string) (*container, outcome, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.containers[id]
	if c == nil || c.State != pod.Running {
		return nil, outcome{}, errNotRunning
	}
	n := c.calls[line]
	c.calls[line]++
	var all []outcome
	for _, token := range c.does.Exec[line] {
		o, err := outcomes(token)
		must(err)
		if all = append(all, o...); n < len(all) {
			return c, all[n], nil
		}
	}
	if len(all) == 0 {
		return c, outcome{"S", execTakes}, nil
	}
	return c, all[len(all)-1], nil
}
