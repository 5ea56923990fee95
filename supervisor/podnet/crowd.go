package podnet

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/agent"
)

// crowd is what the agent said of its limit of connections at the last look.
type crowd struct {
	// text says that connections wait, "" while none do.
	text string
	// instance and waited are the agent's.
	instance string
	waited   int64
}

// look takes what the agent says now, and returns the text of before.
func (c *crowd) look(h agent.Health) (before string) {
	more := h.Waited
	if c.instance == h.Instance {
		more -= c.waited
	}
	c.instance, c.waited = h.Instance, h.Waited
	before, c.text = c.text, ""
	if more > 0 {
		c.text = fmt.Sprintf("the agent passes on %d at the same time, and %d more had to wait in the last seconds; let the engine "+
			"allow more open files (LimitNOFILE of docker.service), or open fewer connections", h.Limit, more)
	}
	return before
}

// noteWaiting tells, with every look at the agent between which connections had to wait, that its limit is met.
func (n *Network) noteWaiting(h agent.Health) {
	n.mu.Lock()
	before := n.crowd.look(h)
	now := n.crowd.text
	n.mu.Unlock()
	if before == "" && now != "" {
		n.cfg.Event("Agent", n.cfg.Instance.Name, corev1.EventTypeWarning, "ConnectionLimit", "connections to Services wait: "+now)
	}
	if before != now {
		n.cfg.Changed()
	}
}

// Crowding says that connections to Services wait because the agent's limit is met, "" while none do.
func (n *Network) Crowding() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.crowd.text
}
