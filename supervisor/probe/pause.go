package probe

import corev1 "k8s.io/api/core/v1"

// Pause says which probes of a pod rest while somebody debugs it. Kubernetes has no such thing.
//
// While probes are paused, no failure restarts a container: liveness probes are not tried, and failures of startup probes do not
// count. With PauseAll a container that is ready stays ready and is not asked. One that is not ready yet (it has just started, or
// its process was restarted) is asked until it is, so that rollouts and live updates go on. After the pause all failures are counted
// from zero.
type Pause string

// The pauses.
const (
	NotPaused Pause = ""
	// PauseLiveness pauses liveness and startup probes; readiness is judged as ever.
	PauseLiveness Pause = "liveness"
	// PauseAll pauses readiness probes as well.
	PauseAll Pause = "all"
)

// Pause begins, changes or ends (NotPaused) a pause of all probes of the pod. It takes effect at once: a failure of a try in flight
// does not count. It may be called before Run.
func (p *Pod) Pause(which Pause) {
	p.mu.Lock()
	p.pause = which
	p.mu.Unlock()
	for _, w := range p.workers {
		w.nudge()
	}
}

func (p *Pod) paused() Pause {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pause
}

// turn takes note of a pause that has begun, changed or ended. A failure that was published before and for which the container
// has not been killed yet is taken back.
func (m *machine) turn(p Pause, s *step) {
	m.pause, m.run = p, 0
	if p != NotPaused && m.hold && m.last == Failure {
		m.hold = false
		s.publish = append(s.publish, publication{m.id, m.typ.Initial()})
	}
}

// rests reports whether the pause keeps the handler from being tried.
func (m *machine) rests(c *corev1.ContainerStatus) bool {
	switch m.typ {
	case Liveness:
		return m.pause != NotPaused
	case Readiness:
		return m.pause == PauseAll && c.Ready
	}
	return false
}

// spared reports whether failures do not count.
func (m *machine) spared() bool {
	return m.pause == PauseAll || m.pause == PauseLiveness && m.typ != Readiness
}
