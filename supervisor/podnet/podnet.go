// Package podnet looks after the Docker network of one stack: it makes the network, gives pods and Services their addresses,
// runs the agent that serves names, Services and host ports, pushes the endpoint table to it, and puts back into the network
// what was taken out of it. The agent is also connected to other Docker networks where it has host ports to serve. A stack that
// needs no agent gets none.
//
//	Ensure: network -> agent -> client
//	Offer (the loop) --> pending table --> Run: push --ok--> acknowledged: callbacks of AfterNextPush
//	                                         |
//	                                         +--failed--> revive: network, agent; push again
//
// It never sees the loop's state: it is given a network.View, and calls the functions of Config.
package podnet

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/agent"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/network"
	"github.com/lyandev/lyandev/supervisor/selfimage"
)

// node is the kind of the node in events.
const node = "Node"

// Engine is what podnet needs of the engine.
type Engine interface {
	engine.Networks
	Info(ctx context.Context) (engine.Info, error)
	CreateContainer(ctx context.Context, spec engine.ContainerSpec) (id string, err error)
	StartContainer(ctx context.Context, id string) error
	StopContainer(ctx context.Context, id, signal string, grace time.Duration) error
	RemoveContainer(ctx context.Context, id string) error
	CopyTo(ctx context.Context, id, dir string, tar io.Reader) error
	InspectContainer(ctx context.Context, id string) (engine.Container, error)
	ListContainers(ctx context.Context, labels map[string]string) ([]engine.Container, error)
}

// AgentClient speaks to one agent.
type AgentClient interface {
	// Push makes t the table in force; it has taken effect when Push returns.
	Push(ctx context.Context, t *agent.Table) (agent.Pushed, error)
	Health(ctx context.Context) (agent.Health, error)
	Table(ctx context.Context) (*agent.Table, error)
	// DialContext reaches an address in the network.
	DialContext(ctx context.Context, network, addr string) (net.Conn, error)
	// Close gives up idle connections.
	Close()
}

// Config is what a Network works with. All but Client and Warn must be set.
type Config struct {
	Engine   Engine
	Instance *instance.Instance
	// Image is the agent's image and the hash of its binary (selfimage.Image.Ensure).
	Image func(ctx context.Context) (ref, hash string, err error)
	Log   *slog.Logger
	// Datapath is what the agent is told of how to forward connections (agent.Config.Datapath); "" leaves it to the agent.
	Datapath string

	// Changed says that Trouble, Bound or Datapath may have changed, or that the agent has to be offered a table: the loop should look.
	// It must not call back into the Network.
	Changed func()
	// Event records an event of type Normal or Warning on a "Pod", the "Agent" (by the instance's name), or the "Node" (name "").
	Event func(kind, name, typ, reason, message string)
	// Warn is told what the engine leaves out of the agent's container (engine.ContainerSpec.Warn); nil drops it.
	Warn func(text string)
	// Rejoin puts running containers that are outside the network back into it, each under its pod's address, and returns
	// the names of their pods. It may be set later with SetRejoin.
	Rejoin func(ctx context.Context) (pods []string, err error)

	// Client makes a client for the control API at address (host:port); inner is that API's address in the network. nil is
	// the real one.
	Client func(address, token, inner string) AgentClient
}

// Network is the network of one stack. Its methods may be called at the same time, but for Offer and AfterNextPush, which
// belong to the loop.
type Network struct {
	cfg Config
	log *slog.Logger

	// changing is held while the network or the agent is made, replaced or started again. It comes before mu.
	changing turn
	// saving is held while the addresses are written to their file. It comes before mu.
	saving sync.Mutex
	// members are the containers that were in the network at the last look; memberLoop's own.
	members members
	// queued are the callbacks of the loop's present step; the loop's own.
	queued []waiting

	mu sync.Mutex
	// home is the name of the network that the agent has its fixed address in; settings are the file's for the default network.
	home     string
	settings *compose.Network
	// agentless says that the stack needs no agent and has none.
	agentless bool
	// shared are the other networks that the agent is to be in.
	shared []string
	// clusterServices says that plain containers are to find Services of Kubernetes' semantics.
	clusterServices bool
	layout          network.Layout
	pods            *network.Allocator
	vips            *network.Allocator
	// chosen are the host ports taken in the place of others, by what was asked for (portKey).
	chosen map[string]int32
	// wanted are the host ports that were asked for, bound those that the agent publishes.
	wanted []services.HostPort
	bound  []network.Published
	// local is whether the engine shares this host's network, nil until it was asked.
	local *bool
	// sameHost is what SameHost reports.
	sameHost bool
	token    string
	// client is nil until an agent was reached; address is where.
	client  AgentClient
	address string
	// trouble is why the agent does not serve, "" while it does or is only being started.
	trouble string
	// datapath is what the agent last said of it.
	datapath datapath
	// crowd is what is known of connections that wait for room in the agent.
	crowd crowd

	// pending is the latest table that was offered, last the same as JSON. after waits for it to be acknowledged.
	pending *agent.Table
	last    []byte
	after   []waiting
	// seq is that of the latest in after.
	seq uint64

	// wake makes the pusher push, queue makes the releaser look at after.
	wake, queue chan struct{}
}

// New is a network that is not there yet: Ensure or Adopt makes or finds it.
func New(cfg Config) *Network {
	if cfg.Client == nil {
		cfg.Client = newClient
	}
	return &Network{cfg: cfg, log: cfg.Log, home: defaultName(cfg.Instance), changing: make(turn, 1), wake: make(chan struct{}, 1), queue: make(chan struct{}, 1)}
}

// SetRejoin sets Config.Rejoin, where it is known only after New: the pods get their addresses from the Network. It is called
// before Ensure, Adopt and Run.
func (n *Network) SetRejoin(rejoin func(ctx context.Context) (pods []string, err error)) {
	n.cfg.Rejoin = rejoin
}

// realClient is the client of an agent, which dials directly where the host routes into the network.
type realClient struct {
	*agent.Client
	dialer *network.Dialer
}

func newClient(address, token, inner string) AgentClient {
	c := agent.NewClient(address, token)
	return realClient{c, network.NewDialer(c, inner)}
}

// DialContext implements AgentClient.
func (c realClient) DialContext(ctx context.Context, netw, addr string) (net.Conn, error) {
	return c.dialer.DialContext(ctx, netw, addr)
}

// Name is that of the Docker network in which pods have fixed addresses: the one that Compose would give it, so that other tools
// find it.
func (n *Network) Name() string { return defaultName(n.cfg.Instance) }

func defaultName(i *instance.Instance) string { return i.Name + "_" + network.DefaultKey }

// Labels are those of an object of the project that belongs to no pod; kind is selfimage.KindLabel's value.
func (n *Network) Labels(kind string) map[string]string {
	return map[string]string{
		services.ProjectLabel: n.cfg.Instance.Name, selfimage.KindLabel: kind, services.DirLabel: n.cfg.Instance.Dir,
		"com.docker.compose.project": n.cfg.Instance.Name,
	}
}

// Ensure brings up what a stack needs of the network: the network itself, and an agent of this version that publishes its host
// ports; with auto the next free host port is taken where one is in use. It blocks until the agent answers. An agent that is
// there stays even if this stack needs none: pods of the stack before may still need it.
func (n *Network) Ensure(ctx context.Context, r Request, auto bool) error {
	n.changing.Lock()
	defer n.changing.Unlock()
	if err := n.take(ctx, r); err != nil {
		return err
	}
	if !n.hasHome() {
		return nil
	}
	made, err := n.ensureNetwork(ctx)
	if err == nil && made {
		err = n.moveIn(ctx)
	}
	if err != nil || n.withoutAgent() {
		return err
	}
	if err := n.ensureAgent(ctx, r.HostPorts, auto); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.wanted = r.HostPorts
	return nil
}

// Adopt takes over the network of a stack that runs, and its agent. It returns the table that the agent serves, nil if it
// does not answer; Run brings the agent back then.
func (n *Network) Adopt(ctx context.Context, r Request) (*agent.Table, error) {
	n.changing.Lock()
	defer n.changing.Unlock()
	if err := n.take(ctx, r); err != nil || !n.hasHome() {
		return nil, err
	}
	made, err := n.ensureNetwork(ctx)
	if err != nil {
		return nil, err
	}
	if made {
		if err := n.moveIn(ctx); err != nil {
			n.log.Warn("cannot put what runs into the network that was made again", "error", err)
		}
	}
	if n.withoutAgent() {
		return nil, nil
	}
	return n.adoptAgent(ctx), nil
}

// DNS is the address of the agent, which is the pods' name server; it is not valid before the network is there.
func (n *Network) DNS() netip.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.layout.Agent
}

// Gateway is the host's address in the network, "" before it is there.
func (n *Network) Gateway() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.layout.Gateway.IsValid() {
		return ""
	}
	return n.layout.Gateway.String()
}

// Bound are the published host ports, with the numbers that are really bound.
func (n *Network) Bound() []services.HostPort {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []services.HostPort
	for _, b := range n.bound {
		out = append(out, b.Host)
	}
	return out
}

// Complete adds the Services' addresses, the host ports and the agent's networks to a view of Services, pods and ingresses.
func (n *Network) Complete(v network.View) network.View {
	n.mu.Lock()
	defer n.mu.Unlock()
	v.HostPorts, v.Networks = n.bound, append([]string{n.home}, n.shared...)
	if n.vips != nil {
		v.VIPs = n.vips.Held()
	}
	return v
}

// isLocal says whether the engine shares this host's network. It asks the engine once.
func (n *Network) isLocal(ctx context.Context) (bool, error) {
	n.mu.Lock()
	known := n.local
	n.mu.Unlock()
	if known != nil {
		return *known, nil
	}
	info, err := n.cfg.Engine.Info(ctx)
	if err != nil {
		return false, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.local = &info.Local
	return info.Local, nil
}

// Rest takes away the agent, and leaves the networks to the containers in them.
func (n *Network) Rest(ctx context.Context) error {
	n.changing.Lock()
	defer n.changing.Unlock()
	return n.dropAgent(ctx)
}

// Remove takes away the agent and all networks that were made for the stack. A network that containers of others are in stays,
// and the log says so.
func (n *Network) Remove(ctx context.Context) error {
	n.changing.Lock()
	defer n.changing.Unlock()
	if err := n.dropAgent(ctx); err != nil {
		return err
	}
	list, err := n.cfg.Engine.ListNetworks(ctx, map[string]string{services.ProjectLabel: n.cfg.Instance.Name})
	if err != nil {
		return err
	}
	var errs []error
	for _, found := range list {
		if len(found.Containers) > 0 && found.Name != n.homeName() {
			n.log.Warn("a network stays, because containers that are not the stack's use it", "network", found.Name)
			continue
		}
		errs = append(errs, n.cfg.Engine.RemoveNetwork(ctx, found.ID))
	}
	return errors.Join(errs...)
}
