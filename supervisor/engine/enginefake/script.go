package enginefake

import (
	"time"

	"github.com/lyandev/lyandev/supervisor/engine"
)

// Script says what the main process of a container does. The zero Script runs for ever, and ends with 128 + the number
// of the signal as soon as it is told to stop.
type Script struct {
	// StartTakes is how long a start takes; StartError, if not "", is why it fails (the container stays as it was).
	StartTakes time.Duration
	StartError string
	// Exit is how the process ends by itself, nil never.
	Exit *Exit
	// OnStop is what a signal that asks for the end leads to; nil ends at once with 128 + signal. IgnoreStop lets nothing
	// but SIGKILL end it.
	OnStop     *Exit
	IgnoreStop bool
	// Output is printed after the start, in order.
	Output []Output
	// Health are the results of the health check of a container that has one, in order; nil lets the first check pass.
	Health []HealthChange
	// Exec answers commands; nil knows no command (engine.ErrExecNotStarted).
	Exec Command
}

// Exit is one end of a process.
type Exit struct {
	// After is the time from the start, or from the signal.
	After time.Duration
	Code  int
	// OOM ends it as the kernel does that is out of memory: 137, with an oom event before.
	OOM bool
}

// Output is one line of a process.
type Output struct {
	After  time.Duration
	Text   string
	Stderr bool
}

type rule struct {
	pattern string
	script  func(start int, spec engine.ContainerSpec) Script
	// starts counts, by container name, how often the rule was used.
	starts map[string]int
}

// On scripts the containers whose name or image reference matches the pattern (path.Match, where "*" matches slashes
// too). The rule added last wins; a container takes its script when it is started.
func (e *Engine) On(pattern string, s Script) {
	e.OnEach(pattern, func(int, engine.ContainerSpec) Script { return s })
}

// OnEach scripts every start on its own: start counts the starts of containers of that name by this rule, from 0. It is
// called with the engine locked and must not call it.
func (e *Engine) OnEach(pattern string, script func(start int, spec engine.ContainerSpec) Script) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.scripts = append(e.scripts, &rule{pattern: pattern, script: script, starts: map[string]int{}})
}

// scriptFor chooses the script of a start; e.mu is held.
func (e *Engine) scriptFor(c *container) Script {
	for i := len(e.scripts) - 1; i >= 0; i-- {
		r := e.scripts[i]
		if glob(r.pattern, c.name) || glob(r.pattern, c.spec.Image) {
			n := r.starts[c.name]
			r.starts[c.name]++
			return r.script(n, c.spec)
		}
	}
	return Script{}
}
