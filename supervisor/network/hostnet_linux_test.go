package network

import (
	"net"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
)

func TestDestination(t *testing.T) {
	for text, want := range map[string]string{"10.1.0.0/16": "10.1.0.0/16", "172.17.0.9/32": "172.17.0.9/32", "0.0.0.0/0": "", "": "", "fd00::/8": ""} {
		r := new(netlink.Route)
		if _, dst, err := net.ParseCIDR(text); err == nil {
			r.Dst = dst
		}
		got, ok := destination(r)
		if ok != (want != "") || ok && got != netip.MustParsePrefix(want) {
			t.Errorf("%q: %s, %v", text, got, ok)
		}
	}
}

// TestHostPrefixes: the loopback's subnet is always there.
func TestHostPrefixes(t *testing.T) {
	all, err := HostPrefixes()
	if err != nil || !overlapsAny(netip.MustParsePrefix("127.0.0.1/32"), all) {
		t.Errorf("%v, %v", all, err)
	}
}
