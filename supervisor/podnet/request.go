package podnet

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/network"
)

// agentNetwork is the key of the network that is made for the agent alone, if the project's default network cannot be divided
// or nothing is in it.
const agentNetwork = "lyandev"

// Request is what a stack needs of its network.
type Request struct {
	network.Needs
	// Foreign is true if the default network is not lyandev's to divide. The agent, if one is needed, gets a network of its own then.
	Foreign bool
	// Settings are the file's for the default network, nil for none. Only labels, driver options, attachable and enable_ipv6 count.
	Settings *compose.Network
}

// Everything is the request of a stack of which nothing is known: network and agent, no ports.
func Everything() Request { return Request{Needs: network.Needs{Agent: true, Default: true}} }

// take notes a request, and gives up what was known of another network. Called with changing held.
func (n *Network) take(ctx context.Context, r Request) error {
	agentless := !r.Agent
	if agentless {
		old, err := n.findAgent(ctx)
		if err != nil {
			return err
		}
		agentless = old == nil
	}
	home := ""
	switch {
	case r.Default && !r.Foreign:
		home = n.Name()
	case !agentless:
		home = n.cfg.Instance.Name + "_" + agentNetwork
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.home, n.settings, n.agentless, n.clusterServices = home, r.Settings, agentless, r.ClusterServices
	n.shared = nil
	if !agentless {
		n.shared = r.Shared(home)
	}
	return nil
}

func (n *Network) homeName() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.home
}

func (n *Network) hasHome() bool { return n.homeName() != "" }

func (n *Network) withoutAgent() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.agentless
}

// share connects the agent to the networks in which it serves host ports, and disconnects it from all others but its own. It
// passes nothing on from one to another but the host ports' connections (agent.Sysctls). Called with changing held.
func (n *Network) share(ctx context.Context, c *engine.Container) error {
	n.mu.Lock()
	home, shared := n.home, n.shared
	n.mu.Unlock()
	var errs []error
	for _, name := range shared {
		if _, in := c.Networks[name]; in {
			continue
		}
		if err := n.cfg.Engine.ConnectNetwork(ctx, name, c.ID, engine.EndpointAt(netip.Addr{})); err != nil {
			errs = append(errs, fmt.Errorf("cannot publish the host ports of services in network %s: %w", name, err))
		}
	}
	for name := range c.Networks {
		if name != home && !slices.Contains(shared, name) {
			errs = append(errs, n.cfg.Engine.DisconnectNetwork(ctx, name, c.ID))
		}
	}
	return errors.Join(errs...)
}

// checkShared connects the agent again to networks that somebody disconnected it from. Called with changing held.
func (n *Network) checkShared(ctx context.Context) {
	n.mu.Lock()
	shared := n.shared
	n.mu.Unlock()
	if len(shared) == 0 {
		return
	}
	c, err := n.findAgent(ctx)
	if err != nil || c == nil || c.State != engine.StateRunning {
		return // the push that fails next brings it back
	}
	i := slices.IndexFunc(shared, func(name string) bool { _, in := c.Networks[name]; return !in })
	if i < 0 {
		return
	}
	if err := n.share(ctx, c); err != nil {
		n.log.Warn("cannot put the agent back into the networks of its host ports", "error", err)
		return
	}
	n.log.Warn("the agent was disconnected from a network; it was connected again", "network", shared[i])
	n.cfg.Event(node, "", corev1.EventTypeWarning, "NetworkRestored",
		fmt.Sprintf("the agent (container %s) had been disconnected from network %s; it was connected again", c.Name, shared[i]))
}

// Leave takes the agent out of a network that is to be removed. If it is the agent's own, the agent goes with it, and there are
// no addresses until the next Ensure.
func (n *Network) Leave(ctx context.Context, name string) error {
	n.changing.Lock()
	defer n.changing.Unlock()
	c, err := n.findAgent(ctx)
	if err != nil {
		return err
	}
	if n.homeName() == name {
		n.mu.Lock()
		n.home, n.layout, n.pods, n.vips = "", network.Layout{}, nil, nil
		n.mu.Unlock()
		return n.dropAgent(ctx)
	}
	n.mu.Lock()
	n.shared = slices.DeleteFunc(slices.Clone(n.shared), func(s string) bool { return s == name })
	n.mu.Unlock()
	if c == nil {
		return nil
	}
	if _, in := c.Networks[name]; !in {
		return nil
	}
	return n.cfg.Engine.DisconnectNetwork(ctx, name, c.ID)
}

// PlainDNS returns the name servers for a plain container in the given Docker networks, whose file says own. In a stack with
// Services of Kubernetes' semantics, containers in the agent's network ask the agent for names that Docker does not know;
// servers that the file names are left alone.
func (n *Network) PlainDNS(networks, own []string) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(own) > 0 || !n.clusterServices || n.agentless || !n.layout.Agent.IsValid() || !slices.Contains(networks, n.home) {
		return own
	}
	return []string{n.layout.Agent.String()}
}
