package network

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
)

// ErrFull says that a range has no address left.
var ErrFull = errors.New("no address left")

// Allocator gives out the addresses of a range by name. A name gets the address it had before, if that is free; a new
// name begins to look at a place that its hash decides, so that a supervisor that starts again comes to the same
// addresses. It prefers addresses that no absent name had: a StatefulSet's pod finds its own again after any number of
// Deployment pods came and went. It is not safe for use by several goroutines.
type Allocator struct {
	within Range
	held   map[string]netip.Addr
	holder map[netip.Addr]string
	// last are the addresses of names that hold none now, with the order they were released in.
	last    map[string]netip.Addr
	absent  map[netip.Addr]absence
	release uint64
}

type absence struct {
	name  string
	order uint64
}

// NewAllocator is an allocator with every address of the range free.
func NewAllocator(within Range) *Allocator {
	return &Allocator{
		within: within, held: map[string]netip.Addr{}, holder: map[netip.Addr]string{},
		last: map[string]netip.Addr{}, absent: map[netip.Addr]absence{},
	}
}

// Adopt records that name has addr already, as observed on the engine or kept from before. It fails if addr is outside the
// range or another name has it.
func (a *Allocator) Adopt(name string, addr netip.Addr) error {
	if !a.within.Contains(addr) {
		return fmt.Errorf("cannot adopt address %s of %s: it is not in %s-%s", addr, name, a.within.First, a.within.Last)
	}
	if other, taken := a.holder[addr]; taken && other != name {
		return fmt.Errorf("cannot adopt address %s of %s: %s has it", addr, name, other)
	}
	if old, had := a.held[name]; had && old != addr {
		delete(a.holder, old)
	}
	a.take(name, addr)
	return nil
}

// Remember records that name had addr, without holding it for good: others get it only when nothing else is left.
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

// Allocate is the address of name, now and until Release. An error Is ErrFull.
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

// Release makes the address of name free. Name gets it again if nobody else needed it.
func (a *Allocator) Release(name string) {
	addr, ok := a.held[name]
	if !ok {
		return
	}
	delete(a.held, name)
	delete(a.holder, addr)
	a.Remember(name, addr)
}

// Len is how many addresses are in use.
func (a *Allocator) Len() int { return len(a.held) }

// Held are the addresses in use by name; whoever keeps them can give them to Adopt later.
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

// free is the address for a new name: the first from its hash on that nobody has or had, else the one that has been
// without its holder for longest.
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
