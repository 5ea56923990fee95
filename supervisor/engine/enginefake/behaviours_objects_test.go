package enginefake_test

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/docker/go-connections/nat"

	"github.com/lyandev/lyandev/supervisor/engine"
)

// objectBehaviours are those of networks and volumes with options, and of what looks into containers.
var objectBehaviours = []behaviour{
	{"networks: what was asked for is there", func(r *rig) {
		no := false
		spec := engine.NetworkSpec{
			Name: r.name + "-net", Labels: r.labels(), Internal: true, Attachable: true, EnableIPv6: &no,
			Options: map[string]string{"com.docker.network.bridge.enable_icc": "false"},
			IPAM: engine.IPAM{Driver: "default", Pools: []engine.IPAMPool{{
				Subnet: r.subnet, IPRange: r.ipRange, Gateway: r.subnet.Addr().Next(), Aux: map[string]netip.Addr{"printer": r.static},
			}}},
		}
		r.createNetwork(spec)
		n, err := r.InspectNetwork(r.ctx, spec.Name)
		r.must(err)
		r.same("flags", []any{n.Name, n.Driver, n.Internal, n.Attachable, n.IPv4, n.IPv6}, []any{spec.Name, "bridge", true, true, true, false})
		r.same("options", n.Options, spec.Options)
		r.same("addresses", n.IPAM.Pools, spec.IPAM.Pools)
		r.same("subnets", n.Subnets, []netip.Prefix{r.subnet})
		r.same("labels", n.Labels, r.labels())
		r.same("made now", time.Since(n.Created) < time.Minute, true)
		id := r.create("a", stubborn, exact(stubborn, func(x *engine.Exact) {
			x.Networks = []engine.NetworkAttachment{{Network: spec.Name, Settings: engine.EndpointAt(r.static)}}
		}))
		r.wants("forbidden", r.StartContainer(r.ctx, id)) // the printer's
		_, err = r.InspectNetwork(r.ctx, "lyconf-no-such-network")
		r.wants("notfound", err)
	}},
	{"networks: the engine chooses the subnet", func(r *rig) {
		name := r.name + "-net"
		id, err := r.CreateNetwork(r.ctx, engine.NetworkSpec{Name: name, Labels: r.labels()})
		r.must(err)
		n, err := r.InspectNetwork(r.ctx, id)
		r.must(err)
		r.same("one subnet with a gateway", []any{len(n.Subnets), n.IPAM.Pools[0].Gateway.IsValid(), n.IPv4}, []any{1, true, true})
	}},
	{"networks: two pools", func(r *rig) {
		v6 := netip.MustParsePrefix("fd00:c0de:" + r.static.String()[len("10.248.0."):] + "::/64")
		yes := true
		spec := engine.NetworkSpec{
			Name: r.name + "-net", Labels: r.labels(), EnableIPv6: &yes, Subnet: r.subnet, IPRange: r.ipRange,
			IPAM: engine.IPAM{Pools: []engine.IPAMPool{{Subnet: v6}}},
		}
		r.createNetwork(spec)
		n, err := r.InspectNetwork(r.ctx, spec.Name)
		r.must(err)
		r.same("subnets", n.Subnets, []netip.Prefix{r.subnet, v6})
		r.same("IPv6", n.IPv6, true)
	}},
	{"volumes: driver, options and labels", func(r *rig) {
		spec := engine.VolumeSpec{
			Name: r.name + "-vol", Driver: "local", Labels: r.labels(),
			Options: map[string]string{"type": "tmpfs", "device": "tmpfs", "o": "size=1m"},
		}
		r.must(r.CreateVolume(r.ctx, spec))
		v, err := r.InspectVolume(r.ctx, spec.Name)
		r.must(err)
		r.same("volume", []any{v.Name, v.Driver, v.Options, v.Labels, v.Mountpoint != ""}, []any{spec.Name, "local", spec.Options, r.labels(), true})
		_, err = r.InspectVolume(r.ctx, "lyconf-no-such-volume")
		r.wants("notfound", err)
	}},
	{"wait: for an end that is over, that comes, and for nothing", func(r *rig) {
		id := r.create("a", failing, nil)
		next, err := r.Wait(r.ctx, id, engine.UntilNextExit)
		r.must(err)
		r.must(r.StartContainer(r.ctx, id))
		r.same("next", <-next, engine.Ended{ExitCode: 3})
		r.until(id, engine.StateExited)
		over, err := r.Wait(r.ctx, id, engine.UntilStopped)
		r.must(err)
		r.same("over", <-over, engine.Ended{ExitCode: 3})
		_, err = r.Wait(r.ctx, "lyconf-no-such-container", engine.UntilStopped)
		r.wants("notfound", err)
	}},
	{"attach: before the start, to both streams", func(r *rig) {
		id := r.create("a", failing, nil)
		var stdout, stderr bytes.Buffer
		wait, err := r.Attach(r.ctx, id, engine.AttachOptions{Stdout: &stdout, Stderr: &stderr})
		r.must(err)
		r.must(r.StartContainer(r.ctx, id))
		r.must(wait())
		r.same("output", []string{stdout.String(), stderr.String()}, []string{"one\nthree\n", "two\n"})
		_, err = r.Attach(r.ctx, "lyconf-no-such-container", engine.AttachOptions{})
		r.wants("notfound", err)
	}},
	{"attach: what was printed before comes with Logs", func(r *rig) {
		id := r.start("a", polite, nil)
		var stdout bytes.Buffer
		wait, err := r.Attach(r.ctx, id, engine.AttachOptions{Stdout: &stdout, Logs: true})
		r.must(err)
		r.must(r.StopContainer(r.ctx, id, "", 20*time.Second))
		r.must(wait())
		r.same("output", stdout.String(), "up\n")
	}},
	{"terminal: its size", func(r *rig) {
		id := r.create("a", stubborn, func(s *engine.ContainerSpec) { s.TTY = true })
		r.wants("conflict", r.ResizeTTY(r.ctx, id, 100, 30))
		r.must(r.StartContainer(r.ctx, id))
		r.must(r.ResizeTTY(r.ctx, id, 100, 30))
		r.wants("notfound", r.ResizeTTY(r.ctx, "lyconf-no-such-container", 100, 30))
	}},
	{"top: the processes", func(r *rig) {
		id := r.start("a", stubborn, nil)
		p, err := r.Top(r.ctx, id, nil)
		r.must(err)
		r.same("one row, a column a title", []bool{len(p.Rows) == 1, len(p.Rows) > 0 && len(p.Rows[0]) == len(p.Titles), slices.Contains(p.Titles, "PID")},
			[]bool{true, true, true})
		r.must(r.KillContainer(r.ctx, id, "SIGKILL"))
		r.until(id, engine.StateExited)
		_, err = r.Top(r.ctx, id, nil)
		r.same("an error when it does not run", err != nil, true)
	}},
	{"stats: zero when it does not run, absent is not found", func(r *rig) {
		id := r.create("a", stubborn, nil)
		s, err := r.Stats(r.ctx, id)
		r.must(err)
		r.same("nothing used", []uint64{s.Memory, s.CPUNanos, s.PIDs}, []uint64{0, 0, 0})
		_, err = r.Stats(r.ctx, "lyconf-no-such-container")
		r.wants("notfound", err)
	}},
	{"published ports of an exact container", func(r *rig) {
		net := r.network()
		id := r.start("a", stubborn, exact(stubborn, func(x *engine.Exact) {
			x.Networks = []engine.NetworkAttachment{{Network: net}}
			x.Config.ExposedPorts = nat.PortSet{"80/tcp": {}}
			x.Host.PortBindings = nat.PortMap{"80/tcp": {{HostIP: "127.0.0.1"}}}
		}))
		ports := r.inspect(id).Ports
		r.same("one", len(ports), 1)
		r.same("where", []any{ports[0].HostIP.String(), ports[0].ContainerPort, ports[0].HostPort != 0, strings.ToLower(ports[0].Protocol)},
			[]any{"127.0.0.1", uint16(80), true, "tcp"})
	}},
}
