package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/agent"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/network"
)

// ensureAgent makes sure that an agent of this version runs with these host ports, and connects to it.
func (f *fabric) ensureAgent(ctx context.Context, ports []services.HostPort, auto bool) error {
	f.changing.Lock()
	defer f.changing.Unlock()
	err := f.makeAgent(ctx, ports, auto)
	if err == nil {
		f.mu.Lock()
		f.wanted = ports
		f.mu.Unlock()
	}
	return err
}

func (f *fabric) makeAgent(ctx context.Context, ports []services.HostPort, auto bool) error {
	image, hash, err := f.agentImage(ctx)
	if err != nil {
		return err
	}
	if f.token, err = f.secret(); err != nil {
		return err
	}
	for tries := 1; ; tries++ {
		old, err := f.findAgent(ctx)
		if err != nil {
			return err
		}
		wanted, err := f.publish(ctx, ports, old, auto)
		if err != nil {
			return err
		}
		key := portsKey(wanted)
		if old != nil && old.State == engine.StateRunning && old.Labels[agentHashLabel] == hash && old.Labels[portsLabel] == key {
			return f.connect(ctx, *old, wanted)
		}
		err = f.replaceAgent(ctx, old, wanted, image, hash, key)
		if !auto || tries == 3 || !engine.IsPortTaken(err) {
			return err
		}
		// Somebody took the port after it was found free: look again.
	}
}

func (f *fabric) findAgent(ctx context.Context) (*engine.Container, error) {
	list, err := f.s.cfg.Engine.ListContainers(ctx, map[string]string{
		services.ProjectLabel: f.s.cfg.Instance.Name, kindLabel: "agent",
	})
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

func portsKey(ports []network.Published) string {
	var parts []string
	for _, p := range ports {
		parts = append(parts, fmt.Sprintf("%s:%d:%d/%s", p.Host.HostIP, p.Host.HostPort, p.AgentPort, p.Host.Protocol))
	}
	return strings.Join(parts, ",")
}

// agentFiles is how many files the agent may have open: about six for each connection that it passes on.
const agentFiles = 1 << 18

// replaceAgent starts a new agent in the place of the old one, which lets its connections drain for a moment first.
func (f *fabric) replaceAgent(ctx context.Context, old *engine.Container, ports []network.Published, image, hash, key string) error {
	eng := f.s.cfg.Engine
	if old != nil {
		if err := eng.StopContainer(ctx, old.ID, "", 3*time.Second); err != nil {
			return err
		}
		if err := eng.RemoveContainer(ctx, old.ID); err != nil {
			return err
		}
	}
	spec := f.agentSpec(ports, image, hash, key)
	spec.Publish[0].HostPort = f.controlPort(old)
	id, err := f.startAgent(ctx, spec)
	if err != nil && !engine.IsPortTaken(err) { // an engine that may not raise its limit of open files cannot start it so
		spec.NoFile = 0
		id, err = f.startAgent(ctx, spec)
	}
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
	return f.connect(ctx, c, ports)
}

// agentSpec is an agent's container. It may do no more than the agent needs to. The first port is that of the control API.
func (f *fabric) agentSpec(ports []network.Published, image, hash, key string) engine.ContainerSpec {
	conf := agent.Config{Version: hash, Subnet: f.layout.Subnet, Address: f.layout.Agent}
	labels := f.labels("agent")
	labels[agentHashLabel], labels[portsLabel] = hash, key
	spec := engine.ContainerSpec{
		Name: f.s.cfg.Instance.Name + "-agent", Image: image, Labels: labels, Cmd: []string{agent.Command}, Env: conf.Env(),
		Network: f.networkName(), IP: f.layout.Agent, MAC: agent.MAC(f.layout.Agent), RestartPolicy: "always",
		CapDrop: []string{"ALL"}, CapAdd: agent.Capabilities, ReadOnlyRootFS: true, SecurityOpt: []string{"no-new-privileges"},
		Mounts: []engine.Mount{{Anonymous: true, Target: agent.StateDir}}, NoFile: agentFiles,
		Publish: []engine.PortBinding{{HostIP: loopback, ContainerPort: agent.ControlPort}},
	}
	for _, p := range ports {
		ip, _ := netip.ParseAddr(p.Host.HostIP)
		spec.Publish = append(spec.Publish, engine.PortBinding{
			HostIP: ip, HostPort: uint16(p.Host.HostPort), ContainerPort: p.AgentPort, Protocol: string(p.Host.Protocol),
		})
	}
	spec.Warn = func(text string) { f.s.engineWarned("Agent", f.s.cfg.Instance.Name, text) }
	return spec
}

// startAgent creates an agent's container, puts the token into it and starts it. After an error nothing of it is left.
func (f *fabric) startAgent(ctx context.Context, spec engine.ContainerSpec) (id string, err error) {
	eng := f.s.cfg.Engine
	if id, err = eng.CreateContainer(ctx, spec); err != nil {
		return "", err
	}
	if err = eng.CopyTo(ctx, id, agent.StateDir, agent.TokenArchive(f.token)); err == nil {
		err = eng.StartContainer(ctx, id)
	}
	if err != nil {
		_ = eng.RemoveContainer(context.WithoutCancel(ctx), id)
		return "", err
	}
	return id, nil
}

// loopback is where everything is published unless the file says otherwise.
var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// controlPort is the host port of the control API: the one it had, else a free one. It is chosen here because an engine
// that chooses does so anew at every start of the container.
func (f *fabric) controlPort(old *engine.Container) uint16 {
	if old != nil {
		for _, b := range old.Ports {
			if b.ContainerPort == agent.ControlPort {
				return b.HostPort
			}
		}
	}
	if !f.s.local {
		return 0
	}
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(loopback, 0)))
	if err != nil {
		return 0
	}
	defer l.Close()
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

// connect waits until the agent answers, 10 s at most.
func (f *fabric) connect(ctx context.Context, c engine.Container, ports []network.Published) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		at, ok := controlAddress(c)
		if ok {
			client := agent.NewClient(at, f.token)
			if _, err := client.Health(ctx); err == nil {
				f.mu.Lock()
				f.client, f.bound, f.last = client, ports, nil
				f.dialer = network.NewDialer(client, netip.AddrPortFrom(f.layout.Agent, agent.ControlPort).String())
				f.mu.Unlock()
				f.s.post(func() {}) // a look, and with it a push: a new agent has no table
				return nil
			}
			client.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("cannot reach the agent of %s in container %s: it did not answer in 10 s; see `docker logs %s`",
				f.s.cfg.Instance.Name, c.Name, c.Name)
		case <-time.After(10 * time.Millisecond):
		}
		if again, err := f.s.cfg.Engine.InspectContainer(ctx, c.ID); err == nil {
			c = again
		}
	}
}

func controlAddress(c engine.Container) (string, bool) {
	for _, b := range c.Ports {
		if b.ContainerPort == agent.ControlPort && b.HostPort != 0 {
			return "127.0.0.1:" + strconv.Itoa(int(b.HostPort)), true
		}
	}
	return "", false
}

// reconnect finds the agent's control port again, starts the agent if it is not running, and makes it again if it is gone.
// An agent that is being replaced is left alone.
func (f *fabric) reconnect(ctx context.Context) {
	if !f.changing.TryLock() {
		return
	}
	defer f.changing.Unlock()
	f.noteTrouble(f.reviveAgent(ctx))
}

// reviveAgent brings the agent back to where it can be reached, and its network if that is gone too. An error says why that
// cannot be. Called with changing held.
func (f *fabric) reviveAgent(ctx context.Context) error {
	if err := f.restoreNetwork(ctx); err != nil {
		return err
	}
	c, err := f.findAgent(ctx)
	if err != nil {
		return err
	}
	if c == nil || c.State == engine.StateCreated { // one that was only created may lack its token
		f.mu.Lock()
		ports := f.wanted
		f.mu.Unlock()
		return f.makeAgent(ctx, ports, false)
	}
	if c.State == engine.StateExited {
		return f.s.cfg.Engine.StartContainer(ctx, c.ID)
	}
	at, ok := controlAddress(*c)
	f.mu.Lock()
	defer f.mu.Unlock()
	if ok && (f.client == nil || f.client.Address() != at) {
		f.client = agent.NewClient(at, f.token)
		f.dialer = network.NewDialer(f.client, fmt.Sprintf("%s:%d", f.layout.Agent, agent.ControlPort))
	}
	return nil
}

// noteTrouble keeps why the agent does not serve, for people; nil: nothing is known to keep it. What is the engine's trouble
// is told as such.
func (f *fabric) noteTrouble(err error) {
	text := ""
	if err != nil && !engine.IsUnavailable(err) && !errors.Is(err, context.Canceled) {
		text = "the agent, which serves names, service addresses and host ports, does not run: " + err.Error()
	}
	f.mu.Lock()
	before := f.trouble
	f.trouble = text
	f.mu.Unlock()
	if before == "" && text != "" {
		f.s.log.Warn("the agent does not run", "error", err)
	}
	if before != text {
		f.s.post(func() {}) // a look, so that it is told
	}
}

// agentTrouble is what is wrong with the agent, "" while nothing is known to be.
func (f *fabric) agentTrouble() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.trouble
}
