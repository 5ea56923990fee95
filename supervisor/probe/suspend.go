package probe

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// The process of a container may be restarted while the container keeps running (for live sync; Kubernetes has no such thing).
// For the probes that is a new instance with the same ID: not ready, not started, all counts reset.

// Suspend makes a container unready and stops its probes until Resume, for a restart of its process. The result of a try in
// flight does not count. Containers without a readiness probe become unready as well.
func (p *Pod) Suspend(container string) { p.suspend(container, true) }

// Resume restarts the probes after the process was restarted. Without a readiness probe the container becomes ready at once.
func (p *Pod) Resume(container string) { p.suspend(container, false) }

func (p *Pod) suspend(container string, on bool) {
	c, known := p.turn(container, on)
	if known {
		p.cfg.Sink.ProbeChanged(c)
	}
	for _, w := range p.workers {
		if w.machine.container.Name == container {
			w.nudge()
		}
	}
}

// turn records the suspension or its end, and returns the resulting change of readiness.
func (p *Pod) turn(container string, on bool) (Change, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.suspended == nil {
		p.suspended, p.renewals = map[string]bool{}, map[string]renewal{}
	}
	if on {
		p.suspended[container] = true
	} else {
		delete(p.suspended, container)
	}
	r := p.renewals[container]
	p.renewals[container] = renewal{count: r.count + 1, at: time.Now()}
	if p.status == nil {
		return Change{}, false
	}
	s := containerStatus(p.status, container)
	if s == nil || s.ContainerID == "" || s.State.Running == nil {
		return Change{}, false
	}
	for _, t := range Types() {
		if w := p.worker(container, t); w != nil && w.alive {
			p.results[resultKey{t, s.ContainerID}] = t.Initial()
		}
	}
	result := Failure
	if w := p.worker(container, Readiness); !on && (w == nil || !w.alive) && p.worker(container, Startup) == nil {
		result = Success
	}
	c := Change{Container: container, ContainerID: s.ContainerID, Type: Readiness, Result: result, At: time.Now()}
	next := p.status.DeepCopy()
	if c.Apply(next) {
		p.status = next
	}
	return c, true
}

// renewal counts the restarts of a container's process.
type renewal struct {
	count int
	at    time.Time
}

// renewal returns how often a container's process was restarted, and whether it is being restarted now.
func (p *Pod) renewal(container string) (r renewal, suspended bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.renewals[container], p.suspended[container]
}

// renew resets the machine for a restarted process of the same instance.
func (m *machine) renew(r renewal) {
	m.renewed = r
	m.run, m.hold, m.tried = 0, false, 0
	m.fresh = m.fast && m.typ != Liveness
}

// renewalGrace is how long failures after a restart of the process emit no events.
const renewalGrace = 10 * time.Second

// renewing reports whether the process was restarted within renewalGrace and has not answered yet.
func (m *machine) renewing(now time.Time) bool {
	return m.renewed.count > 0 && m.fresh && now.Sub(m.renewed.at) < renewalGrace
}

// since returns the start of the delay of R3: the start of the container, or of its restarted process.
func (m *machine) since(c *corev1.ContainerStatus) time.Time {
	started := c.State.Running.StartedAt.Time
	if m.renewed.at.After(started) {
		return m.renewed.at
	}
	return started
}

// renewedGap returns the wait before the next early try after a restart of the process, which is much faster than a container's:
// 10 ms growing to 250 ms, and at least the duration of the try.
func renewedGap(n int, took time.Duration) time.Duration {
	gap := 10 * time.Millisecond
	for range min(n, 20) {
		gap += gap / 4
	}
	return max(min(gap, earlyLast), took)
}
