package agent

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// linkAddresses adds service addresses as /32 to the interface with the agent's own address. The kernel answers ARP requests for
// them, and still uses the agent's own address as the source of connections to pods.
type linkAddresses struct {
	link netlink.Link
	own  netip.Addr
}

func openAddresses(own netip.Addr) (addresses, error) {
	link, err := linkOf(own)
	if err != nil {
		return nil, err
	}
	return &linkAddresses{link: link, own: own}, nil
}

// linkOf is the interface with an address.
func linkOf(own netip.Addr) (netlink.Link, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("cannot list interfaces: %w", err)
	}
	for _, l := range links {
		held, err := netlink.AddrList(l, netlink.FAMILY_V4)
		if err != nil {
			return nil, fmt.Errorf("cannot list addresses of %s: %w", l.Attrs().Name, err)
		}
		for _, a := range held {
			if got, ok := netip.AddrFromSlice(a.IP.To4()); ok && got == own {
				return l, nil
			}
		}
	}
	return nil, fmt.Errorf("cannot find the interface with address %s: is the container in the project's network with that address?", own)
}

func (a *linkAddresses) List() ([]netip.Addr, error) {
	held, err := netlink.AddrList(a.link, netlink.FAMILY_V4)
	if err != nil {
		return nil, err
	}
	var found []netip.Addr
	for _, h := range held {
		addr, ok := netip.AddrFromSlice(h.IP.To4())
		ones, _ := h.Mask.Size()
		if ok && ones == 32 && addr != a.own && !addr.IsLoopback() {
			found = append(found, addr)
		}
	}
	return found, nil
}

func (a *linkAddresses) Add(addr netip.Addr) error {
	if err := netlink.AddrAdd(a.link, addrOf(addr)); err != nil && !errors.Is(err, unix.EEXIST) {
		if errors.Is(err, unix.EPERM) {
			return fmt.Errorf("%w (the container lacks NET_ADMIN)", err)
		}
		return err
	}
	return nil
}

func (a *linkAddresses) Remove(addr netip.Addr) error {
	if err := netlink.AddrDel(a.link, addrOf(addr)); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
		return err
	}
	return nil
}

func addrOf(addr netip.Addr) *netlink.Addr {
	return &netlink.Addr{IPNet: network(netip.PrefixFrom(addr, 32))}
}
