package supervisor

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/agent"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/network"
)

// Labels of what is not a pod.
const (
	kindLabel      = "dev.lyandev.kind" // "network", "agent", "volume"; pods' containers say "container", "sandbox", "init"
	agentHashLabel = "dev.lyandev.agent"
	portsLabel     = "dev.lyandev.ports"
)

// fabric is the stack's network: the Docker network, the addresses in it, the agent, and the table it serves.
type fabric struct {
	s *Supervisor

	mu     sync.Mutex
	layout network.Layout
	pods   *network.Allocator
	vips   *network.Allocator
	bound  []network.Published
	// chosen are the host ports that were taken in the place of others, by what was asked for (portKey).
	chosen map[string]int32
	// wanted are the host ports that were asked for, for an agent that has to be made again.
	wanted []services.HostPort
	client *agent.Client
	dialer *network.Dialer
	token  string
	// binaryHash identifies the running binary, "" until it was asked for.
	binaryHash string

	// imaging is held while the agent's image is looked for or made.
	imaging sync.Mutex
	// changing is held while the agent is made, replaced or started again.
	changing sync.Mutex

	// What the loop offered and the pusher has not pushed: only the latest counts.
	pending *agent.Table
	after   []func()
	last    []byte
	wake    chan struct{}
	// queued are the callbacks of the step that is going on; the loop's own.
	queued []func()
}

func newFabric(s *Supervisor) *fabric {
	return &fabric{s: s, wake: make(chan struct{}, 1)}
}

// networkName is the name Compose would give it, so that other tools find it.
func (f *fabric) networkName() string { return f.s.cfg.Instance.Name + "_default" }

func (f *fabric) labels(kind string) map[string]string {
	return map[string]string{
		services.ProjectLabel: f.s.cfg.Instance.Name, kindLabel: kind, services.DirLabel: f.s.cfg.Instance.Dir,
		"com.docker.compose.project": f.s.cfg.Instance.Name,
	}
}

// savedAddresses is what the instance remembers of its addresses: they are the same after everything was down.
type savedAddresses struct {
	Pods     map[string]netip.Addr `json:"pods"`
	Services map[string]netip.Addr `json:"services"`
	Subnet   netip.Prefix          `json:"subnet"`
	// Ports are the host ports chosen here, by what was asked for.
	Ports map[string]int32 `json:"ports,omitempty"`
}

// ensureNetwork finds the project's network or makes it, in a subnet that overlaps nothing.
func (f *fabric) ensureNetwork(ctx context.Context) error {
	found, err := f.s.cfg.Engine.ListNetworks(ctx, map[string]string{services.ProjectLabel: f.s.cfg.Instance.Name})
	if err != nil {
		return err
	}
	saved := f.load()
	for _, n := range found {
		if n.Name == f.networkName() && len(n.Subnets) == 1 {
			return f.use(n.Subnets[0], saved)
		}
	}
	occupied, err := network.HostPrefixes()
	if err != nil {
		return err
	}
	all, err := f.s.cfg.Engine.ListNetworks(ctx, nil)
	if err != nil {
		return err
	}
	for _, n := range all {
		occupied = append(occupied, n.Subnets...)
	}
	for range 20 {
		subnet, err := network.ChooseSubnet(f.s.cfg.Instance.Name, occupied)
		if err != nil {
			return err
		}
		layout, err := network.LayoutOf(subnet)
		if err != nil {
			return err
		}
		labels := f.labels("network")
		labels["com.docker.compose.network"] = "default"
		_, err = f.s.cfg.Engine.CreateNetwork(ctx, engine.NetworkSpec{
			Name: f.networkName(), Subnet: layout.Subnet, IPRange: layout.Dynamic, Gateway: layout.Gateway, Labels: labels,
		})
		if engine.IsOverlap(err) {
			occupied = append(occupied, subnet)
			continue
		}
		if err != nil {
			return err
		}
		return f.use(subnet, saved)
	}
	return errors.New("cannot create the project's network: every subnet overlaps another; remove unused ones with `docker network prune`")
}

// use takes a subnet into use, with the addresses that names had in it before.
func (f *fabric) use(subnet netip.Prefix, saved savedAddresses) error {
	layout, err := network.LayoutOf(subnet)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.layout = layout
	f.pods, f.vips = network.NewAllocator(layout.Pods), network.NewAllocator(layout.Services)
	f.chosen = saved.Ports
	if saved.Subnet == subnet {
		for name, a := range saved.Services {
			_ = f.vips.Adopt(name, a) // the file is ours; an address out of range is forgotten
		}
		for name, a := range saved.Pods {
			f.pods.Remember(name, a)
		}
	}
	return nil
}

func (f *fabric) load() savedAddresses {
	var saved savedAddresses
	b, err := os.ReadFile(f.s.cfg.Instance.File("addresses.json"))
	if err == nil {
		err = json.Unmarshal(b, &saved)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.s.log.Warn("cannot read the addresses of before; new ones are given", "error", err)
	}
	return saved
}

// save is called with the lock held.
func (f *fabric) save() {
	b, err := json.Marshal(savedAddresses{Pods: f.pods.Held(), Services: f.vips.Held(), Subnet: f.layout.Subnet, Ports: f.chosen})
	if err == nil {
		err = instance.WriteFile(f.s.cfg.Instance.File("addresses.json"), b)
	}
	if err != nil {
		f.s.log.Warn("cannot remember the addresses", "error", err)
	}
}

// podIP is the address of a pod, from now until releasePod.
func (f *fabric) podIP(pod string) (netip.Addr, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pods == nil {
		return netip.Addr{}, fmt.Errorf("cannot give pod %s an address: the network is not up yet", pod)
	}
	held := len(f.pods.Held())
	a, err := f.pods.Allocate(pod)
	if err == nil && len(f.pods.Held()) != held {
		f.save()
	}
	return a, err
}

func (f *fabric) releasePod(pod string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pods.Release(pod)
}

// adoptPod records the address that a running pod has.
func (f *fabric) adoptPod(pod string, ip string) {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.pods.Adopt(pod, a); err != nil {
		f.s.log.Warn("a pod has an address that it should not have", "pod", pod, "error", err)
	}
}

// clusterIPs gives every Service that needs one its address, and writes it into spec.clusterIP.
func (f *fabric) clusterIPs(list []*corev1.Service) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := len(f.vips.Held())
	for _, v := range list {
		if !network.NeedsVIP(v) {
			continue
		}
		a, err := f.vips.Allocate(v.Name)
		if err != nil {
			return err
		}
		v.Spec.ClusterIP, v.Spec.ClusterIPs = a.String(), []string{a.String()}
	}
	if len(f.vips.Held()) != before {
		f.save()
	}
	return nil
}

// secret is the agent's token: made once an instance, readable by its user only.
func (f *fabric) secret() (string, error) {
	path := f.s.cfg.Instance.File("agent-token")
	if b, err := os.ReadFile(path); err == nil && len(b) >= 16 {
		return string(b), nil
	}
	token := rand.Text()
	return token, instance.WriteFile(path, []byte(token))
}

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
	conf := agent.Config{Version: hash, Token: f.token, Subnet: f.layout.Subnet, Address: f.layout.Agent}
	labels := f.labels("agent")
	labels[agentHashLabel], labels[portsLabel] = hash, key
	spec := engine.ContainerSpec{
		Name: f.s.cfg.Instance.Name + "-agent", Image: image, Labels: labels, Cmd: []string{agent.Command}, Env: conf.Env(),
		Network: f.networkName(), IP: f.layout.Agent, CapAdd: []string{agent.Capability}, RestartPolicy: "always",
		Publish: []engine.PortBinding{{HostIP: loopback, HostPort: f.controlPort(old), ContainerPort: agent.ControlPort}},
	}
	for _, p := range ports {
		ip, _ := netip.ParseAddr(p.Host.HostIP)
		spec.Publish = append(spec.Publish, engine.PortBinding{
			HostIP: ip, HostPort: uint16(p.Host.HostPort), ContainerPort: p.AgentPort, Protocol: string(p.Host.Protocol),
		})
	}
	id, err := eng.CreateContainer(ctx, spec)
	if err != nil {
		return err
	}
	if err := eng.StartContainer(ctx, id); err != nil {
		_ = eng.RemoveContainer(ctx, id)
		if engine.IsPortTaken(err) {
			return fmt.Errorf("cannot publish the stack's ports: %w; free it, or let lyandev choose with --ports auto", err)
		}
		return err
	}
	c, err := eng.InspectContainer(ctx, id)
	if err != nil {
		return err
	}
	return f.connect(ctx, c, ports)
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
