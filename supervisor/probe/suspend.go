package probe

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// The process of a container may be restarted while the container goes on (live sync does that; Kubernetes has nothing
// of the kind). To the probes that is a new instance with the same ID: not ready, not started, nothing counted.

// Suspend takes a container out of service before its process is restarted: it is not ready, and not probed, until
// Resume. A try that is in flight decides nothing. A container without a readiness probe is not ready either.
func (p *Pod) Suspend(container string) { p.suspend(container, true) }

// Resume begins the probes anew after the process was restarted. Without a readiness probe the container is ready again.
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

// turn notes the suspension and its end, and gives the change of readiness that it means.
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

// renewal is how often a container's process was restarted, and whether it is being restarted now.
func (p *Pod) renewal(container string) (r renewal, suspended bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.renewals[container], p.suspended[container]
}

// renew makes the machine begin anew with the same instance.
func (m *machine) renew(r renewal) {
	m.renewed = r
	m.run, m.hold, m.tried = 0, false, 0
	m.fresh = m.fast && m.typ != Liveness
}

// renewalGrace is how long failures of a process that was just restarted are no events.
const renewalGrace = 10 * time.Second

// renewing says that the process was restarted a moment ago and has not answered yet.
func (m *machine) renewing(now time.Time) bool {
	return m.renewed.count > 0 && m.fresh && now.Sub(m.renewed.at) < renewalGrace
}

// since is when the delay of R3 begins: at the container's start, or that of the process that replaced its first.
func (m *machine) since(c *corev1.ContainerStatus) time.Time {
	started := c.State.Running.StartedAt.Time
	if m.renewed.at.After(started) {
		return m.renewed.at
	}
	return started
}

// renewedGap is the wait before the next early try after a restart of the process, which takes a fraction of a
// container's: 10 ms growing to 250 ms, and never less than the try took.
func renewedGap(n int, took time.Duration) time.Duration {
	gap := 10 * time.Millisecond
	for range min(n, 20) {
		gap += gap / 4
	}
	return max(min(gap, earlyLast), took)
}
