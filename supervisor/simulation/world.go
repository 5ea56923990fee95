package simulation

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor"
	"github.com/lyandev/lyandev/supervisor/build"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
	"github.com/lyandev/lyandev/supervisor/instance"
)

// World is one run: the engine, the agent, and one supervisor after another.
type World struct {
	// Engine is the engine itself: what is done with it is done by the outside world, and is neither slow nor traced.
	Engine *enginefake.Engine

	t      *testing.T
	seed   uint64
	root   string
	binary string
	trace  *trace
	invs   []Invariant
	stacks []*services.Stack

	// turn serialises the commands of users.
	turn chan struct{}
	jobs sync.WaitGroup

	mu      sync.Mutex
	sup     *running
	gen     int
	looks   int
	steps   int
	done    []string
	failure string
	weather weather
	agent   agentWorld
	memory  memory
	// wanted are the stacks of which each may be the wanted one: commands that were cut off leave two.
	wanted []*services.Stack
}

// weather is how well the engine and the containers do at present.
type weather struct {
	// errors is the share of calls that fail, slow the longest latency, crashes the share of starts that crash.
	errors  float64
	slow    time.Duration
	crashes float64
	// unready is the share of probes that fail.
	unready float64
}

// running is one supervisor.
type running struct {
	*supervisor.Supervisor
	link *link
	kill context.CancelFunc
	// ended is closed when Run has returned err.
	ended chan struct{}
	err   error
}

func newWorld(t *testing.T, seed uint64, s Scenario, root string) *World {
	t.Helper()
	w := &World{
		Engine: enginefake.New(), t: t, seed: seed, root: root, trace: &trace{began: time.Now()},
		invs: s.Invariants, turn: make(chan struct{}, 1), agent: newAgentWorld(), memory: newMemory(),
	}
	w.binary = filepath.Join(root, "lyandev")
	if err := os.WriteFile(w.binary, staticBinary(), 0o755); err != nil {
		t.Fatal(err)
	}
	info, err := w.Engine.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	info.Local = false // ports of this host are not looked at
	w.Engine.SetInfo(info)
	for _, image := range []string{"img:1", "img:2"} {
		w.Engine.AddImage(image, enginefake.Image{})
	}
	w.Engine.OnEach("s-*", w.script)
	w.Engine.On("s-agent", enginefake.Script{})
	w.stacks = drawStacks(rand.New(rand.NewPCG(seed, 2)))
	w.addStranger()
	return w
}

// addStranger runs a container that is none of ours.
func (w *World) addStranger() {
	id, err := w.Engine.CreateContainer(w.t.Context(), engine.ContainerSpec{Name: "stranger", Image: "img:1", Labels: map[string]string{"owner": "somebody"}})
	if err == nil {
		err = w.Engine.StartContainer(w.t.Context(), id)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// draw is random numbers for a purpose at this moment, the same in every run of the seed. The moment and not a counter makes
// them differ, so that it does not matter which of two goroutines comes first.
func (w *World) draw(purpose ...string) *rand.Rand {
	h := fnv.New64a()
	for _, p := range purpose {
		fmt.Fprintf(h, "%s\x00", strings.ReplaceAll(p, w.root, "")) // the directory is another one in every run
	}
	fmt.Fprint(h, time.Since(w.trace.began))
	return rand.New(rand.NewPCG(w.seed, h.Sum64()))
}

// launch starts a supervisor on the instance.
func (w *World) launch() {
	i, err := (&instance.Registry{Root: w.root}).Resolve(w.t.Context(), "s", w.root, "s")
	if err == nil {
		err = i.Save()
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	w.gen++
	gen := w.gen
	w.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{kill: cancel, ended: make(chan struct{})}
	r.link = &link{Engine: w.Engine, w: w, gen: gen, r: r, dead: make(chan struct{})}
	log := slog.New(handler{trace: w.trace, gen: gen, dead: r.link.dead})
	r.Supervisor = supervisor.New(supervisor.Config{
		Instance: i, Engine: r.link, Builder: &build.Builder{}, Operator: w.operator, Version: "v1", Binary: w.binary, Log: log,
		Simulation: &supervisor.Simulation{
			Agent: r.agentClient, Names: w.podName, Jitter: func() float64 { return w.draw("jitter").Float64() },
			Gather: func() { w.gather(r) }, Order: w.order,
		},
	})
	w.memory.launched(gen, w.containers(func(engine.Container) bool { return true }))
	w.mu.Lock()
	w.sup = r
	w.mu.Unlock()
	go func() {
		r.err = r.Run(ctx)
		close(r.ended)
	}()
	go w.replace(ctx, r)
}

// replace launches the next supervisor when one has ended by itself, as one does that cannot adopt because a call failed.
func (w *World) replace(ctx context.Context, r *running) {
	select {
	case <-ctx.Done():
		return
	case <-r.ended:
	}
	if r.err == nil {
		return // stopped
	}
	w.trace.add(false, "#%d ended: %v", r.link.gen, r.err)
	time.Sleep(time.Second)
	if w.current() == r && !w.failed() {
		w.launch()
	}
}

// podName makes the random part of a pod's name.
func (w *World) podName(p *corev1.Pod) string {
	return fmt.Sprintf("%05x", w.draw("name", p.GenerateName, fmt.Sprint(w.memory.names())).Uint32()>>12)
}

// gather is called by the loop before every look.
func (w *World) gather(r *running) {
	w.mu.Lock()
	w.looks++
	w.mu.Unlock()
	w.observe(r)
	wait := time.Duration(1 + w.draw("gather").Int64N(int64(200*time.Microsecond)))
	if d := w.draw("gather slowly"); d.IntN(20) == 0 {
		wait += time.Duration(d.Int64N(int64(100 * time.Millisecond)))
	}
	time.Sleep(wait)
}

// order draws the order of messages, keeping that of each sender.
func (w *World) order(waiting []supervisor.Posted) []int {
	bySender := map[string][]int{}
	var places []string
	for i, m := range waiting {
		bySender[m.From] = append(bySender[m.From], i)
		places = append(places, m.From)
	}
	w.draw("order").Shuffle(len(places), func(i, j int) { places[i], places[j] = places[j], places[i] })
	out := make([]int, 0, len(waiting))
	for _, from := range places {
		out = append(out, bySender[from][0])
		bySender[from] = bySender[from][1:]
	}
	return out
}

// Supervisor is the one that runs, nil between a kill and the next launch.
func (w *World) Supervisor() *supervisor.Supervisor {
	if r := w.current(); r != nil {
		return r.Supervisor
	}
	return nil
}

func (w *World) current() *running {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sup
}

// Kill ends the supervisor as SIGKILL does: none of its calls has an effect any more, but for those that the engine has taken
// already. It returns when nothing of it is left.
func (w *World) Kill() {
	w.mu.Lock()
	r := w.sup
	w.sup = nil
	w.mu.Unlock()
	if r == nil {
		return
	}
	close(r.link.dead)
	r.kill()
	<-r.ended
	w.trace.add(false, "#%d killed", r.link.gen)
}

// Failf notes that the run has failed. Only the first failure counts.
func (w *World) Failf(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failure != "" {
		return
	}
	at := fmt.Sprintf("step %d, look %d, %s: ", w.steps, w.looks, time.Since(w.trace.began))
	w.failure = at + fmt.Sprintf(format, args...)
	w.trace.add(false, "FAILED %s", w.failure)
}

func (w *World) failed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failure != ""
}

// begin notes a step.
func (w *World) begin(i int, x step) {
	w.mu.Lock()
	w.steps = i + 1
	w.done = append(w.done, fmt.Sprintf("%2d at %-14s %s", i+1, time.Since(w.trace.began), x.text))
	w.mu.Unlock()
	w.trace.add(false, "STEP %d %s", i+1, x.text)
}

// end ends what is left of the run.
func (w *World) end() {
	w.Kill()
	w.jobs.Wait()
	w.Kill() // one that was launched meanwhile
	w.Engine.Up(false)
	time.Sleep(time.Minute) // calls that the engine goes on with
	synctest.Wait()
}

// later does something after a time, unless the run is over by then.
func (w *World) later(d time.Duration, do func()) {
	w.jobs.Go(func() {
		time.Sleep(d)
		do()
	})
}

// aftermath is how long what a fault has begun may go on: a container that is going to crash, a stop with its grace.
const aftermath = 40 * time.Second

// heal ends all faults.
func (w *World) heal() {
	w.jobs.Wait() // what is paused goes on, the engine is up again, a supervisor runs
	w.mu.Lock()
	w.weather = weather{}
	w.agent.hangs = false
	w.mu.Unlock()
	w.trace.add(false, "STEP all faults end")
	for s := w.Supervisor(); s != nil && s.Store().Latest().Profile == ""; s = w.Supervisor() { // the first apply had failed
		w.command("apply", w.applies(w.stacks[0]))
		time.Sleep(10 * time.Second)
		w.jobs.Wait()
	}
	time.Sleep(aftermath)
}

var errKilled = errors.New("the supervisor was killed")
