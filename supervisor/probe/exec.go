package probe

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// execPatience is how much longer than its timeout an exec may take before it counts as an engine error.
const execPatience = 2 * time.Minute

// execHandler runs a command: exit code 0 is success, another code or a timeout is a failure, a failed exec an error (R53).
type execHandler struct {
	exec    Execer
	limit   *Limiter
	cmd     []string
	timeout time.Duration
	// open are the TCP ports that the container declares; ports tells whether it listens on one.
	ports Ports
	open  []int
}

// Premature implements costlyHandler: the container is known not to listen yet on any of its ports, so that the command would fail: a command
// takes some 50 ms of a processor, which the container needs for its start.
func (h *execHandler) Premature(ctx context.Context, t Target) bool {
	if h.ports == nil || len(h.open) == 0 {
		return false
	}
	open, known := h.ports.Listening(ctx, t.ContainerID, h.open)
	return known && !open
}

// tcpPorts are the TCP ports that a container declares.
func tcpPorts(c *corev1.Container) []int {
	var out []int
	for _, p := range c.Ports {
		if p.Protocol == "" || p.Protocol == corev1.ProtocolTCP {
			out = append(out, int(p.ContainerPort))
		}
	}
	return out
}

// Try waits for the limiter and runs the command.
func (h *execHandler) Try(ctx context.Context, t Target) Outcome {
	if err := h.limit.acquire(ctx); err != nil {
		return broken(fmt.Errorf("cannot run probe command: %w", err))
	}
	defer h.limit.release()
	ctx, cancel := context.WithTimeout(ctx, h.timeout+execPatience)
	defer cancel()
	exit, output, err := h.exec.Exec(ctx, t.ContainerID, h.cmd, h.timeout)
	output = output[:min(len(output), maxOutput)]
	switch {
	case errors.Is(err, ErrExecTimeout):
		return failed(fmt.Sprintf("command timed out: %q timed out after %s", strings.Join(h.cmd, " "), h.timeout))
	case err != nil:
		return broken(err)
	case exit != 0:
		return failed(string(output))
	}
	return passed(string(output))
}
