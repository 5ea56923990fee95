package network

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
)

// ErrFull means that a range has no free address.
var ErrFull = errors.New("no address left")

// Allocator assigns the addresses of a range to names. A name gets its previous address if that is free. For a new name the
// search starts at the hash of the name, so a restarted supervisor assigns the same addresses, and prefers addresses that no
// other name had before: a StatefulSet's pod gets its address back after any number of Deployment pods. It is not safe for
// concurrent use.
type Allocator struct {
	within Range
	held   map[string]netip.Addr
	holder map[netip.Addr]string
	// last holds the previous addresses of names that hold none now, with the order of their release.
	last    map[string]netip.Addr
	absent  map[netip.Addr]absence
	release uint64
}

type absence struct {
	name  string
	order uint64
}

// NewAllocator returns an Allocator with every address of the range free.
func NewAllocator(within Range) *Allocator {
	return &Allocator{
		within: within, held: map[string]netip.Addr{}, holder: map[netip.Addr]string{},
		last: map[string]netip.Addr{}, absent: map[netip.Addr]absence{},
	}
}

// Adopt records that name already has addr. It is an error if addr is outside the range or another name has it.
func (a *Allocator) Adopt(name string, addr netip.Addr) error {
	if !a.within.Contains(addr) {
		return fmt.Errorf("cannot adopt address %s of %s: it is not in %s-%s", addr, name, a.within.First, a.within.Last)
	}
	if other, taken := a.holder[addr]; taken && other != name {
		return fmt.Errorf("cannot adopt address %s of %s: it belongs to %s", addr, name, other)
	}
	if old, had := a.held[name]; had && old != addr {
		delete(a.holder, old)
	}
	a.take(name, addr)
	return nil
}

// Remember records that name had addr before. Other names get addr only if no other address is free.
func (a *Allocator) Remember(name string, addr netip.Addr) {
	if _, taken := a.holder[addr]; taken || !a.within.Contains(addr) {
		return
	}
	if _, has := a.held[name]; has {
		return
	}
	a.forget(name)
	if before, ok := a.absent[addr]; ok {
		delete(a.last, before.name)
	}
	a.release++
	a.last[name], a.absent[addr] = addr, absence{name, a.release}
}

// Allocate returns the address of name, which it keeps until Release. The error is ErrFull.
func (a *Allocator) Allocate(name string) (netip.Addr, error) {
	if addr, ok := a.held[name]; ok {
		return addr, nil
	}
	addr, ok := a.last[name]
	if !ok {
		addr, ok = a.free(name)
	}
	if !ok {
		return netip.Addr{}, fmt.Errorf("cannot allocate an address for %s: %w, all %d of %s-%s are in use",
			name, ErrFull, a.within.Size(), a.within.First, a.within.Last)
	}
	a.take(name, addr)
	return addr, nil
}

// Release frees the address of name. Name gets the same address again if it is still free.
func (a *Allocator) Release(name string) {
	addr, ok := a.held[name]
	if !ok {
		return
	}
	delete(a.held, name)
	delete(a.holder, addr)
	a.Remember(name, addr)
}

// Len returns the number of addresses in use.
func (a *Allocator) Len() int { return len(a.held) }

// Held returns the addresses in use by name, for a later Adopt.
func (a *Allocator) Held() map[string]netip.Addr { return maps.Clone(a.held) }

func (a *Allocator) take(name string, addr netip.Addr) {
	a.forget(name)
	if before, ok := a.absent[addr]; ok {
		delete(a.last, before.name)
		delete(a.absent, addr)
	}
	a.held[name], a.holder[addr] = addr, name
}

func (a *Allocator) forget(name string) {
	if addr, ok := a.last[name]; ok {
		delete(a.absent, addr)
		delete(a.last, name)
	}
}

// free returns the address for a new name: the first one from its hash that no name has or had, else the one that was released
// first.
func (a *Allocator) free(name string) (netip.Addr, bool) {
	size := a.within.Size()
	start := hash(name) % size
	var oldest netip.Addr
	var order uint64
	for i := range size {
		addr := a.within.at((start + i) % size)
		if _, taken := a.holder[addr]; taken {
			continue
		}
		gone, had := a.absent[addr]
		if !had {
			return addr, true
		}
		if !oldest.IsValid() || gone.order < order {
			oldest, order = addr, gone.order
		}
	}
	return oldest, oldest.IsValid()
}
