package tcengine

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/e2e/harness"
	"github.com/lyandev/lyandev/supervisor/engine"
)

func TestMain(m *testing.M) {
	code := m.Run()
	harness.Clean()
	os.Exit(code)
}

func TestEngineIsHere(t *testing.T) {
	bridge := engine.Network{Name: "bridge", Subnets: []netip.Prefix{netip.MustParsePrefix("172.17.0.0/16")}}
	for _, c := range []struct {
		name     string
		networks []engine.Network
		own      []string
		want     bool
	}{
		{"docker in docker", []engine.Network{bridge}, []string{"127.0.0.1/8", "172.17.0.1/16"}, true},
		{"a container of the engine", []engine.Network{bridge}, []string{"127.0.0.1/8", "172.17.0.5/16"}, false},
		{"no default bridge", []engine.Network{{Name: "other", Subnets: bridge.Subnets}}, []string{"172.17.0.1/16"}, false},
		{"nothing", nil, nil, false},
	} {
		var own []netip.Prefix
		for _, s := range c.own {
			own = append(own, netip.MustParsePrefix(s))
		}
		if got := engineIsHere(c.networks, own); got != c.want {
			t.Errorf("%s: engineIsHere = %v", c.name, got)
		}
	}
}

func TestPublishAddress(t *testing.T) {
	for _, c := range []struct {
		host        string
		overNetwork bool
		want        string
	}{
		{"localhost", false, "127.0.0.1"},
		{"localhost", true, "127.0.0.1"},
		{"127.0.0.1", true, "127.0.0.1"},
		{"::1", true, "127.0.0.1"},
		{"172.17.0.1", false, "172.17.0.1"},
		{"10.1.2.3", true, "0.0.0.0"},
		{"engine.example", true, "0.0.0.0"},
	} {
		if got := publishAddress(c.host, c.overNetwork); got.String() != c.want {
			t.Errorf("publishAddress(%q, %v) = %s, want %s", c.host, c.overNetwork, got, c.want)
		}
	}
}

func TestHasRegistry(t *testing.T) {
	for ref, want := range map[string]bool{
		"debian": false, "lyandev/redis:dev": false, "localhost/x": true, "localhost:5000/x": true, "ghcr.io/a/b": true,
		"host:5000/x:1": true, "debian:trixie-slim": false,
	} {
		if got := hasRegistry(ref); got != want {
			t.Errorf("hasRegistry(%q) = %v", ref, got)
		}
	}
}

// target is a container of a pod, as far as Ready looks.
type target struct {
	wait.StrategyTarget
	labels map[string]string
	err    error
}

func (t target) Inspect(context.Context) (*container.InspectResponse, error) {
	return &container.InspectResponse{Config: &container.Config{Labels: t.labels}}, t.err
}

func TestReadyWaitsForThePodOfItsTarget(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		name   string
		target wait.StrategyTarget
		want   string
		err    error
	}{
		{name: "the whole stack", target: nil, want: "asked for \"\""},
		{name: "a pod", target: target{labels: map[string]string{podLabel: "web-0"}}, want: "asked for \"web-0\""},
		{name: "somebody else's container", target: target{}, want: "asked for \"\""},
		{name: "a container that is gone", target: target{err: broken}, err: broken},
	} {
		asked := ""
		err := Ready{Wait: func(_ context.Context, pod string) error { asked = "asked for \"" + pod + "\""; return nil }}.WaitUntilReady(t.Context(), c.target)
		if !errors.Is(err, c.err) || asked != c.want {
			t.Errorf("%s: %s, %v", c.name, asked, err)
		}
	}
}

// connect is an engine with a session and a reaper of its own.
func connect(t *testing.T) *Engine {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a Docker engine; make test runs it")
	}
	e, err := New(t.Context(), Options{Session: "lyandev-tcengine-" + strings.ToLower(t.Name())})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.PrepareReaper(t.Context(), harness.Binary(t)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Keep(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return e
}

// Whatever testcontainers would add of its own, the container is the one that the spec says, with its labels.
func TestObjectsAreTheSpecsAndTheSessions(t *testing.T) {
	e := connect(t)
	const name = "lyandev-tcengine-test"
	ours := map[string]string{services.ProjectLabel: name}
	ctx := t.Context()
	subnet := netip.MustParsePrefix("10.254.252.0/24")
	network, err := e.CreateNetwork(ctx, engine.NetworkSpec{Name: name, Subnet: subnet, Gateway: netip.MustParseAddr("10.254.252.1"), Labels: ours})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.RemoveNetwork(context.WithoutCancel(ctx), network); err != nil {
			t.Error(err)
		}
	})
	if err := e.CreateVolume(ctx, engine.VolumeSpec{Name: name, Labels: ours}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.RemoveVolume(context.WithoutCancel(ctx), name); err != nil {
			t.Error(err)
		}
	})
	image := exposing(t, e)
	ip := netip.MustParseAddr("10.254.252.9")
	id, err := e.CreateContainer(ctx, engine.ContainerSpec{
		Name: name, Image: image, Labels: ours, Cmd: []string{"sleep", "60"}, Env: []string{"A=b=c", "B="}, Hostname: "host-9",
		Network: name, IP: ip, Mounts: []engine.Mount{{Volume: name, Target: "/data"}},
		Publish: []engine.PortBinding{{HostIP: netip.MustParseAddr("127.0.0.1"), ContainerPort: 80}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.RemoveContainer(context.WithoutCancel(ctx), id); err != nil {
			t.Error(err)
		}
	})
	if err := e.StartContainer(ctx, id); err != nil {
		t.Fatal(err)
	}
	c, err := e.InspectContainer(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	if c.IPs[name] != ip || c.Image != image || len(c.IPs) != 1 {
		t.Errorf("the container is at %v, of image %s", c.IPs, c.Image)
	}
	if len(c.Ports) != 1 || c.Ports[0].ContainerPort != 80 || !c.Ports[0].HostIP.IsLoopback() {
		t.Errorf("published is %v; want port 80 on 127.0.0.1 only, and not what the image exposes", c.Ports)
	}
	session := map[string]string{sessionLabel: e.session(), "org.testcontainers.reap": "true", services.ProjectLabel: name}
	containers, err1 := e.ListContainers(ctx, session)
	networks, err2 := e.ListNetworks(ctx, session)
	volumes, err3 := e.ListVolumes(ctx, session)
	if err := errors.Join(err1, err2, err3); err != nil || len(containers) != 1 || len(networks) != 1 || len(volumes) != 1 {
		t.Errorf("of the session are %d containers, %d networks, %d volumes, %v; want one of each", len(containers), len(networks), len(volumes), err)
	}
	if _, err := e.CreateContainer(ctx, engine.ContainerSpec{Name: name, Image: image}); !engine.IsConflict(err) {
		t.Errorf("a name in use gives %v; want a conflict", err)
	}
}

// exposing is an image that exposes a port that nobody asked to publish.
func exposing(t *testing.T, e *Engine) string {
	t.Helper()
	from, err := e.Docker.CreateContainer(t.Context(), engine.ContainerSpec{Image: "debian:trixie-slim"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Docker.RemoveContainer(context.WithoutCancel(t.Context()), from) }()
	made, err := e.API().ContainerCommit(t.Context(), from, container.CommitOptions{
		Reference: "lyandev-tcengine-test", Changes: []string{"EXPOSE 9999"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.RemoveImage(context.WithoutCancel(t.Context()), "lyandev-tcengine-test") })
	return made.ID
}

// The reaper in its container removes what a session leaves when the last connection is gone.
func TestReaperOfOurOwn(t *testing.T) {
	e := connect(t)
	list, err := e.ListContainers(t.Context(), map[string]string{sessionLabel: e.session(), ryukLabel: "true"})
	if err != nil || len(list) != 1 {
		t.Fatalf("the session has %d reapers, %v", len(list), err)
	}
	i, err := e.InspectImage(t.Context(), testcontainers.ReaperDefaultImage) //nolint:staticcheck // as in PrepareReaper
	if err != nil {
		t.Fatal(err)
	}
	if i.Labels["dev.lyandev.reaper"] == "" {
		t.Log("this machine has the real reaper")
	}
	ports, err := e.InspectContainer(t.Context(), list[0].ID)
	if err != nil || len(ports.Ports) == 0 {
		t.Fatalf("the reaper publishes %v, %v", ports.Ports, err)
	}
	for _, p := range ports.Ports {
		if !p.HostIP.IsLoopback() {
			t.Errorf("the reaper is published on %s", p.HostIP)
		}
	}
	if list[0].State != engine.StateRunning || time.Since(list[0].Started) > time.Hour {
		t.Errorf("the reaper is %s since %s", list[0].State, list[0].Started)
	}
}
