package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod/dockerpod"
)

// TestRunning: agents, sandboxes and what has ended do not count as containers that a killed supervisor left.
func TestRunning(t *testing.T) {
	of := func(kind string, s string) engine.Container {
		return engine.Container{State: s, Labels: map[string]string{services.KindLabel: kind}}
	}
	list := []engine.Container{
		of(dockerpod.KindContainer, engine.StateRunning), of(dockerpod.KindContainer, engine.StatePaused), of(dockerpod.KindContainer, engine.StateExited),
		of(dockerpod.KindSandbox, engine.StateRunning), of("agent", engine.StateRunning),
	}
	if n := running(list); n != 2 {
		t.Errorf("%d containers run", n)
	}
	for n, want := range map[int]string{
		-1: "`lyandev up` starts one and takes over", 0: "no container of it runs; `lyandev up` starts it",
		1: "but 1 container of it runs; `lyandev up` takes over", 3: "but 3 containers of it run; `lyandev up` takes over",
	} {
		if got := whatIsLeft(n); !strings.Contains(got, want) {
			t.Errorf("%d: %s", n, got)
		}
	}
}

// TestNotRunning: exec into a container that was being replaced printed the engine's own error.
func TestNotRunning(t *testing.T) {
	c := engine.Container{Labels: map[string]string{services.PodLabel: "web-1"}}
	for message, want := range map[string]string{
		"Error response from daemon: No such container: abc":              "its container has been removed: it is being replaced; run the command again",
		"Error response from daemon: Container abc is not running":        "its container has just stopped; run the command again",
		"Error response from daemon: Container abc is restarting, wait":   "its container is being restarted; run",
		"Error response from daemon: Container abc is paused, unpause it": "its container is paused; `lyandev unpause`",
		"something else": "something else",
	} {
		err := notRunning(c, "ls", fmt.Errorf("cannot run ls: %w: %s", engine.ErrExecNotStarted, message))
		if !strings.Contains(err.Error(), want) || want != message && strings.Contains(err.Error(), "daemon") {
			t.Errorf("%s: %v", message, err)
		}
	}
}
