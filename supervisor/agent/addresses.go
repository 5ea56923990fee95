package agent

import "net/netip"

// addresses are the service addresses on the agent's interface.
type addresses interface {
	// List returns the service addresses on the interface (left by an agent that was killed).
	List() ([]netip.Addr, error)
	// Add adds an address and announces it by ARP; Remove removes it.
	Add(netip.Addr) error
	Remove(netip.Addr) error
}
