package podnet

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/network"
)

// plainOnly is the request of a stack of plain services in the default network, with host ports in other networks.
func plainOnly(agent bool, networks ...string) Request {
	r := Request{Needs: network.Needs{Agent: agent, Default: true}}
	for _, n := range networks {
		r.PlainNetworks = append(r.PlainNetworks, []string{n})
	}
	return r
}

func (r *rig) ensure(req Request) {
	r.t.Helper()
	if err := r.n.Ensure(r.t.Context(), req, false); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) addNetwork(name string) {
	r.t.Helper()
	if _, err := r.CreateNetwork(r.t.Context(), engine.NetworkSpec{Name: name}); err != nil {
		r.t.Fatal(err)
	}
}

// networksOf are the networks of a container.
func (r *rig) networksOf(id string) (out []string) {
	r.t.Helper()
	c, err := r.InspectContainer(r.t.Context(), id)
	if err != nil {
		r.t.Fatal(err)
	}
	for name := range c.Networks {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

func TestNoAgentForPlainServices(t *testing.T) {
	onRigWith(t, plainOnly(false), func(r *rig) {
		if c, err := r.n.findAgent(r.t.Context()); err != nil || c != nil {
			t.Fatalf("there is an agent: %+v, %v", c, err)
		}
		if _, err := r.InspectNetwork(r.t.Context(), "s_default"); err != nil {
			t.Error(err)
		}
		// Tables are for nobody: what waits for one goes on, and nobody makes an agent.
		drained := make(chan struct{})
		r.n.AfterNextPush("a", func() { close(drained) })
		r.n.Offer(view("a"))
		r.pass(time.Millisecond)
		select {
		case <-drained:
		default:
			t.Error("a pod waits for the agent")
		}
		r.pass(time.Minute)
		if c, _ := r.n.findAgent(r.t.Context()); c != nil || r.n.Trouble() != "" {
			t.Errorf("%+v, trouble %q", c, r.n.Trouble())
		}
		r.wantEvents()
		if err := r.n.ClusterIPs(nil); err != nil {
			t.Error(err)
		}
		// The next supervisor starts none either.
		if table, err := r.n.Adopt(r.t.Context(), plainOnly(false)); err != nil || table != nil {
			t.Errorf("%v, %v", table, err)
		}
		if _, err := r.n.DialContext(r.t.Context(), "tcp", "127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("not dialed directly: %v", err)
		}
		// With a host port there is one, and it stays while the stack changes: pods that end may need it.
		r.ensure(plainOnly(true))
		id := r.agent().ID
		r.ensure(plainOnly(false))
		if r.agent().ID != id {
			t.Error("the agent was replaced")
		}
	})
}

func TestNothingInTheDefaultNetwork(t *testing.T) {
	onRigWith(t, Request{}, func(r *rig) {
		if all, err := r.ListNetworks(r.t.Context(), r.n.Labels("network")); err != nil || len(all) != 0 {
			t.Errorf("%+v, %v", all, err)
		}
		if err := r.n.ClusterIPs(nil); err != nil {
			t.Error(err)
		}
		r.n.AdoptPod("a", "172.20.0.2")
		r.n.AdoptPorts(r.t.Context(), nil)
		r.pass(time.Minute)
		r.wantEvents()
	})
}

// An agent that cannot be in the default network has one of its own.
func TestForeignDefaultNetwork(t *testing.T) {
	req := plainOnly(true, "s_default")
	req.Foreign = true
	onRigWith(t, Request{}, func(r *rig) {
		r.addNetwork("s_default")
		r.ensure(req)
		if got := r.networksOf(r.agent().ID); !slices.Equal(got, []string{"s_default", "s_lyandev"}) {
			t.Errorf("the agent is in %v", got)
		}
		if got := r.n.Complete(network.View{}).Networks; !slices.Equal(got, []string{"s_lyandev", "s_default"}) {
			t.Errorf("the table is made for %v", got)
		}
		if n, err := r.InspectNetwork(r.t.Context(), "s_lyandev"); err != nil || n.Labels["com.docker.compose.network"] != "lyandev" {
			t.Errorf("%+v, %v", n, err)
		}
		if err := r.n.Remove(r.t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := r.InspectNetwork(r.t.Context(), "s_lyandev"); !engine.IsNotFound(err) {
			t.Errorf("the agent's network stays: %v", err)
		}
		if _, err := r.InspectNetwork(r.t.Context(), "s_default"); err != nil {
			t.Errorf("a network of others was removed: %v", err)
		}
	})
}

func TestAgentJoinsAndLeavesNetworks(t *testing.T) {
	onRigWith(t, plainOnly(true), func(r *rig) {
		r.addNetwork("s_a")
		r.addNetwork("s_b")
		r.ensure(plainOnly(true, "s_a", "s_b"))
		a := r.agent()
		in := func(want ...string) {
			t.Helper()
			if got := r.networksOf(r.agent().ID); !slices.Equal(got, want) {
				t.Errorf("the agent is in %v, want %v", got, want)
			}
		}
		in("s_a", "s_b", "s_default")
		r.wantEvents()
		if err := r.DisconnectNetwork(r.t.Context(), "s_b", a.ID); err != nil {
			t.Fatal(err)
		}
		r.pass(2 * checkEvery)
		in("s_a", "s_b", "s_default")
		r.wantEvents("Node  Warning NetworkRestored")
		r.ensure(plainOnly(true, "s_b"))
		in("s_b", "s_default")
		if r.agent().ID != a.ID {
			t.Error("the agent was made again for another network")
		}
		if err := r.n.Leave(r.t.Context(), "s_b"); err != nil {
			t.Fatal(err)
		}
		in("s_default")
		r.pass(2 * checkEvery)
		in("s_default")
		// An agent that is made again is in all of them again.
		r.ensure(plainOnly(true, "s_a"))
		if err := r.RemoveContainer(r.t.Context(), a.ID); err != nil {
			t.Fatal(err)
		}
		r.n.Look()
		r.pass(2 * checkEvery)
		in("s_a", "s_default")
		if err := r.n.Ensure(r.t.Context(), plainOnly(true, "nowhere"), false); err == nil || !strings.Contains(err.Error(), "services in network nowhere") {
			t.Errorf("%v", err)
		}
		if err := r.n.Leave(r.t.Context(), "s_default"); err != nil {
			t.Fatal(err)
		}
		if c, err := r.n.findAgent(r.t.Context()); c != nil || err != nil {
			t.Errorf("the agent is there without its network: %+v, %v", c, err)
		}
	})
}

// The network has the range for Docker's addresses, and what the file says of it.
func TestSettingsOfTheDefaultNetwork(t *testing.T) {
	req := plainOnly(false)
	req.Settings = &compose.Network{
		Attachable: true, DriverOpts: map[string]string{"com.docker.network.driver.mtu": "1400"},
		Labels: map[string]string{"team": "x", "com.docker.compose.network": "no"},
	}
	onRigWith(t, req, func(r *rig) {
		n, err := r.InspectNetwork(r.t.Context(), "s_default")
		if err != nil {
			t.Fatal(err)
		}
		if !n.Attachable || n.Options["com.docker.network.driver.mtu"] != "1400" || n.Labels["team"] != "x" || n.Labels["com.docker.compose.network"] != "default" {
			t.Errorf("%+v", n)
		}
		if layout, err := network.LayoutOf(n.Subnets[0]); err != nil || n.IPAM.Pools[0].IPRange != layout.Dynamic {
			t.Errorf("%+v, %v", n.IPAM, err)
		}
	})
}

// A network of a version that left all addresses to Docker is replaced, in its subnet, unless something is in it.
func TestNetworkWithoutARange(t *testing.T) {
	subnet := netip.MustParsePrefix("10.201.4.0/22")
	for _, used := range []bool{false, true} {
		t.Run(fmt.Sprint("used ", used), func(t *testing.T) {
			onRigWith(t, Request{}, func(r *rig) {
				id, err := r.CreateNetwork(r.t.Context(), engine.NetworkSpec{Name: "s_default", Subnet: subnet, Labels: r.n.Labels("network")})
				if err != nil {
					t.Fatal(err)
				}
				create := func(name string, labels map[string]string) {
					t.Helper()
					_, err := r.CreateContainer(context.Background(), engine.ContainerSpec{Name: name, Image: "img:1", Network: "s_default", Labels: labels})
					if err != nil {
						t.Fatal(err)
					}
				}
				create("old-agent", r.n.Labels("agent"))
				if used {
					create("stopped", nil)
				}
				r.ensure(plainOnly(true))
				n, err := r.InspectNetwork(r.t.Context(), "s_default")
				if err != nil || n.Subnets[0] != subnet || (n.ID == id) != used {
					t.Errorf("%+v, %v", n, err)
				}
			})
		})
	}
}

func TestPlainDNS(t *testing.T) {
	onRigWith(t, plainOnly(true), func(r *rig) {
		in := []string{"s_back", "s_default"}
		if got := r.n.PlainDNS(in, nil); got != nil {
			t.Errorf("without Services of Kubernetes' semantics: %v", got)
		}
		req := plainOnly(true)
		req.ClusterServices = true
		r.ensure(req)
		if got := r.n.PlainDNS(in, nil); !slices.Equal(got, []string{r.n.DNS().String()}) {
			t.Errorf("in the agent's network: %v", got)
		}
		if got := r.n.PlainDNS([]string{"s_back"}, nil); got != nil {
			t.Errorf("outside it: %v", got)
		}
		if got := r.n.PlainDNS(in, []string{"9.9.9.9"}); !slices.Equal(got, []string{"9.9.9.9"}) {
			t.Errorf("with servers of the file: %v", got)
		}
	})
}
