package probe

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"
)

// chaos is a random container's life: what its probes answer, how long that takes, when it crashes.
type chaos struct {
	probes  map[Type]corev1.Probe
	answers []byte
	lives   []time.Duration
	timing  Timing
	slow    time.Duration
}

func drawProbe(t *rapid.T, typ Type) corev1.Probe {
	p := corev1.Probe{
		InitialDelaySeconds: rapid.Int32Range(0, 4).Draw(t, "delay"),
		PeriodSeconds:       rapid.Int32Range(1, 4).Draw(t, "period"),
		FailureThreshold:    rapid.Int32Range(1, 4).Draw(t, "failures"),
	}
	if typ == Readiness {
		p.SuccessThreshold = rapid.Int32Range(1, 3).Draw(t, "successes")
	}
	return p
}

func drawChaos(t *rapid.T) chaos {
	c := chaos{probes: map[Type]corev1.Probe{}}
	for _, typ := range Types() {
		if rapid.Bool().Draw(t, string(typ)) {
			c.probes[typ] = drawProbe(t, typ)
		}
	}
	c.answers = rapid.SliceOfN(rapid.SampledFrom([]byte("SSSFFE")), 1, 40).Draw(t, "answers")
	c.slow = time.Duration(rapid.IntRange(0, 2500).Draw(t, "slow")) * time.Millisecond
	lives := rapid.SliceOfN(rapid.IntRange(100, 20_000), 1, 4).Draw(t, "lives")
	for _, ms := range lives {
		c.lives = append(c.lives, time.Duration(ms)*time.Millisecond)
	}
	c.timing = rapid.SampledFrom([]Timing{Fast, Strict}).Draw(t, "timing")
	return c
}

// witness checks the invariants while a chaos plays.
type witness struct {
	mu sync.Mutex
	// good: some try of this instance succeeded. run: failures in a row by type, over instances, as a handler sees them.
	good     map[string]bool
	run      map[Type]int
	busy     map[Type]bool
	last     map[resultKey]Result
	problems []string
}

func (w *witness) complain(format string, a ...any) {
	w.problems = append(w.problems, fmt.Sprintf(format, a...))
}

func (w *witness) begin(t Type) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy[t] {
		w.complain("R1: two %s probes at a time", t)
	}
	w.busy[t] = true
}

func (w *witness) end(t Type, id string, answer byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy[t] = false
	switch answer {
	case 'S':
		w.run[t] = 0
		w.good[string(t)+id] = true
	case 'F':
		w.run[t]++
	}
}

func (w *witness) changed(c Change, probes map[Type]corev1.Probe, running bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := resultKey{c.Type, c.ContainerID}
	if old, ok := w.last[key]; ok && old == c.Result {
		w.complain("R23: %s of %s published as %s twice", c.Type, c.ContainerID, c.Result)
	}
	w.last[key] = c.Result
	if c.Kills() && running {
		if threshold := int(probes[c.Type].FailureThreshold); w.run[c.Type] < threshold {
			w.complain("R7: killed by %s after %d of %d failures", c.Type, w.run[c.Type], threshold)
		}
	}
	if c.Type == Readiness && c.Result == Success && !w.good[string(c.Type)+c.ContainerID] {
		w.complain("R10: %s is ready without a success", c.ContainerID)
	}
}

// overseen is a rig whose changes go past a witness.
type overseen struct {
	*rig
	w      *witness
	probes map[Type]corev1.Probe
}

func (o *overseen) ProbeChanged(c Change) {
	o.mu.Lock()
	running := o.status.ContainerStatuses[0].State.Running != nil
	o.mu.Unlock()
	o.w.changed(c, o.probes, running)
	o.rig.ProbeChanged(c)
}

// playChaos runs a chaos and gives the broken invariants.
func playChaos(t *testing.T, c chaos) []string {
	w := &witness{good: map[string]bool{}, run: map[Type]int{}, busy: map[Type]bool{}, last: map[resultKey]Result{}}
	synctest.Test(t, func(*testing.T) {
		var mu sync.Mutex
		n := 0
		try := func(typ Type, id string) Outcome {
			mu.Lock()
			answer := c.answers[n%len(c.answers)]
			n++
			mu.Unlock()
			w.begin(typ)
			time.Sleep(c.slow)
			w.end(typ, id, answer)
			switch answer {
			case 'S':
				return passed("")
			case 'F':
				return failed("")
			}
			return broken(fmt.Errorf("broken"))
		}
		var spec corev1.Container
		for typ, p := range c.probes {
			switch typ {
			case Startup:
				spec.StartupProbe = &p
			case Readiness:
				spec.ReadinessProbe = &p
			case Liveness:
				spec.LivenessProbe = &p
			}
		}
		o := &overseen{w: w, probes: c.probes}
		o.rig = newRig(Config{Pod: podWith(spec, ""), Timing: c.timing}, try)
		o.rig.pod.cfg.Sink = o
		o.run()
		for i, life := range c.lives {
			time.Sleep(137 * time.Millisecond)
			id := fmt.Sprintf("c%d", i)
			o.start(id)
			for rest := life; rest > 0; rest -= 700 * time.Millisecond {
				time.Sleep(min(rest, 700*time.Millisecond))
				synctest.Wait()
				w.mu.Lock()
				if _, has := c.probes[Readiness]; has && o.ready() && !w.good[string(Readiness)+id] {
					w.complain("R10: %s is shown ready without a success", id)
				}
				w.mu.Unlock()
			}
			o.exit(1)
			if o.ready() || o.started() {
				w.complain("R14: an ended container is ready or started")
			}
		}
		o.close()
	})
	return w.problems
}

func TestInvariantsUnderChaos(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		if problems := playChaos(t, drawChaos(rt)); len(problems) > 0 {
			rt.Fatalf("%v", problems)
		}
	})
}

// killTime is when a container whose probes always fail is killed, counted from its start.
func killTime(t *testing.T, timing Timing, p corev1.Probe, start, takes time.Duration) (at time.Duration) {
	synctest.Test(t, func(*testing.T) {
		r := newRig(Config{Pod: podWith(corev1.Container{StartupProbe: &p}, ""), Timing: timing}, func(Type, string) Outcome {
			time.Sleep(takes)
			return failed("")
		})
		r.run()
		time.Sleep(start)
		r.start("c0")
		begin := time.Now()
		for at == 0 {
			time.Sleep(10 * time.Millisecond)
			synctest.Wait()
			if result, _ := r.pod.Result(Startup, "c0"); result == Failure {
				at = time.Since(begin)
			}
		}
		r.close()
	})
	return at
}

func TestFastKillsNoEarlierThanStrict(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := drawProbe(rt, Startup)
		// Never on a tick: which of the two comes first there is a race in the kubelet, too.
		start := time.Duration(rapid.IntRange(1, 5000).Draw(rt, "start"))*time.Millisecond + 500*time.Microsecond
		takes := time.Duration(rapid.IntRange(0, 900).Draw(rt, "takes")) * time.Millisecond
		strict, fast := killTime(t, Strict, p, start, takes), killTime(t, Fast, p, start, takes)
		if fast < strict || fast > strict+2*time.Second {
			rt.Fatalf("killed after %s, strict after %s: %+v", fast, strict, p)
		}
	})
}
