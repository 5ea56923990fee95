package simulation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor"
	"github.com/lyandev/lyandev/supervisor/engine"
)

// commandLimit bounds one command of a user.
const commandLimit = 5 * time.Minute

// Commands are what users do.
func Commands() []Act {
	return []Act{
		{"apply", 3, func(r *rand.Rand, w *World) (string, func()) {
			n := r.IntN(3)
			return fmt.Sprint("version ", n), func() { w.command("apply", w.applies(w.stacks[n])) }
		}},
		{"scale", 2, func(r *rand.Rand, w *World) (string, func()) {
			name, n := w.anyWorkload(r), r.IntN(4)
			return fmt.Sprint(name, " to ", n), func() { w.command("scale", w.scales(name, n)) }
		}},
		{"restart", 2, func(r *rand.Rand, w *World) (string, func()) {
			name := w.anyWorkload(r)
			return name, func() {
				w.command("restart", func(ctx context.Context, s *supervisor.Supervisor) error { return s.RestartWorkload(ctx, name) })
			}
		}},
		{"switch", 2, func(r *rand.Rand, w *World) (string, func()) {
			stack, limit := w.stacks[[]int{0, 3, 3}[r.IntN(3)]], time.Duration(5+r.IntN(120))*time.Second
			return fmt.Sprint("to ", stack.Profile, " within ", limit), func() { w.command("switch", w.switches(stack, limit)) }
		}},
	}
}

// Faults are what happens to the engine, to containers and to the supervisor.
func Faults() []Act {
	return slices.Concat(engineFaults(), containerFaults(), []Act{
		{"kill the supervisor", 5, func(r *rand.Rand, w *World) (string, func()) {
			down := time.Duration(r.Int64N(int64(5 * time.Second)))
			return fmt.Sprint("for ", down), func() {
				if w.Supervisor() == nil {
					return
				}
				w.Kill()
				w.later(down, w.launch)
			}
		}},
		{"the agent hangs", 1, func(r *rand.Rand, w *World) (string, func()) {
			d := duration(r, 20*time.Second)
			return fmt.Sprint("for ", d), func() {
				w.set(func() { w.agent.hangs = true })
				w.later(d, func() { w.set(func() { w.agent.hangs = false }) })
			}
		}},
	})
}

func engineFaults() []Act {
	return []Act{
		{"calls fail", 3, func(r *rand.Rand, w *World) (string, func()) {
			p, d := []float64{0.05, 0.3, 0.8}[r.IntN(3)], duration(r, 15*time.Second)
			return fmt.Sprint(p, " for ", d), w.weathers(d, func(o *weather, on bool) { o.errors = p * float(on) })
		}},
		{"calls are slow", 2, func(r *rand.Rand, w *World) (string, func()) {
			d, slow := duration(r, 20*time.Second), time.Duration(1+r.IntN(3000))*time.Millisecond
			return fmt.Sprint("up to ", slow, " for ", d), w.weathers(d, func(o *weather, on bool) { o.slow = time.Duration(float64(slow) * float(on)) })
		}},
		{"the engine is down", 2, func(r *rand.Rand, w *World) (string, func()) {
			d, stopped := duration(r, 20*time.Second), r.IntN(2) == 0
			return fmt.Sprint("for ", d, ", stops everything: ", stopped), func() {
				w.Engine.Down()
				w.later(d, func() { w.Engine.Up(stopped) })
			}
		}},
		{"the event stream breaks", 2, func(_ *rand.Rand, w *World) (string, func()) {
			return "", func() { w.Engine.CutEvents(errDaemon) }
		}},
	}
}

func containerFaults() []Act {
	return []Act{
		{"starts crash", 2, func(r *rand.Rand, w *World) (string, func()) {
			d := duration(r, 20*time.Second)
			return fmt.Sprint("for ", d), w.weathers(d, func(o *weather, on bool) { o.crashes = 0.6 * float(on) })
		}},
		{"probes fail", 2, func(r *rand.Rand, w *World) (string, func()) {
			d := duration(r, 20*time.Second)
			return fmt.Sprint("for ", d), w.weathers(d, func(o *weather, on bool) { o.unready = 0.5 * float(on) })
		}},
		{"a container ends", 3, ofContainer(func(w *World, c engine.Container, r *rand.Rand) { w.Engine.Exit(c.ID, r.IntN(2)) })},
		{"a container runs out of memory", 1, ofContainer(func(w *World, c engine.Container, _ *rand.Rand) { w.Engine.OOM(c.ID) })},
		{"somebody removes a container", 2, ofContainer(func(w *World, c engine.Container, _ *rand.Rand) {
			_ = w.Engine.RemoveContainer(context.Background(), c.ID)
		})},
		{"somebody pauses a container", 1, ofContainer(func(w *World, c engine.Container, r *rand.Rand) {
			if w.Engine.PauseContainer(context.Background(), c.ID) == nil {
				w.later(duration(r, 15*time.Second), func() {
					for engine.IsUnavailable(w.Engine.UnpauseContainer(context.Background(), c.ID)) {
						time.Sleep(time.Second)
					}
				})
			}
		})},
		{"somebody disconnects a container", 1, ofContainer(func(w *World, c engine.Container, _ *rand.Rand) {
			_ = w.Engine.DisconnectNetwork(context.Background(), "s_default", c.ID)
		})},
	}
}

// ofContainer draws a fault of one of the project's running containers.
func ofContainer(do func(w *World, c engine.Container, r *rand.Rand)) func(*rand.Rand, *World) (string, func()) {
	return func(r *rand.Rand, w *World) (string, func()) {
		n := r.Int()
		return "", func() {
			if c, ok := w.anyContainer(n); ok {
				w.trace.add(false, "it is %s", c.Name)
				do(w, c, rand.New(rand.NewPCG(w.seed, uint64(n))))
			}
		}
	}
}

// anyContainer is one of the project's running containers.
func (w *World) anyContainer(n int) (engine.Container, bool) {
	list := w.containers(func(c engine.Container) bool { return c.State == engine.StateRunning })
	if len(list) == 0 {
		return engine.Container{}, false
	}
	return list[n%len(list)], true
}

// containers are those of the project, in name order, as they are, whether the engine answers or not.
func (w *World) containers(which func(engine.Container) bool) []engine.Container {
	list := w.Engine.Containers(map[string]string{services.ProjectLabel: "s"})
	list = slices.DeleteFunc(list, func(c engine.Container) bool { return !which(c) })
	slices.SortFunc(list, func(a, b engine.Container) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// duration draws some time, mean on average.
func duration(r *rand.Rand, mean time.Duration) time.Duration {
	return 10*time.Millisecond + time.Duration(r.Int64N(int64(2*mean)))
}

func float(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

// weathers changes the weather for a while.
func (w *World) weathers(d time.Duration, change func(o *weather, on bool)) func() {
	return func() {
		w.set(func() { change(&w.weather, true) })
		w.later(d, func() { w.set(func() { change(&w.weather, false) }) })
	}
}

func (w *World) set(do func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	do()
}

func (w *World) anyWorkload(r *rand.Rand) string {
	list := w.stacks[0].Workloads
	return list[r.IntN(len(list))].Name()
}

// command has a user do something, one after the other, while a supervisor runs.
func (w *World) command(name string, do func(ctx context.Context, s *supervisor.Supervisor) error) {
	w.jobs.Go(func() {
		w.turn <- struct{}{}
		defer func() { <-w.turn }()
		s := w.Supervisor()
		if s == nil || w.failed() {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), commandLimit)
		defer cancel()
		err := do(ctx, s)
		w.trace.add(false, "command %s ended: %v", name, err)
	})
}

// applies is the command that applies a stack. One that was cut off may have been taken over or not.
func (w *World) applies(stack *services.Stack) func(context.Context, *supervisor.Supervisor) error {
	return func(ctx context.Context, s *supervisor.Supervisor) error {
		w.memory.changing(stack)
		w.maybeWanted(stack)
		_, err := s.Apply(ctx, stack.DeepCopy(), supervisor.ApplyOptions{NoWatch: true})
		if err == nil {
			w.set(func() { w.wanted = []*services.Stack{stack} })
		}
		return err
	}
}

func (w *World) maybeWanted(stack *services.Stack) {
	w.set(func() { w.wanted = append(w.wanted, stack) })
}

func (w *World) scales(name string, n int) func(context.Context, *supervisor.Supervisor) error {
	return func(ctx context.Context, s *supervisor.Supervisor) error {
		var scaled []*services.Stack
		w.set(func() {
			for _, old := range w.wanted {
				next := old.DeepCopy()
				if x := next.Workload(name); x != nil && x.SetReplicas(int32(n)) {
					scaled = append(scaled, next)
				}
			}
			w.wanted = append(w.wanted, scaled...)
		})
		w.memory.changing(nil)
		err := s.Scale(ctx, map[string]int{name: n})
		if err == nil {
			w.set(func() { w.wanted = scaled })
		}
		return err
	}
}

func (w *World) switches(stack *services.Stack, limit time.Duration) func(context.Context, *supervisor.Supervisor) error {
	return func(ctx context.Context, s *supervisor.Supervisor) error {
		w.memory.changing(stack)
		w.maybeWanted(stack)
		return s.Switch(ctx, stack.DeepCopy(), supervisor.ApplyOptions{NoWatch: true}, limit)
	}
}
