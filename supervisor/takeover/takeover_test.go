package takeover

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/docker/go-connections/nat"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
	"github.com/lyandev/lyandev/supervisor/resources"
)

func plain(t *testing.T, name string, replicas int32, c compose.Container) *services.Workload {
	t.Helper()
	c.Service = name
	text, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	o := &services.ComposeService{ObjectMeta: metav1.ObjectMeta{Name: name}}
	o.Spec.ServiceName, o.Spec.Replicas = name, &replicas
	o.Spec.Template.Annotations = map[string]string{compose.Annotation: text}
	return &services.Workload{Object: o}
}

func testStack(t *testing.T) *services.Stack {
	t.Helper()
	own := compose.Container{Name: "fixed"}
	own.Host.PortBindings = nat.PortMap{"53/udp": {{HostPort: "5353"}}}
	return &services.Stack{
		Workloads: []*services.Workload{
			plain(t, "web", 2, compose.Container{}), plain(t, "dns", 1, own),
			{Object: &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "db"}}},
		},
		HostPorts: []services.HostPort{{HostIP: "127.0.0.1", HostPort: 8080}, {HostIP: "::1", HostPort: 9000}, {HostIP: "127.0.0.1"}},
	}
}

func TestObstacles(t *testing.T) {
	w, err := wishOf(testStack(t), "p")
	if err != nil {
		t.Fatal(err)
	}
	published := func(ip string, port uint16, protocol string) []engine.PortBinding {
		return []engine.PortBinding{{HostIP: netip.MustParseAddr(ip), HostPort: port, Protocol: protocol}}
	}
	service := func(name string) map[string]string { return map[string]string{ServiceLabel: name} }
	const running, exited = engine.StateRunning, engine.StateExited
	for _, c := range []struct {
		name string
		c    engine.Container
		want string
	}{
		{"name", engine.Container{Name: "p-web-2", State: exited}, "[has the name of a container of the stack]"},
		{"no such replica", engine.Container{Name: "p-web-3", State: exited}, "[]"},
		{"container_name", engine.Container{Name: "fixed", State: exited}, "[has the name of a container of the stack]"},
		{"not its name", engine.Container{Name: "p-dns-1", State: exited}, "[]"},
		{"agent", engine.Container{Name: "p-agent", State: exited}, "[has the name of a container of the stack]"},
		{"service", engine.Container{Name: "p-db-1", State: running, Labels: service("db")}, "[runs service db]"},
		{"ended service", engine.Container{Name: "p-db-1", State: exited, Labels: service("db")}, "[]"},
		{"other service", engine.Container{Name: "p-x-1", State: running, Labels: service("x")}, "[]"},
		{"port", engine.Container{Name: "x", State: running, Ports: published("127.0.0.1", 8080, "tcp")}, "[publishes 127.0.0.1:8080]"},
		{"every address", engine.Container{Name: "x", State: running, Ports: published("0.0.0.0", 9000, "")}, "[publishes 0.0.0.0:9000]"},
		{"other address", engine.Container{Name: "x", State: running, Ports: published("127.0.0.2", 8080, "tcp")}, "[]"},
		{"other protocol", engine.Container{Name: "x", State: running, Ports: published("127.0.0.1", 8080, "udp")}, "[]"},
		{"not any more", engine.Container{Name: "x", State: exited, Ports: published("127.0.0.1", 8080, "tcp")}, "[]"},
		{"bound by the container", engine.Container{Name: "x", State: running, Ports: published("10.0.0.1", 5353, "udp")}, "[publishes 10.0.0.1:5353/udp]"},
		{
			"all",
			engine.Container{Name: "p-web-1", State: engine.StatePaused, Labels: service("web"), Ports: published("127.0.0.1", 8080, "TCP")},
			"[has the name of a container of the stack runs service web publishes 127.0.0.1:8080]",
		},
	} {
		if got := fmt.Sprint(w.obstacles(c.c)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestFindAndRemove(t *testing.T) {
	eng := enginefake.New()
	eng.AddImage("img:1", enginefake.Image{})
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ofCompose := map[string]string{resources.ComposeProject: "p"}
	network := func(name string) {
		_, err := eng.CreateNetwork(ctx, engine.NetworkSpec{Name: name, Labels: ofCompose})
		must(err)
	}
	container := func(name, in string, labels map[string]string) {
		id, err := eng.CreateContainer(ctx, engine.ContainerSpec{Name: name, Image: "img:1", Network: in, Labels: labels})
		must(err)
		must(eng.StartContainer(ctx, id))
	}
	network("p_default")
	network("p_back")
	must(eng.CreateVolume(ctx, engine.VolumeSpec{Name: "p_data", Labels: ofCompose}))
	container("p-web-1", "p_default", ofCompose)
	container("p-old-1", "p_back", ofCompose)
	container("q-web-1", "", map[string]string{resources.ComposeProject: "q"})
	container("ours", "", map[string]string{resources.ComposeProject: "p", services.ProjectLabel: "p"})

	stack := testStack(t)
	found, err := Find(ctx, eng, "p", stack)
	must(err)
	names := func(list []Container) (out []string) {
		for _, c := range list {
			out = append(out, c.Name)
		}
		return out
	}
	if got := names(found); !slices.Equal(got, []string{"p-old-1", "p-web-1"}) {
		t.Errorf("found %v", got)
	}
	if got := names(InTheWay(found)); !slices.Equal(got, []string{"p-web-1"}) {
		t.Errorf("in the way: %v", got)
	}
	must(Remove(ctx, eng, "p", stack, found))
	left, err := eng.ListContainers(ctx, nil)
	must(err)
	if len(left) != 2 {
		t.Errorf("left: %+v", left)
	}
	if _, err := eng.InspectNetwork(ctx, "p_default"); !engine.IsNotFound(err) {
		t.Errorf("the default network of Compose stays: %v", err)
	}
	_, err = eng.InspectNetwork(ctx, "p_back")
	must(err)
	_, err = eng.InspectVolume(ctx, "p_data")
	must(err)

	// A default network that is used by others, or is the file's own, stays.
	network("p_default")
	container("other", "p_default", nil)
	must(Remove(ctx, eng, "p", stack, nil))
	must(eng.RemoveContainer(ctx, "other"))
	stack.Networks = []*compose.Network{{Key: "default", Name: compose.Project + "_default", Internal: true}}
	must(Remove(ctx, eng, "p", stack, nil))
	_, err = eng.InspectNetwork(ctx, "p_default")
	must(err)
}
