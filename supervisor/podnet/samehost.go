package podnet

// SameHost reports whether the engine is known to run on this host, because the process of the agent's container does. It is false
// before there is an agent.
func (n *Network) SameHost() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.sameHost
}
