package agent

import "net/netip"

// addresses are the service addresses on the agent's interface.
type addresses interface {
	// List are the service addresses that are there already (left by an agent that was killed).
	List() ([]netip.Addr, error)
	// Add puts an address there and tells the neighbours; Remove takes it off.
	Add(netip.Addr) error
	Remove(netip.Addr) error
}
