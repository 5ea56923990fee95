package supervisor

import (
	"slices"
	"strings"

	"github.com/lyandev/lyandev/supervisor/controller"
	"github.com/lyandev/lyandev/supervisor/podnet"
)

// Simulation gives a supervisor what it otherwise takes from chance or from the network, so that a run can be repeated. Only
// package simulation sets it. All fields must be set.
type Simulation struct {
	// Agent makes clients of the agent; see podnet.Config.Client.
	Agent func(address, token, inner string) podnet.AgentClient
	// Names makes the random part of pods' names, Jitter the random part of a probe's first wait, in [0, 1).
	Names  controller.NameSource
	Jitter func() float64
	// Gather is called by the loop before it handles messages. It blocks until everybody has posted who is about to.
	Gather func()
	// Order says in which order the loop handles messages that wait: it returns their indexes. Messages of one sender must
	// stay in their order.
	Order func(waiting []Posted) []int
}

// Posted is a message that waits for the loop.
type Posted struct {
	// From names the sender: messages with the same From arrived in the order in which they were sent.
	From string
	// Text is what LYANDEV_DEBUG=1 prints.
	Text string
}

// receiveSimulated handles m, which may be nil, and all messages that wait, in the order of the simulation.
func (s *Supervisor) receiveSimulated(m message) {
	var batch []message
	if m != nil {
		batch = append(batch, m)
	}
	s.cfg.Simulation.Gather()
	for len(s.inbox) > 0 {
		batch = append(batch, <-s.inbox)
	}
	slices.SortStableFunc(batch, func(a, b message) int { return strings.Compare(sender(a), sender(b)) })
	var waiting []Posted
	for _, m := range batch {
		waiting = append(waiting, Posted{sender(m), m.String()})
	}
	for _, i := range s.cfg.Simulation.Order(waiting) {
		s.handle(batch[i])
	}
}

// sender names who posts messages like m.
func sender(m message) string {
	switch m := m.(type) {
	case podStatus:
		return "pod " + string(m.pod.UID)
	case podGone:
		return "pod " + string(m.uid)
	case verdict:
		return "operator " + m.operator
	}
	return m.String()
}
