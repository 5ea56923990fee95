package agent

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	mdnetlink "github.com/mdlayher/netlink"
)

const (
	// tableName is the nftables table of the agent. Nothing else in the network namespace may use the name.
	tableName = "lyandev"
	// socketBuffer holds a transaction of some thousand rules and the acknowledgements of all of them.
	socketBuffer = 8 << 20
	// refusedRest is how long the turns of an endpoint that refused a connection go to the agent's listener, which loses nothing: it
	// must be longer than the client takes to send its SYN again.
	refusedRest = 10 * time.Second
	// maxClients bounds the clients that one endpoint's affinity remembers; further ones have none.
	maxClients = 65535
)

// nft forwards by nftables, by the design of kube-proxy's nftables mode: a map leads from address, protocol and port to the
// chain of the port, which rewrites the destination to one endpoint after the other. All packets of a connection follow its
// first one. The source becomes the agent's address: client, agent and endpoint share a subnet, so that replies would not come
// by the agent otherwise.
//
// The chain "forward" drops all that was not rewritten here. The container's setting ip_forward stays off; forwarding is
// switched on only for packets that come from the interface of the project's network.
type nft struct {
	conn     *nftables.Conn
	own      netip.Addr
	table    *nftables.Table
	services *nftables.Set
	// refused are the endpoints that have refused a connection in the last refusedRest.
	refused *nftables.Set
	snat    *nftables.Chain
	// installed are the ports as the kernel has them.
	installed map[frontKey]kernelPort
	resets    *resets
}

// openKernel returns the data path in the kernel. An error says what the kernel, or the container's rights, lack.
func openKernel(cfg Config) (kernelPath, error) {
	n := &nft{own: cfg.Address, installed: map[frontKey]kernelPort{}, resets: newResets()}
	var err error
	n.conn, err = nftables.New(nftables.AsLasting(), nftables.WithSockOptions(func(c *mdnetlink.Conn) error {
		// The kernel's defaults are enough for a hundred Services.
		_, _ = c.SetReadBuffer(socketBuffer), c.SetWriteBuffer(socketBuffer)
		return nil
	}))
	if err != nil {
		return nil, fmt.Errorf("cannot open nftables: %w", err)
	}
	link := 0
	if !cfg.anyLink {
		l, err := linkOf(cfg.Address)
		if err != nil {
			return nil, err
		}
		link = l.Attrs().Index
	}
	if err := n.install(link); err != nil {
		_ = n.conn.CloseLasting()
		return nil, err
	}
	return n, nil
}

// install makes the table without ports, and switches forwarding on for packets from the interface with index link; 0 is all
// interfaces, without forwarding.
func (n *nft) install(link int) error {
	c := n.conn
	n.table = &nftables.Table{Family: nftables.TableFamilyIPv4, Name: tableName}
	c.AddTable(n.table)
	c.DelTable(n.table) // what a killed agent left
	c.AddTable(n.table)
	n.services = &nftables.Set{
		Table: n.table, Name: "services", IsMap: true, Concatenation: true, DataType: nftables.TypeVerdict,
		KeyType: nftables.MustConcatSetType(nftables.TypeIPAddr, nftables.TypeInetProto, nftables.TypeInetService),
	}
	if err := c.AddSet(n.services, nil); err != nil {
		return fmt.Errorf("cannot make the map of services: %w", err)
	}
	n.refused = &nftables.Set{
		Table: n.table, Name: "refused", KeyType: nftables.MustConcatSetType(nftables.TypeIPAddr, nftables.TypeInetService),
		Concatenation: true, Dynamic: true, HasTimeout: true, Timeout: refusedRest, Size: maxClients,
	}
	if err := c.AddSet(n.refused, nil); err != nil {
		return fmt.Errorf("cannot make the set of endpoints that refuse: %w", err)
	}
	drop := nftables.ChainPolicyDrop
	find := c.AddChain(&nftables.Chain{Name: "find", Table: n.table})
	n.rule(find, synOrUDP()...)
	n.rule(find, lookupService(n.services)...)
	hook := func(name string, kind nftables.ChainType, at *nftables.ChainHook, when *nftables.ChainPriority, policy *nftables.ChainPolicy) *nftables.Chain {
		return c.AddChain(&nftables.Chain{Name: name, Table: n.table, Type: kind, Hooknum: at, Priority: when, Policy: policy})
	}
	raw := hook("invalid", nftables.ChainTypeFilter, nftables.ChainHookPrerouting, nftables.ChainPriorityMangle, nil)
	n.rule(raw, dropInvalid(link)...)
	in := hook("prerouting", nftables.ChainTypeNAT, nftables.ChainHookPrerouting, nftables.ChainPriorityNATDest, nil)
	n.rule(in, append(fromLink(link), goTo(find.Name))...)
	out := hook("output", nftables.ChainTypeNAT, nftables.ChainHookOutput, nftables.ChainPriorityNATDest, nil)
	n.rule(out, goTo(find.Name))
	n.snat = hook("postrouting", nftables.ChainTypeNAT, nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource, nil)
	n.rule(n.snat, sourceNAT(n.own)...)
	forward := hook("forward", nftables.ChainTypeFilter, nftables.ChainHookForward, nftables.ChainPriorityFilter, &drop)
	n.rule(forward, noteRefusal(n.refused)...)
	n.rule(forward, acceptMarked()...)
	if err := c.Flush(); err != nil {
		return fmt.Errorf("cannot make the nftables table: %w", err)
	}
	if _, _, err := n.Flows(); err != nil {
		return errors.Join(err, n.Close())
	}
	if link == 0 {
		return nil
	}
	if err := forwardFrom(link); err != nil {
		return errors.Join(err, n.Close())
	}
	return nil
}

func (n *nft) rule(c *nftables.Chain, exprs ...expr.Any) {
	n.conn.AddRule(&nftables.Rule{Table: n.table, Chain: c, Exprs: exprs})
}

// Apply implements kernelPath.
func (n *nft) Apply(ports map[frontKey]kernelPort) error {
	changed := false
	for key, old := range n.installed {
		if _, wanted := ports[key]; !wanted {
			n.remove(key, old)
			changed = true
		}
	}
	for key, port := range ports {
		old, exists := n.installed[key]
		if exists && old.affinity == port.affinity && slices.Equal(old.targets, port.targets) {
			continue
		}
		changed = true
		if err := n.set(key, old, port, exists); err != nil {
			return fmt.Errorf("cannot describe %s/%s to nftables: %w", key.at, key.protocol, err)
		}
	}
	if !changed {
		return nil
	}
	if err := n.conn.Flush(); err != nil {
		return fmt.Errorf("nftables: %w", err)
	}
	n.installed = ports
	return nil
}

func (n *nft) chain(key frontKey) *nftables.Chain {
	return &nftables.Chain{Table: n.table, Name: fmt.Sprintf("%s/%s", key.protocol, key.at)}
}

// remove takes a port away.
func (n *nft) remove(key frontKey, old kernelPort) {
	_ = n.conn.SetDeleteElements(n.services, []nftables.SetElement{{Key: serviceKey(key)}}) // fails only for keys that cannot be encoded
	c := n.chain(key)
	n.conn.FlushChain(c)
	if old.affinity > 0 {
		for _, t := range old.targets {
			n.removeSticky(key, t)
		}
	}
	n.conn.DelChain(c)
}

// set makes the chain of a port, or fills it anew.
func (n *nft) set(key frontKey, old, port kernelPort, exists bool) error {
	c := n.chain(key)
	if exists {
		n.conn.FlushChain(c)
	} else {
		n.conn.AddChain(c)
	}
	var kept []targetKey
	for _, t := range old.targets {
		switch {
		case old.affinity == 0:
		case old.affinity == port.affinity && slices.Contains(port.targets, t):
			kept = append(kept, t)
		default:
			n.removeSticky(key, t)
		}
	}
	fill := n.spread
	if port.affinity > 0 {
		fill = func(c *nftables.Chain, targets []targetKey) error { return n.stick(key, c, port, kept) }
	}
	if err := fill(c, port.targets); err != nil {
		return err
	}
	if exists {
		return nil
	}
	element := nftables.SetElement{Key: serviceKey(key), VerdictData: goTo(c.Name)}
	return n.conn.SetAddElements(n.services, []nftables.SetElement{element})
}

// spread sends connections to the targets in turn.
func (n *nft) spread(c *nftables.Chain, targets []targetKey) error {
	if len(targets) == 1 {
		n.rule(c, destinationNAT(targets[0].addr)...)
		return nil
	}
	m := &nftables.Set{
		Table: n.table, Anonymous: true, Constant: true, IsMap: true, KeyType: nftables.TypeInteger,
		DataType: nftables.MustConcatSetType(nftables.TypeIPAddr, nftables.TypeInetService),
	}
	elements := make([]nftables.SetElement, len(targets))
	for i, t := range targets {
		elements[i] = nftables.SetElement{Key: number(i), Val: targetValue(t.addr)}
	}
	if err := n.conn.AddSet(m, elements); err != nil {
		return err
	}
	n.rule(c, inTurnNAT(m, n.refused, len(targets))...)
	return nil
}

// stick sends a client's connections to the target of its last one, until it has made none for the affinity's time (R129).
// Each target has a set with the clients that it had, and a chain that enters the client there.
func (n *nft) stick(key frontKey, c *nftables.Chain, port kernelPort, kept []targetKey) error {
	elements := make([]nftables.SetElement, len(port.targets))
	for i, t := range port.targets {
		clients := n.clients(key, t, port.affinity)
		to := &nftables.Chain{Table: n.table, Name: clients.Name}
		elements[i] = nftables.SetElement{Key: number(i), VerdictData: goTo(to.Name)}
		if !slices.Contains(kept, t) {
			if err := n.conn.AddSet(clients, nil); err != nil {
				return err
			}
			n.conn.AddChain(to)
			n.rule(to, append(enterClient(clients), destinationNAT(t.addr)...)...)
		}
		n.rule(c, isClient(clients, to.Name)...)
	}
	if len(elements) == 1 {
		n.rule(c, elements[0].VerdictData)
		return nil
	}
	m := &nftables.Set{
		Table: n.table, Anonymous: true, Constant: true, IsMap: true, KeyType: nftables.TypeInteger, DataType: nftables.TypeVerdict,
	}
	if err := n.conn.AddSet(m, elements); err != nil {
		return err
	}
	n.rule(c, inTurnGoTo(m, len(elements))...)
	return nil
}

// clients is the set of the clients of one target. Its name is also that of the target's chain.
func (n *nft) clients(key frontKey, t targetKey, affinity time.Duration) *nftables.Set {
	h := fnv.New64a()
	_, _ = io.WriteString(h, t.uid)
	return &nftables.Set{
		Table: n.table, Name: fmt.Sprintf("%s/%s/%s/%x", key.protocol, key.at, t.addr, h.Sum64()),
		KeyType: nftables.TypeIPAddr, Dynamic: true, HasTimeout: true, Timeout: affinity, Size: maxClients,
	}
}

// removeSticky removes a target's chain and clients. No rule may lead to the chain any more.
func (n *nft) removeSticky(key frontKey, t targetKey) {
	clients := n.clients(key, t, 0)
	c := &nftables.Chain{Table: n.table, Name: clients.Name}
	n.conn.FlushChain(c)
	n.conn.DelChain(c)
	n.conn.DelSet(clients)
}

// Close implements kernelPath.
func (n *nft) Close() error {
	n.resets.stop()
	n.conn.DelTable(n.table)
	return errors.Join(n.conn.Flush(), n.conn.CloseLasting())
}
