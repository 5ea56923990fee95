package enginefake_test

import (
	"net/netip"
	"time"

	"github.com/lyandev/lyandev/supervisor/engine"
)

var networkBehaviours = []behaviour{
	{"addresses: static ones, dynamic ones from the range, gone when stopped", func(r *rig) {
		net := r.network()
		fixed := r.start("a", polite, func(s *engine.ContainerSpec) { s.Network, s.IP = net, r.static })
		free := r.start("b", polite, func(s *engine.ContainerSpec) { s.Network = net })
		r.same("static", r.inspect(fixed).IPs, map[string]netip.Addr{net: r.static})
		ip := r.inspect(free).IPs[net]
		r.same("in the range", r.ipRange.Contains(ip), true)
		list, err := r.ListNetworks(r.ctx, r.labels())
		r.must(err)
		r.same("networks", len(list), 1)
		r.same("attached", len(list[0].Containers), 2)
		r.same("subnets", list[0].Subnets[0].String(), r.subnet.String())
		r.same("driver", list[0].Driver, "bridge")
		r.wants("forbidden", r.RemoveNetwork(r.ctx, list[0].ID))
		r.must(r.StopContainer(r.ctx, fixed, "", 20*time.Second))
		r.same("stopped", r.inspect(fixed).IPs, map[string]netip.Addr{})
		r.must(r.StartContainer(r.ctx, fixed))
		r.same("again", r.inspect(fixed).IPs, map[string]netip.Addr{net: r.static})
		r.must(r.RemoveContainer(r.ctx, free))
		other := r.start("c", polite, func(s *engine.ContainerSpec) { s.Network = net })
		r.same("the lowest free one", r.inspect(other).IPs[net], ip)
	}},
	{"addresses: taken, and outside the subnet", func(r *rig) {
		net := r.network()
		at := func(s *engine.ContainerSpec) { s.Network, s.IP = net, r.static }
		r.start("a", stubborn, at)
		b := r.create("b", stubborn, at)
		r.wants("forbidden", r.StartContainer(r.ctx, b))
		r.same("exit code", r.inspect(b).ExitCode, 128)
		r.must(r.RemoveContainer(r.ctx, r.name+"-a"))
		r.wants("none", r.StartContainer(r.ctx, b))
		c := r.create("c", stubborn, func(s *engine.ContainerSpec) { s.Network, s.IP = net, netip.MustParseAddr("10.9.9.9") })
		r.wants("other", r.StartContainer(r.ctx, c))
	}},
	{"network: removed below a created container", func(r *rig) {
		net := r.network()
		id := r.create("a", stubborn, func(s *engine.ContainerSpec) { s.Network = net })
		r.wants("none", r.RemoveNetwork(r.ctx, net))
		r.wants("notfound", r.StartContainer(r.ctx, id))
		r.wants("none", r.RemoveNetwork(r.ctx, net))
	}},
	{"network: name in use, overlap", func(r *rig) {
		net := r.network()
		_, err := r.CreateNetwork(r.ctx, engine.NetworkSpec{Name: net, Subnet: netip.MustParsePrefix("10.248.77.0/24"), Labels: r.labels()})
		r.wants("conflict", err)
		_, err = r.CreateNetwork(r.ctx, engine.NetworkSpec{Name: net + "2", Subnet: r.ipRange, Labels: r.labels()})
		r.wants("forbidden+overlap", err)
		all, err := r.ListNetworks(r.ctx, nil)
		r.must(err)
		found := map[string]bool{}
		for _, n := range all {
			found[n.Name] = true
		}
		r.same("all networks", []bool{found["bridge"], found["host"], found["none"], found[net]}, []bool{true, true, true, true})
	}},
	{"network: connect and disconnect", func(r *rig) {
		net := r.network()
		id := r.start("a", stubborn, func(s *engine.ContainerSpec) { s.Network = "bridge" })
		r.wants("none", r.ConnectNetwork(r.ctx, net, id, engine.EndpointAt(r.static, "alias")))
		r.same("address", r.inspect(id).IPs[net], r.static)
		r.wants("forbidden", r.ConnectNetwork(r.ctx, net, id, engine.EndpointAt(netip.Addr{})))
		r.wants("none", r.DisconnectNetwork(r.ctx, net, id))
		_, on := r.inspect(id).IPs[net]
		r.same("on it", on, false)
		r.wants("other", r.DisconnectNetwork(r.ctx, net, id))
		r.wants("notfound", r.ConnectNetwork(r.ctx, "lyconf-no-such-network", id, engine.EndpointAt(netip.Addr{})))
		r.wants("notfound", r.ConnectNetwork(r.ctx, net, "lyconf-no-such-container", engine.EndpointAt(netip.Addr{})))
	}},
	{"network: joined with another container", func(r *rig) {
		net := r.network()
		a := r.create("a", stubborn, func(s *engine.ContainerSpec) { s.Network = net })
		b := r.create("b", stubborn, func(s *engine.ContainerSpec) { s.NetworkContainer = a })
		r.wants("conflict", r.StartContainer(r.ctx, b))
		r.must(r.StartContainer(r.ctx, a))
		r.wants("none", r.StartContainer(r.ctx, b))
		r.same("addresses", r.inspect(b).IPs, map[string]netip.Addr{})
	}},
	{"ports: published, taken, chosen", func(r *rig) {
		local := netip.MustParseAddr("127.0.0.1")
		publish := func(host uint16) func(s *engine.ContainerSpec) {
			return func(s *engine.ContainerSpec) {
				s.Network = "bridge"
				s.Publish = []engine.PortBinding{{HostIP: local, HostPort: host, ContainerPort: 80}}
			}
		}
		a := r.create("a", stubborn, publish(0))
		r.same("ports before", len(r.inspect(a).Ports), 0)
		r.must(r.StartContainer(r.ctx, a))
		ports := r.inspect(a).Ports
		r.same("ports", len(ports), 1)
		chosen := ports[0].HostPort
		r.same("binding", ports[0], engine.PortBinding{HostIP: local, HostPort: chosen, ContainerPort: 80, Protocol: "tcp"})
		r.same("chosen", chosen != 0, true)
		b := r.create("b", stubborn, publish(chosen))
		r.wants("port", r.StartContainer(r.ctx, b))
		c := r.inspect(b)
		r.same("state", c.State, engine.StateCreated)
		r.same("exit code", c.ExitCode, 128)
		r.must(r.RemoveContainer(r.ctx, a))
		r.wants("none", r.StartContainer(r.ctx, b))
	}},
}
