package podnet

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/agent"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/network"
	"github.com/lyandev/lyandev/supervisor/selfimage"
)

// portsLabel is on the agent: the host ports that it publishes, as portsKey writes them.
const portsLabel = "dev.lyandev.ports"

// connectLimit bounds the wait for an agent that has just been started.
const connectLimit = 10 * time.Second

// loopback is where everything is published unless the file says otherwise.
var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// secret is the agent's token: made once an instance, readable by its user only. Called with changing held.
func (n *Network) secret() (string, error) {
	n.mu.Lock()
	token := n.token
	n.mu.Unlock()
	if token != "" {
		return token, nil
	}
	path := n.cfg.Instance.File("agent-token")
	if b, err := os.ReadFile(path); err == nil && len(b) >= 16 {
		token = string(b)
	} else {
		token = rand.Text()
		if err := instance.WriteFile(path, []byte(token)); err != nil {
			return "", err
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.token = token
	return token, nil
}

// ensureAgent makes sure that an agent of this version runs with these host ports, and connects to it. Called with changing
// held.
func (n *Network) ensureAgent(ctx context.Context, ports []services.HostPort, auto bool) error {
	image, hash, err := n.cfg.Image(ctx)
	if err != nil {
		return err
	}
	for tries := 1; ; tries++ {
		old, err := n.findAgent(ctx)
		if err != nil {
			return err
		}
		wanted, err := n.publish(ctx, ports, old, auto)
		if err != nil {
			return err
		}
		if old != nil && old.State == engine.StateRunning && n.inside(old) && n.asWanted(old, wanted, hash) {
			return errors.Join(n.share(ctx, old), n.connect(ctx, *old, wanted))
		}
		err = n.replaceAgent(ctx, old, wanted, image, hash)
		if !auto || tries == 3 || !engine.IsPortTaken(err) {
			return err
		}
		// Somebody took the port after it was found free: look again.
	}
}

// asWanted says whether an agent is of this version, publishes these host ports and was told the present data path.
func (n *Network) asWanted(c *engine.Container, ports []network.Published, hash string) bool {
	return c.Labels[selfimage.HashLabel] == hash && c.Labels[portsLabel] == portsKey(ports) && c.Labels[datapathLabel] == n.cfg.Datapath
}

// inside says whether the container is in the network.
func (n *Network) inside(c *engine.Container) bool {
	_, in := c.IPs[n.homeName()]
	return in
}

func (n *Network) isAgent(c *engine.Container) bool {
	return c.Labels[services.ProjectLabel] == n.cfg.Instance.Name && c.Labels[selfimage.KindLabel] == "agent"
}

// findAgent is the agent's container, nil if there is none.
func (n *Network) findAgent(ctx context.Context) (*engine.Container, error) {
	list, err := n.cfg.Engine.ListContainers(ctx, map[string]string{
		services.ProjectLabel: n.cfg.Instance.Name, selfimage.KindLabel: "agent",
	})
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

// dropAgent removes the agent, killing it.
func (n *Network) dropAgent(ctx context.Context) error {
	c, err := n.findAgent(ctx)
	if err != nil || c == nil {
		return err
	}
	return n.cfg.Engine.RemoveContainer(ctx, c.ID)
}

func portsKey(ports []network.Published) string {
	var parts []string
	for _, p := range ports {
		parts = append(parts, fmt.Sprintf("%s:%d:%d/%s", p.Host.HostIP, p.Host.HostPort, p.AgentPort, p.Host.Protocol))
	}
	return strings.Join(parts, ",")
}

// replaceAgent starts a new agent in the place of the old one, which is given 3 s to end its connections.
func (n *Network) replaceAgent(ctx context.Context, old *engine.Container, ports []network.Published, image, hash string) error {
	eng := n.cfg.Engine
	if old != nil {
		if err := eng.StopContainer(ctx, old.ID, "", 3*time.Second); err != nil {
			return err
		}
		if err := eng.RemoveContainer(ctx, old.ID); err != nil {
			return err
		}
	}
	token, err := n.secret()
	if err != nil {
		return err
	}
	spec := n.agentSpec(ports, image, hash)
	if spec.Publish[0].HostPort, err = n.controlPort(ctx, old); err != nil {
		return err
	}
	id, err := n.startAgent(ctx, spec, token)
	if engine.IsPortTaken(err) {
		return fmt.Errorf("cannot publish the stack's ports: %w; free it, or let lyandev choose with --ports auto", err)
	}
	if err != nil {
		return err
	}
	c, err := eng.InspectContainer(ctx, id)
	if err != nil {
		return err
	}
	return errors.Join(n.share(ctx, &c), n.connect(ctx, c, ports))
}

// agentSpec is an agent's container. It may do no more than the agent needs to. The first port is that of the control API,
// without its host port.
func (n *Network) agentSpec(ports []network.Published, image, hash string) engine.ContainerSpec {
	n.mu.Lock()
	layout := n.layout
	n.mu.Unlock()
	conf := agent.Config{Version: hash, Subnet: layout.Subnet, Address: layout.Agent, Gateway: layout.Gateway, Datapath: n.cfg.Datapath}
	labels := n.Labels("agent")
	labels[selfimage.HashLabel], labels[portsLabel] = hash, portsKey(ports)
	if n.cfg.Datapath != "" {
		labels[datapathLabel] = n.cfg.Datapath
	}
	spec := engine.ContainerSpec{
		Name: n.cfg.Instance.Name + "-agent", Image: image, Labels: labels, Cmd: []string{agent.Command}, Env: conf.Env(),
		Network: n.homeName(), IP: layout.Agent, MAC: agent.MAC(layout.Agent), RestartPolicy: "always",
		CapDrop: []string{"ALL"}, CapAdd: agent.Capabilities, ReadOnlyRootFS: true, SecurityOpt: []string{"no-new-privileges"},
		DNSOptions: agent.DNSOptions, Sysctls: agent.Sysctls,
		Mounts:  []engine.Mount{{Anonymous: true, Target: agent.StateDir}},
		Publish: []engine.PortBinding{{HostIP: loopback, ContainerPort: agent.ControlPort}}, Warn: n.cfg.Warn,
	}
	for _, p := range ports {
		ip, _ := netip.ParseAddr(p.Host.HostIP)
		spec.Publish = append(spec.Publish, engine.PortBinding{
			HostIP: ip, HostPort: uint16(p.Host.HostPort), ContainerPort: p.AgentPort, Protocol: string(p.Host.Protocol),
		})
	}
	return spec
}

// startAgent creates an agent's container, puts the token into it and starts it. After an error nothing of it is left.
func (n *Network) startAgent(ctx context.Context, spec engine.ContainerSpec, token string) (id string, err error) {
	eng := n.cfg.Engine
	if id, err = eng.CreateContainer(ctx, spec); err != nil {
		return "", err
	}
	if err = eng.CopyTo(ctx, id, agent.StateDir, agent.TokenArchive(token)); err == nil {
		err = eng.StartContainer(ctx, id)
	}
	if err != nil {
		_ = eng.RemoveContainer(context.WithoutCancel(ctx), id)
		return "", err
	}
	return id, nil
}

// controlPort is the host port of the control API: the one it had, else a free one, else 0. It is chosen here because an
// engine that chooses does so anew at every start of the container.
func (n *Network) controlPort(ctx context.Context, old *engine.Container) (uint16, error) {
	if old != nil {
		for _, b := range old.Ports {
			if b.ContainerPort == agent.ControlPort {
				return b.HostPort, nil
			}
		}
	}
	local, err := n.isLocal(ctx)
	if err != nil || !local {
		return 0, err
	}
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(loopback, 0)))
	if err != nil {
		return 0, nil
	}
	defer l.Close()
	return uint16(l.Addr().(*net.TCPAddr).Port), nil
}

// connect waits until the agent answers, connectLimit at most, and makes it the one that tables are pushed to.
func (n *Network) connect(ctx context.Context, c engine.Container, ports []network.Published) error {
	token, err := n.secret()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, connectLimit)
	defer cancel()
	for {
		if at, ok := controlAddress(c); ok {
			client := n.cfg.Client(at, token, n.innerAddress())
			if h, err := client.Health(ctx); err == nil {
				n.setClient(client, at, func() { n.bound, n.last, n.sameHost = ports, nil, engine.OnThisHost(c.PID, c.ID) })
				n.noteDatapath(h)
				n.cfg.Changed() // a new agent has no table
				return nil
			}
			client.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("cannot reach the agent of %s in container %s: it did not answer in %s; see `docker logs %s`",
				n.cfg.Instance.Name, c.Name, connectLimit, c.Name)
		case <-time.After(10 * time.Millisecond):
		}
		if again, err := n.cfg.Engine.InspectContainer(ctx, c.ID); err == nil {
			c = again
		}
	}
}

// setClient takes a client into use, closes the one before, and does what else belongs to the change under the lock.
func (n *Network) setClient(client AgentClient, address string, also func()) {
	n.mu.Lock()
	old := n.client
	n.client, n.address = client, address
	also()
	n.mu.Unlock()
	if old != nil {
		old.Close()
	}
}

// innerAddress is the address of the control API in the network.
func (n *Network) innerAddress() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return netip.AddrPortFrom(n.layout.Agent, agent.ControlPort).String()
}

func controlAddress(c engine.Container) (string, bool) {
	for _, b := range c.Ports {
		if b.ContainerPort == agent.ControlPort && b.HostPort != 0 {
			return "127.0.0.1:" + strconv.Itoa(int(b.HostPort)), true
		}
	}
	return "", false
}

// adoptAgent connects to an agent that runs and returns its table, nil if there is none. Called with changing held.
func (n *Network) adoptAgent(ctx context.Context) *agent.Table {
	c, err := n.findAgent(ctx)
	if err != nil || c == nil || c.State != engine.StateRunning || !n.inside(c) {
		return nil // it is brought back as soon as a table is pushed
	}
	if err := n.connect(ctx, *c, nil); err != nil {
		n.log.Warn("the agent does not answer; it is brought back when the table is pushed", "error", err)
		return nil
	}
	n.mu.Lock()
	client := n.client
	n.mu.Unlock()
	table, err := client.Table(ctx)
	if err != nil {
		n.log.Warn("cannot read the agent's table", "error", err)
		return nil
	}
	return table
}

// revive brings the agent and its network back to where tables can be pushed, and notes why that cannot be. An agent that is
// being replaced is left alone.
func (n *Network) revive(ctx context.Context) {
	if !n.changing.TryLock() {
		return
	}
	defer n.changing.Unlock()
	n.setTrouble(n.reviveAgent(ctx))
}

// reviveAgent finds the agent's control port again, starts the agent if it does not run, and makes it again if it is gone or
// was taken out of the network. Called with changing held.
func (n *Network) reviveAgent(ctx context.Context) error {
	if err := n.restoreNetwork(ctx); err != nil {
		return err
	}
	c, err := n.findAgent(ctx)
	if err != nil {
		return err
	}
	if c != nil && c.State == engine.StateRunning && !n.inside(c) {
		if c, err = nil, n.expelAgent(ctx, c); err != nil {
			return err
		}
	}
	if c == nil || c.State == engine.StateCreated { // one that was only created may lack its token
		n.mu.Lock()
		ports := n.wanted
		n.mu.Unlock()
		return n.ensureAgent(ctx, ports, false)
	}
	if c.State == engine.StateExited {
		return n.cfg.Engine.StartContainer(ctx, c.ID)
	}
	return n.follow(c)
}

// expelAgent removes an agent that was disconnected from the network. It is not connected again: its Services' addresses
// were on the interface that went.
func (n *Network) expelAgent(ctx context.Context, c *engine.Container) error {
	n.log.Warn("the agent was disconnected from the network; making it again", "network", n.homeName())
	n.cfg.Event(node, "", corev1.EventTypeWarning, "AgentDisconnected",
		fmt.Sprintf("the agent (container %s) had been disconnected from network %s; it is made again", c.Name, n.homeName()))
	return n.cfg.Engine.RemoveContainer(ctx, c.ID)
}

// follow makes a client for the agent's control port if that has moved.
func (n *Network) follow(c *engine.Container) error {
	at, ok := controlAddress(*c)
	n.mu.Lock()
	moved := ok && (n.client == nil || n.address != at)
	n.mu.Unlock()
	if !moved {
		return nil
	}
	token, err := n.secret()
	if err == nil {
		n.setClient(n.cfg.Client(at, token, n.innerAddress()), at, func() {})
	}
	return err
}

// setTrouble keeps why the agent does not serve, for people; nil: nothing is known to keep it from serving. Trouble of the
// engine is not the agent's: it is told elsewhere. A host port that is taken is the agent's, although its cause looks like a
// broken connection.
func (n *Network) setTrouble(err error) {
	text := ""
	var taken *network.PortConflict
	ours := errors.As(err, &taken) || !engine.IsUnavailable(err) && !errors.Is(err, context.Canceled)
	if err != nil && ours {
		text = "the agent, which serves names, service addresses and host ports, does not run: " + err.Error()
	}
	n.mu.Lock()
	before := n.trouble
	n.trouble = text
	n.mu.Unlock()
	if before == "" && text != "" {
		n.log.Warn("the agent does not run", "error", err)
	}
	if before != text {
		n.cfg.Changed()
	}
}

// Trouble is what is wrong with the agent, "" while nothing is known to be.
func (n *Network) Trouble() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.trouble
}
