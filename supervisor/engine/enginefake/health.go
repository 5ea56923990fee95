package enginefake

import (
	"time"

	dockertypes "github.com/docker/docker/api/types/container"

	"github.com/lyandev/lyandev/supervisor/engine"
)

// defaultInterval is Docker's time between health checks, and before the first.
const defaultInterval = 30 * time.Second

// HealthChange is a new status of a container's health check.
type HealthChange struct {
	// After is the time from the start.
	After time.Duration
	// Status is engine.HealthStarting, HealthHealthy or HealthUnhealthy, Output what the last check printed.
	Status, Output string
}

// checked says whether a container has a health check: its own or its image's.
func (e *Engine) checked(c *container) bool {
	h := c.conf.health
	if h == nil || len(h.Test) == 0 {
		img := e.findImage(c.imageID)
		return img != nil && img.Healthcheck
	}
	return h.Test[0] != "NONE"
}

// watchHealth begins the health checks of a run. Without a script the first check passes.
func (e *Engine) watchHealth(c *container) {
	c.health = nil
	if !e.checked(c) {
		return
	}
	c.health = &engine.Health{Status: engine.HealthStarting}
	changes := c.script.Health
	if changes == nil {
		changes = []HealthChange{{After: interval(c.conf.health), Status: engine.HealthHealthy}}
	}
	for _, h := range changes {
		e.after(c, h.After, func() { e.setHealth(c, h.Status, h.Output) })
	}
}

func interval(h *dockertypes.HealthConfig) time.Duration {
	if h == nil || h.Interval == 0 {
		return defaultInterval
	}
	return h.Interval
}

// setHealth sets the result of a check; e.mu is held.
func (e *Engine) setHealth(c *container, status, output string) {
	h := &engine.Health{Status: status, LastOutput: output}
	if status == engine.HealthUnhealthy {
		h.FailingStreak, h.LastExitCode = 3, 1
		if conf := c.conf.health; conf != nil && conf.Retries > 0 {
			h.FailingStreak = conf.Retries
		}
	}
	changed := c.health == nil || c.health.Status != status
	c.health = h
	if changed && status != engine.HealthStarting {
		e.emit(c, "health_status")
	}
}

// SetHealth sets the status of the health check of a running container. It reports whether there is one.
func (e *Engine) SetHealth(ref, status, output string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.find(ref)
	if c == nil || !c.alive() || c.health == nil {
		return false
	}
	e.setHealth(c, status, output)
	return true
}
