package probe

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// adoptionGrace: an instance that ran longer than this before the supervisor's start is adopted as it is (R21).
const adoptionGrace = 10 * time.Second

// facts is all that one iteration of a worker looks at.
type facts struct {
	now time.Time
	// early: this is not an iteration of the kubelet's but an extra one between the ticks (Fast).
	early bool
	// deleting: the pod was already being deleted when its workers were made.
	deleting bool
	// status is the pod's latest published one, nil before the first.
	status *corev1.PodStatus
	// renewal counts the restarts of the process; suspended: one is going on, so nothing is tried.
	renewal   renewal
	suspended bool
	pause     Pause
}

// publication is a result to publish for an instance.
type publication struct {
	id     string
	result Result
}

// step is what a worker does next, in the order of the fields.
type step struct {
	// forget is the instance whose result is dropped, "" for none.
	forget  string
	publish []publication
	// probe: try the handler on target and give the outcome to finish.
	probe  bool
	target Target
	// again: an early try is wanted before the next tick (Fast).
	again bool
	// end: the worker is done for good.
	end bool
}

// machine decides for one probe of one container. It holds no clock and does nothing by itself. Not safe for
// concurrent use.
type machine struct {
	typ       Type
	container *corev1.Container
	spec      spec
	sidecar   bool
	policy    corev1.RestartPolicy
	fast      bool
	// began is the supervisor's start if it was restarted over running containers (R21), else zero.
	began time.Time

	id string
	// last and run: how often in a row the same result came (R6). They outlive an instance (R18).
	last Result
	run  int
	// hold: no probes until a new instance (R12).
	hold bool
	// costly: a try costs much, so that the early ones are fewer.
	costly bool
	// fresh: this instance has not succeeded yet, so early tries are allowed (Fast); tried counts the waits between them.
	fresh bool
	tried int
	// renewed is the last restart of the process within the instance (Pod.Suspend).
	renewed renewal
	// pause is the pause of the last iteration.
	pause Pause
}

// begin decides what one iteration does.
func (m *machine) begin(f facts) step {
	var s step
	if f.status == nil {
		return s
	}
	if f.status.Phase == corev1.PodFailed || f.status.Phase == corev1.PodSucceeded {
		s.end = true
		return s
	}
	c := containerStatus(f.status, m.container.Name)
	if c == nil || c.ContainerID == "" {
		return s
	}
	if c.ContainerID != m.id {
		m.meet(c, &s)
	}
	if f.renewal.count != m.renewed.count {
		m.renew(f.renewal)
	}
	if f.pause != m.pause {
		m.turn(f.pause, &s)
	}
	switch {
	case f.suspended || m.hold:
	case c.State.Running == nil:
		s.publish = append(s.publish, publication{m.id, Failure})
		s.end = m.over(c)
	case f.deleting && m.typ != Readiness:
		s.publish = append(s.publish, publication{m.id, Success})
		s.end = true
	case !m.open(c), m.rests(c):
	default:
		s.probe = m.may(c, f)
		s.target = Target{PodIP: f.status.PodIP, ContainerID: m.id}
		s.again = m.fresh
	}
	return s
}

// meet takes over a new instance (R5, R10). An adopted one gets no initial result (R21).
func (m *machine) meet(c *corev1.ContainerStatus, s *step) {
	s.forget = m.id
	m.id, m.hold = c.ContainerID, false
	m.renewed.at = time.Time{}
	adopted := adopted(c, m.began)
	if !adopted {
		s.publish = append(s.publish, publication{m.id, m.typ.Initial()})
	}
	m.fresh, m.tried = m.fast && m.typ != Liveness && !adopted, 0
}

// open is the gate of R11: startup probes until the container is started, the others after.
func (m *machine) open(c *corev1.ContainerStatus) bool {
	started := c.Started != nil && *c.Started
	return started == (m.typ != Startup)
}

// may says whether the handler is tried: at a tick or trigger when the delay is over, in between while an instance is fresh.
func (m *machine) may(c *corev1.ContainerStatus, f facts) bool {
	if f.early {
		return m.fresh
	}
	return !m.delayed(c, f.now)
}

// over says that a container which is not running will not run again (R16).
func (m *machine) over(c *corev1.ContainerStatus) bool {
	t := c.State.Terminated
	return t != nil && !m.sidecar && !RestartsAfter(m.container, m.policy, t.ExitCode)
}

// gap is the wait before the next early try, after one that took the given time.
func (m *machine) gap(took time.Duration) time.Duration {
	m.tried++
	if m.renewed.count > 0 {
		return renewedGap(m.tried-1, took)
	}
	if !m.costly {
		return cheapGap(m.tried - 1)
	}
	return earlyGap(m.tried-1, took)
}

// delayed is the filter of R3, from a start that is cut to a wall-clock second (R4). The delay is whole seconds, so the
// elapsed time need not be cut as well.
func (m *machine) delayed(c *corev1.ContainerStatus, now time.Time) bool {
	return now.Sub(m.since(c).Truncate(time.Second)) < m.spec.delay
}

// finish takes the outcome of the tries of one iteration (R6 to R8, R12, R13).
func (m *machine) finish(o Outcome, early bool) step {
	var s step
	if o.Err != nil {
		s.again = m.fresh
		return s
	}
	result := o.result()
	if result == Success {
		m.fresh = false
	}
	s.again = m.fresh
	if result == Failure && (early || m.spared()) {
		return s
	}
	if result != m.last {
		m.last, m.run = result, 0
	}
	m.run++
	if result == Failure && m.run < m.spec.failures || result == Success && m.run < m.spec.successes {
		return s
	}
	s.publish = append(s.publish, publication{m.id, result})
	if m.typ == Startup || m.typ == Liveness && result == Failure {
		m.hold, m.run, s.again = true, 0, false
	}
	return s
}

// adopted says that an instance was running well before a supervisor that began at the given time (R21).
func adopted(c *corev1.ContainerStatus, began time.Time) bool {
	r := c.State.Running
	return !began.IsZero() && r != nil && !r.StartedAt.IsZero() && r.StartedAt.Time.Before(began.Add(-adoptionGrace))
}

// containerStatus finds a container, sidecars included; nil if the status does not have it.
func containerStatus(s *corev1.PodStatus, name string) *corev1.ContainerStatus {
	for _, list := range [][]corev1.ContainerStatus{s.ContainerStatuses, s.InitContainerStatuses} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	return nil
}
