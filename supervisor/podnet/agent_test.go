package podnet

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/agent"
	"github.com/lyandev/lyandev/supervisor/network"
	"github.com/lyandev/lyandev/supervisor/selfimage"
)

func freePort(t *testing.T) int32 {
	t.Helper()
	free, err := network.NextFree("tcp", loopback, 24000)
	if err != nil {
		t.Fatal(err)
	}
	return int32(free)
}

// TestEnsure: the agent is in the network under its address, publishes the ports and its control port on 127.0.0.1, and
// stays as long as nothing about it changes.
func TestEnsure(t *testing.T) {
	r := newRig(t, t.TempDir())
	ports := []services.HostPort{published(freePort(t))}
	if err := r.n.Ensure(t.Context(), publishing(ports...), false); err != nil {
		t.Fatal(err)
	}
	a := r.agent()
	if a.IPs["s_default"] != r.n.DNS() || a.Labels[selfimage.HashLabel] != "hash1" || a.Labels[services.ProjectLabel] != "s" {
		t.Errorf("the agent is at %v with labels %v", a.IPs, a.Labels)
	}
	var got []uint16
	for _, b := range a.Ports {
		if b.HostIP != loopback {
			t.Errorf("port %d is published on %s", b.ContainerPort, b.HostIP)
		}
		if b.ContainerPort != agent.ControlPort {
			got = append(got, b.HostPort)
		}
	}
	if !slices.Equal(got, []uint16{uint16(ports[0].HostPort)}) {
		t.Errorf("published are %v", a.Ports)
	}
	if b := r.n.Bound(); !slices.Equal(b, ports) {
		t.Errorf("bound are %v", b)
	}
	if v := r.n.Complete(*view()); len(v.HostPorts) != 1 {
		t.Errorf("the view has host ports %v", v.HostPorts)
	}
	if r.changed() == 0 {
		t.Error("the loop is not told that there is an agent to push to")
	}
	if _, err := r.n.DialContext(t.Context(), "tcp", "db:1"); err == nil || !strings.Contains(err.Error(), "dialed db:1") {
		t.Errorf("dialing gives %v", err)
	}
	if err := r.n.Ensure(t.Context(), publishing(ports...), false); err != nil || r.agent().ID != a.ID {
		t.Errorf("an agent that is right was replaced (%v)", err)
	}
	if err := r.n.Ensure(t.Context(), publishing(), false); err != nil || r.agent().ID == a.ID || len(r.n.Bound()) != 0 {
		t.Errorf("an agent with ports that nobody wants stays (%v)", err)
	}
	if open := r.open(); open != 1 {
		t.Errorf("%d clients are open", open)
	}
	if info, err := os.Stat(r.n.cfg.Instance.File("agent-token")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the token's file: %v, %v", info, err)
	}
	if err := r.n.Remove(t.Context()); err != nil {
		t.Error(err)
	}
	list, err := r.ListContainers(t.Context(), nil)
	nets, netErr := r.ListNetworks(t.Context(), r.n.Labels("network"))
	if len(list) != 0 || len(nets) != 0 || err != nil || netErr != nil {
		t.Errorf("left over: %v, %v (%v, %v)", list, nets, err, netErr)
	}
}

// TestAnAgentOutsideTheNetworkIsReplaced by an apply too.
func TestAnAgentOutsideTheNetworkIsReplaced(t *testing.T) {
	r := newRig(t, t.TempDir())
	if err := r.n.Ensure(t.Context(), publishing(), false); err != nil {
		t.Fatal(err)
	}
	a := r.agent()
	if err := r.DisconnectNetwork(t.Context(), r.n.Name(), a.ID); err != nil {
		t.Fatal(err)
	}
	if err := r.n.Ensure(t.Context(), publishing(), false); err != nil || !r.n.inside(new(r.agent())) {
		t.Errorf("it is at %v (%v)", r.agent().IPs, err)
	}
}

// TestAdopt: the next supervisor of an instance finds agent, ports and token, and makes nothing.
func TestAdopt(t *testing.T) {
	root := t.TempDir()
	r := newRig(t, root)
	ports := []services.HostPort{published(0)}
	if err := r.n.Ensure(t.Context(), publishing(ports...), false); err != nil {
		t.Fatal(err)
	}
	r.tables = append(r.tables, &agent.Table{Version: 7})
	next := newRig(t, root)
	next.n.cfg.Engine = r.Engine
	next.Engine, next.tables = r.Engine, r.tables
	calls := len(r.Calls("CreateNetwork", "CreateContainer", "StartContainer"))
	table, err := next.n.Adopt(t.Context(), Everything())
	if err != nil || table == nil || table.Version != 7 {
		t.Errorf("the agent serves %v, %v", table, err)
	}
	next.n.AdoptPorts(t.Context(), ports)
	if b := next.n.Bound(); !slices.Equal(b, r.n.Bound()) || b[0].HostPort == 0 {
		t.Errorf("bound are %v, were %v", b, r.n.Bound())
	}
	if r.n.token == "" || next.n.token != r.n.token {
		t.Errorf("the token is %q, was %q", next.n.token, r.n.token)
	}
	if n := len(r.Calls("CreateNetwork", "CreateContainer", "StartContainer")); n != calls {
		t.Errorf("%d things were made or started", n-calls)
	}
	if err := r.StopContainer(t.Context(), r.agent().ID, "", 0); err != nil {
		t.Fatal(err)
	}
	again := newRig(t, root)
	again.n.cfg.Engine, again.Engine = r.Engine, r.Engine
	if table, err := again.n.Adopt(t.Context(), Everything()); err != nil || table != nil {
		t.Errorf("an agent that does not run serves %v, %v", table, err)
	}
}

// TestAdoptPutsWhatRunsIntoANewNetwork: the network went while no supervisor ran.
func TestAdoptPutsWhatRunsIntoANewNetwork(t *testing.T) {
	root := t.TempDir()
	r := newRig(t, root)
	if err := r.n.Ensure(t.Context(), publishing(), false); err != nil {
		t.Fatal(err)
	}
	web := r.run("web-0")
	r.loseNetwork(web)
	next := newRig(t, root)
	next.n.cfg.Engine, next.Engine = r.Engine, r.Engine
	if _, err := next.n.Adopt(t.Context(), Everything()); err != nil {
		t.Fatal(err)
	}
	was := r.n.pods.Held()["web-0"]
	if c, err := r.InspectContainer(t.Context(), web); err != nil || c.IPs[r.n.Name()] != was {
		t.Errorf("web-0 has %v, had %s (%v)", c.IPs, was, err)
	}
	if a, err := next.n.findAgent(t.Context()); err != nil || a != nil {
		t.Errorf("the agent of the old network is left: %v, %v", a, err)
	}
	if err := r.n.Ensure(t.Context(), publishing(), false); err != nil {
		t.Fatal(err)
	}
	r.loseNetwork(web) // and now an apply finds it gone
	if err := r.n.Ensure(t.Context(), publishing(), false); err != nil {
		t.Fatal(err)
	}
	if c, err := r.InspectContainer(t.Context(), web); err != nil || c.IPs[r.n.Name()] != was {
		t.Errorf("after an apply web-0 has %v, had %s (%v)", c.IPs, was, err)
	}
}

// loseNetwork removes the network, after a container and the agent have been disconnected from it.
func (r *rig) loseNetwork(id string) {
	r.t.Helper()
	for _, id := range []string{id, r.agent().ID} {
		if err := r.DisconnectNetwork(r.t.Context(), r.n.Name(), id); err != nil {
			r.t.Fatal(err)
		}
	}
	if err := r.RemoveNetwork(r.t.Context(), r.n.Name()); err != nil {
		r.t.Fatal(err)
	}
}

// TestPortsTakenAtTheLastMoment: somebody takes a port after it was found free. With auto another one is chosen.
func TestPortsTakenAtTheLastMoment(t *testing.T) {
	for _, auto := range []bool{false, true} {
		r := newRig(t, t.TempDir())
		port := freePort(t)
		r.Occupy(netip.AddrPortFrom(loopback, uint16(port)))
		err := r.n.Ensure(t.Context(), publishing(published(port)), auto)
		if !auto && (err == nil || !strings.Contains(err.Error(), "--ports auto")) {
			t.Errorf("without auto: %v", err)
		}
		if list, _ := r.ListContainers(t.Context(), nil); !auto && len(list) != 0 {
			t.Errorf("a failed agent is left: %v", list)
		}
	}
}

// TestManyUsersAtATime is for the race detector: applies, the loop, workers and Run use one network.
func TestManyUsersAtATime(t *testing.T) {
	onRig(t, func(r *rig) {
		var all sync.WaitGroup
		for i := range 3 {
			all.Go(func() {
				if err := r.n.Ensure(r.t.Context(), publishing(), false); err != nil {
					t.Error(err)
				}
			})
			all.Go(func() {
				_ = r.n.use(netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, byte(112 + 4*(i%2)), 0}), 22), savedAddresses{})
			})
			all.Go(func() { r.n.revive(r.t.Context()); r.n.checkMembers(r.t.Context()) })
			all.Go(func() { r.n.agentSpec(nil, "agent:1", "hash1"); r.n.innerAddress(); _, _ = r.n.secret() })
			all.Go(func() { _, _ = r.n.PodIP("web-0"); r.n.DNS(); r.n.Gateway(); r.n.Release("web-0") })
			all.Go(func() { r.n.Look(); r.n.Bound(); r.n.Trouble(); r.n.Complete(*view()) })
		}
		all.Wait()
	})
}
