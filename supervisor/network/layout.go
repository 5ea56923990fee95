// Package network assigns the addresses of a project's Docker network, computes the agent's endpoint table from Services and
// pods, and connects the supervisor to pods. The decisions are pure functions; functions that read the host's state are
// documented as such.
package network

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"net/netip"
)

// SubnetBits is the size of a project's subnet: 1024 addresses.
const SubnetBits = 22

// ErrNoSubnet means that every candidate overlaps an existing network.
var ErrNoSubnet = errors.New("no free subnet")

// Range is an inclusive range of addresses.
type Range struct{ First, Last netip.Addr }

// Contains reports whether a is in the range.
func (r Range) Contains(a netip.Addr) bool {
	return a.Is4() && r.First.Compare(a) <= 0 && a.Compare(r.Last) <= 0
}

// Size is the number of addresses.
func (r Range) Size() uint32 { return number(r.Last) - number(r.First) + 1 }

func (r Range) at(i uint32) netip.Addr { return address(number(r.First) + i) }

// Layout divides a project's subnet: the lower half is for the agent and the pods, which have fixed addresses; a quarter is for
// Services; Docker assigns addresses from the last quarter. The network must be created with Dynamic as its --ip-range, so
// that Docker never assigns an address of the other parts (without it, a starting container could take the address of a
// stopped one), and with Gateway, which Docker would otherwise take from Dynamic.
type Layout struct {
	Subnet  netip.Prefix
	Gateway netip.Addr
	// Agent is the agent's address.
	Agent netip.Addr
	// Pods and Services are assigned by the supervisor.
	Pods, Services Range
	// Dynamic is the --ip-range, from which Docker assigns addresses.
	Dynamic netip.Prefix
}

// LayoutOf returns the layout of a subnet of /16 to /27. It depends on the subnet only. Other subnets are an error.
func LayoutOf(subnet netip.Prefix) (Layout, error) {
	if !subnet.IsValid() || !subnet.Addr().Is4() || subnet.Bits() < 16 || subnet.Bits() > 27 {
		return Layout{}, fmt.Errorf("cannot divide subnet %s: an IPv4 subnet of /16 to /27 is needed", subnet)
	}
	subnet = subnet.Masked()
	base := number(subnet.Addr())
	quarter := uint32(1) << (32 - subnet.Bits()) / 4
	return Layout{
		Subnet:   subnet,
		Gateway:  address(base + 1),
		Agent:    address(base + 2),
		Pods:     Range{address(base + 4), address(base + 2*quarter - 1)}, // .3 is reserved for a second agent
		Services: Range{address(base + 2*quarter), address(base + 3*quarter - 1)},
		Dynamic:  netip.PrefixFrom(address(base+3*quarter), subnet.Bits()+2),
	}, nil
}

// ChooseSubnet returns a subnet for a project that overlaps none in occupied: the host's routes and interface addresses, and
// the subnets of all Docker networks. The search starts at a hash of the project's name, so a project tends to get the same
// subnet again. If Docker reports an overlap anyway, add that subnet to occupied and call again. The error is ErrNoSubnet if
// every candidate overlaps.
func ChooseSubnet(project string, occupied []netip.Prefix) (netip.Prefix, error) {
	candidates := candidateSubnets()
	start := hash(project) % uint32(len(candidates))
	for i := range candidates {
		c := candidates[(int(start)+i)%len(candidates)]
		if !overlapsAny(c, occupied) {
			return c, nil
		}
	}
	// Company networks often occupy all of 10.0.0.0/8; the other private range is the fallback.
	for third := 16; third < 32; third++ {
		for low := 0; low < 256; low += 1 << (24 - SubnetBits) {
			c := netip.PrefixFrom(netip.AddrFrom4([4]byte{172, byte(third), byte(low), 0}), SubnetBits)
			if !overlapsAny(c, occupied) {
				return c, nil
			}
		}
	}
	return netip.Prefix{}, fmt.Errorf("cannot choose a subnet for project %s: %w in 10.201.0.0-10.254.255.255 and 172.16.0.0/12, "+
		"remove unused networks (docker network prune)", project, ErrNoSubnet)
}

// candidateSubnets are the subnets of 10.201.0.0 to 10.254.255.255, a rarely used range.
func candidateSubnets() []netip.Prefix {
	var all []netip.Prefix
	for second := 201; second <= 254; second++ {
		for third := 0; third < 256; third += 1 << (24 - SubnetBits) {
			all = append(all, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(second), byte(third), 0}), SubnetBits))
		}
	}
	return all
}

func overlapsAny(c netip.Prefix, occupied []netip.Prefix) bool {
	for _, o := range occupied {
		if o.IsValid() && o.Bits() > 0 && c.Overlaps(o) {
			return true
		}
	}
	return false
}

func hash(s string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(s))
	return h.Sum32()
}

func number(a netip.Addr) uint32 { b := a.As4(); return binary.BigEndian.Uint32(b[:]) }

func address(n uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}
