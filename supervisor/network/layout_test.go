package network

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

func prefixes(all ...string) (out []netip.Prefix) {
	for _, s := range all {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func TestLayoutOf(t *testing.T) {
	l, err := LayoutOf(netip.MustParsePrefix("10.201.4.7/22"))
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(l.Subnet, l.Gateway, l.Agent, l.Pods, l.Services, l.Dynamic)
	want := "10.201.4.0/22 10.201.4.1 10.201.4.2 {10.201.4.4 10.201.5.255} {10.201.6.0 10.201.6.255} 10.201.7.0/24"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, bad := range []string{"10.0.0.0/8", "10.0.0.0/28", "fd00::/64"} {
		if _, err := LayoutOf(netip.MustParsePrefix(bad)); err == nil {
			t.Errorf("%s was divided", bad)
		}
	}
}

func TestLayoutPartsAreApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bits := rapid.IntRange(16, 27).Draw(t, "bits")
		l, err := LayoutOf(netip.PrefixFrom(address(rapid.Uint32().Draw(t, "base")), bits).Masked())
		if err != nil {
			t.Fatal(err)
		}
		last := address(number(l.Subnet.Addr()) + 1<<(32-bits) - 1)
		for _, a := range []netip.Addr{l.Gateway, l.Agent, l.Pods.First, l.Pods.Last, l.Services.First, l.Services.Last, l.Dynamic.Addr(), last} {
			in := 0
			for _, yes := range []bool{a == l.Gateway, a == l.Agent, l.Pods.Contains(a), l.Services.Contains(a), l.Dynamic.Contains(a)} {
				if yes {
					in++
				}
			}
			if in != 1 || !l.Subnet.Contains(a) {
				t.Fatalf("%s is in %d parts of %+v", a, in, l)
			}
		}
	})
}

func TestChooseSubnet(t *testing.T) {
	a, err := ChooseSubnet("demo", nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := ChooseSubnet("demo", prefixes("192.168.0.0/16", "0.0.0.0/0")); a != b {
		t.Errorf("the same project got %s, then %s: a default route is in nobody's way", a, b)
	}
	if b, _ := ChooseSubnet("demo", []netip.Prefix{a}); b.Overlaps(a) {
		t.Errorf("%s overlaps %s", b, a)
	}
	if b, _ := ChooseSubnet("demo", prefixes("10.0.0.0/8", "172.16.0.0/13")); b.String() != "172.24.0.0/22" {
		t.Errorf("beside 10.0.0.0/8: %s", b)
	}
	if _, err := ChooseSubnet("demo", prefixes("10.0.0.0/8", "172.16.0.0/12")); !errors.Is(err, ErrNoSubnet) {
		t.Errorf("error %v", err)
	}
}

func TestManyStacksNeverCollide(t *testing.T) {
	var occupied []netip.Prefix
	for i := range 500 {
		c, err := ChooseSubnet(fmt.Sprint("test-", i), occupied)
		if err != nil {
			t.Fatal(err)
		}
		if overlapsAny(c, occupied) {
			t.Fatalf("%s is taken", c)
		}
		occupied = append(occupied, c)
	}
}
