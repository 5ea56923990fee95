package network

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

func small(n uint32) Range {
	first := netip.MustParseAddr("10.0.0.4")
	return Range{first, address(number(first) + n - 1)}
}

func must(t interface{ Fatal(...any) }, a *Allocator, name string) netip.Addr {
	addr, err := a.Allocate(name)
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

func TestAddressIsKept(t *testing.T) {
	a := NewAllocator(small(8))
	db := must(t, a, "db-0")
	if again := must(t, a, "db-0"); again != db {
		t.Errorf("%s, then %s", db, again)
	}
	a.Release("db-0")
	for i := range 6 { // others come and go meanwhile
		must(t, a, fmt.Sprint("web-", i))
	}
	if again := must(t, a, "db-0"); again != db {
		t.Errorf("%s, then %s", db, again)
	}
}

func TestAbsentNamesMakeRoom(t *testing.T) {
	a := NewAllocator(small(3))
	old, newer := must(t, a, "old"), must(t, a, "newer")
	must(t, a, "stays")
	a.Release("old")
	a.Release("newer")
	if got := must(t, a, "x"); got != old {
		t.Errorf("x got %s, want the address that was released first, %s", got, old)
	}
	if got := must(t, a, "newer"); got != newer {
		t.Errorf("newer got %s, want its own, %s", got, newer)
	}
	if _, err := a.Allocate("old"); !errors.Is(err, ErrFull) {
		t.Errorf("error %v", err)
	}
}

func TestAdopt(t *testing.T) {
	a := NewAllocator(small(8))
	addr := netip.MustParseAddr("10.0.0.6")
	if err := a.Adopt("db-0", addr); err != nil {
		t.Fatal(err)
	}
	if got := must(t, a, "db-0"); got != addr {
		t.Errorf("got %s", got)
	}
	if err := a.Adopt("db-1", addr); err == nil {
		t.Error("one address for two")
	}
	if err := a.Adopt("db-1", netip.MustParseAddr("10.0.1.6")); err == nil {
		t.Error("an address outside")
	}
	a.Remember("gone", netip.MustParseAddr("10.0.0.7"))
	a.Remember("thief", addr) // held: there is nothing to remember
	if got := must(t, a, "gone"); got.String() != "10.0.0.7" {
		t.Errorf("got %s", got)
	}
}

func TestAllocationIsTheSameAfterARestart(t *testing.T) {
	a := NewAllocator(small(100))
	for i := range 40 {
		must(t, a, fmt.Sprint("pod-", i))
	}
	b := NewAllocator(small(100))
	for name, addr := range a.Held() {
		if err := b.Adopt(name, addr); err != nil {
			t.Fatal(err)
		}
	}
	if !maps.Equal(a.Held(), b.Held()) || must(t, a, "new") != must(t, b, "new") {
		t.Error("adoption gave another state")
	}
}

// TestAllocatorInvariants: no address has two holders, none is outside, and as long as there is room a request succeeds.
func TestAllocatorInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := NewAllocator(small(5))
		name := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f", "g", "h"})
		t.Repeat(map[string]func(*rapid.T){
			"allocate": func(t *rapid.T) {
				n := name.Draw(t, "name")
				_, had := a.held[n]
				_, err := a.Allocate(n)
				if full := len(a.held) == 5; err != nil && (!full || had) {
					t.Fatal(err)
				}
			},
			"release": func(t *rapid.T) { a.Release(name.Draw(t, "name")) },
			"remember": func(t *rapid.T) {
				a.Remember(name.Draw(t, "name"), a.within.at(uint32(rapid.IntRange(0, 9).Draw(t, "i"))))
			},
			"adopt": func(t *rapid.T) {
				_ = a.Adopt(name.Draw(t, "name"), a.within.at(uint32(rapid.IntRange(0, 9).Draw(t, "i"))))
			},
			"": func(t *rapid.T) {
				if len(a.held) != len(a.holder) || len(a.last) != len(a.absent) {
					t.Fatalf("maps differ: %v %v, %v %v", a.held, a.holder, a.last, a.absent)
				}
				for n, addr := range a.held {
					if a.holder[addr] != n || !a.within.Contains(addr) {
						t.Fatalf("%s has %s, which is of %s", n, addr, a.holder[addr])
					}
				}
				for n, addr := range a.last {
					if a.absent[addr].name != n || a.holder[addr] != "" || a.held[n].IsValid() {
						t.Fatalf("%s remembered at %s", n, addr)
					}
				}
			},
		})
	})
}
