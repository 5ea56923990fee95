package resources_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/agent"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/network"
	"github.com/lyandev/lyandev/supervisor/podnet"
	"github.com/lyandev/lyandev/supervisor/resources"
)

// stand is the network of one instance on the real engine, with the agent's test program in the place of lyandev's binary.
type stand struct {
	*engine.Docker
	t     *testing.T
	name  string
	image string
	maker *resources.Maker
	net   *podnet.Network
	pods  []*corev1.Pod
	notes []string
	// others are networks that are not the stack's, to be removed at the end.
	others []string
}

func newStand(t *testing.T) *stand {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a Docker engine; make test runs it")
	}
	d, err := engine.NewDocker(false)
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("plainnet-%d-%d", os.Getpid(), time.Now().UnixNano()%1e6)
	s := &stand{Docker: d, t: t, name: name, image: name + ":test"}
	root := t.TempDir()
	i, err := (&instance.Registry{Root: root}).Resolve(t.Context(), name, root, name)
	if err == nil {
		err = i.Save()
	}
	if err == nil {
		err = s.makeImage()
	}
	if err != nil {
		t.Fatal(err)
	}
	s.net = podnet.New(podnet.Config{
		Engine: d, Instance: i, Log: slog.New(slog.DiscardHandler), Changed: func() {}, Event: func(_, _, _, _, _ string) {},
		Image:  func(context.Context) (string, string, error) { return s.image, "test", nil },
		Rejoin: func(context.Context) ([]string, error) { return nil, nil },
	})
	s.maker = resources.New(resources.Config{
		Engine: d, Instance: i, Leave: s.net.Leave, Note: func(reason, message string) { s.notes = append(s.notes, reason+": "+message) },
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.net.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-ended
		s.cleanUp()
	})
	return s
}

func (s *stand) labels() map[string]string { return map[string]string{services.ProjectLabel: s.name} }

func (s *stand) cleanUp() {
	ctx := context.Background()
	list, err := s.ListContainers(ctx, s.labels())
	for _, c := range list {
		if err == nil {
			err = s.RemoveContainer(ctx, c.ID)
		}
	}
	if err == nil {
		err = s.net.Remove(ctx)
	}
	volumes, listErr := s.ListVolumes(ctx, s.labels())
	for _, v := range volumes {
		if err == nil {
			err = s.RemoveVolume(ctx, v.Name)
		}
	}
	for _, n := range s.others {
		if err == nil {
			err = s.RemoveNetwork(ctx, n)
		}
	}
	if err == nil {
		err = s.RemoveImage(ctx, s.image)
	}
	if err != nil || listErr != nil {
		s.t.Error(err, listErr)
	}
	_ = s.Close()
}

// makeImage makes an image of the agent's test program alone.
func (s *stand) makeImage() error {
	path := filepath.Join(s.t.TempDir(), "agentmain")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "../agent/testdata/agentmain")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := w.WriteHeader(&tar.Header{Name: "agentmain", Mode: 0o755, Size: int64(len(content)), Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	if _, err := w.Write(content); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_, err = s.ImportImage(s.t.Context(), s.image, []string{`ENTRYPOINT ["/agentmain"]`}, &archive)
	return err
}

// up makes what a stack needs and pushes the table of the present pods.
func (s *stand) up(stack *services.Stack) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	needs, err := network.NeedsOf(stack, s.name)
	if err != nil {
		s.t.Fatal(err)
	}
	r := podnet.Request{Needs: needs, Settings: resources.DefaultNetwork(stack, s.name)}
	if r.Foreign, err = s.maker.Ensure(ctx, stack, needs); err == nil {
		err = s.net.Ensure(ctx, r, true)
	}
	if err == nil {
		err = s.net.ClusterIPs(stack.Services)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.push(stack)
}

func (s *stand) push(stack *services.Stack) {
	s.t.Helper()
	pushed := make(chan struct{})
	s.net.AfterNextPush("", func() { close(pushed) })
	s.net.Offer(&network.View{Services: stack.Services, Pods: s.pods})
	<-pushed
}

// serve starts the container of a plain pod that says its name at port 8000, and makes the pod one of the present ones.
func (s *stand) serve(service string, spec engine.ContainerSpec, more ...string) {
	s.t.Helper()
	ctx := s.t.Context()
	spec.Image, spec.Cmd, spec.Labels = s.image, []string{"serve", service, "8000"}, s.labels()
	id, err := s.CreateContainer(ctx, spec)
	for _, n := range more {
		if err == nil {
			err = s.ConnectNetwork(ctx, n, id, engine.EndpointAt(spec.IP, service))
		}
	}
	if err == nil {
		err = s.StartContainer(ctx, id)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	c, err := s.InspectContainer(ctx, id)
	if err != nil {
		s.t.Fatal(err)
	}
	addresses := map[string]string{}
	for n, e := range c.Networks {
		addresses[n] = e.IP.String()
	}
	text, err := json.Marshal(addresses)
	if err != nil {
		s.t.Fatal(err)
	}
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: service + "-1", Labels: map[string]string{"app": service}},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning, PodIP: addresses[spec.Network]},
	}
	if !spec.IP.IsValid() {
		p.Annotations = map[string]string{compose.Annotation: "{}"}
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: services.Addresses, Status: corev1.ConditionTrue, Message: string(text)})
	}
	s.pods = append(s.pods, p)
}

// try asks questions in a container and returns the answers.
func (s *stand) try(spec engine.ContainerSpec, questions ...string) map[string]string {
	s.t.Helper()
	ctx := s.t.Context()
	spec.Name, spec.Image, spec.Labels, spec.Cmd = s.name+"-try", s.image, s.labels(), append([]string{"try"}, questions...)
	id, err := s.CreateContainer(ctx, spec)
	if err == nil {
		err = s.StartContainer(ctx, id)
	}
	var ended <-chan engine.Ended
	if err == nil {
		ended, err = s.Wait(ctx, id, engine.UntilStopped)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	<-ended
	logs, err := s.Logs(ctx, id, engine.LogOptions{Tail: -1})
	if err != nil {
		s.t.Fatal(err)
	}
	defer logs.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(logs); err != nil {
		s.t.Fatal(err)
	}
	if err := s.RemoveContainer(ctx, id); err != nil {
		s.t.Fatal(err)
	}
	out := map[string]string{}
	for line := range strings.Lines(text.String()) {
		q, a, _ := strings.Cut(strings.TrimSpace(line), " = ")
		out[q] = a
	}
	return out
}

func (s *stand) want(got map[string]string, want map[string]string) {
	s.t.Helper()
	for _, q := range slices.Sorted(maps.Keys(want)) {
		if got[q] != want[q] {
			s.t.Errorf("%s: %q, want %q", q, got[q], want[q])
		}
	}
}

// says connects to a host port and returns the line that the server says, or the error.
func says(addr string) string {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	buf := make([]byte, 100)
	n, err := c.Read(buf)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(buf[:n]))
}

// plain is a plain service whose containers are in networks of the stack; its Service leads from port 80 to 8000.
func plain(t *testing.T, stack *services.Stack, name string, networks ...string) {
	t.Helper()
	c := compose.Container{Service: name, Host: container.HostConfig{}}
	for _, n := range networks {
		c.Networks = append(c.Networks, compose.Attachment{Network: n})
	}
	text, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	o := &services.ComposeService{ObjectMeta: metav1.ObjectMeta{Name: name}}
	o.Spec.Template.Labels = map[string]string{"app": name}
	o.Spec.Template.Annotations = map[string]string{compose.Annotation: text}
	stack.Workloads = append(stack.Workloads, &services.Workload{Object: o})
	stack.Services = append(stack.Services, service(name, corev1.ClusterIPNone))
}

func service(name, ip string) *corev1.Service {
	return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.ServiceSpec{
		ClusterIP: ip, Selector: map[string]string{"app": name}, PublishNotReadyAddresses: ip != "",
		Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8000)}},
	}}
}

// shut says that a connection was refused, or accepted and closed at once without a word.
func shut(answer string) bool {
	return strings.HasPrefix(answer, "refused") || answer == "" || strings.Contains(answer, "reset by peer")
}

func of(project, key string) string { return project + "_" + key }

// Several networks: an internal one, an external one, and the default network, which nothing of this stack is in.
func TestPlainNetworksOnDocker(t *testing.T) {
	s := newStand(t)
	ext := s.name + "-ext"
	if _, err := s.CreateNetwork(t.Context(), engine.NetworkSpec{Name: ext}); err != nil {
		t.Fatal(err)
	}
	s.others = append(s.others, ext)
	back := of(s.name, "back")
	stack := &services.Stack{
		Networks: []*compose.Network{
			{Key: "back", Name: compose.Project + "_back", Internal: true, Source: "compose.yaml:1"},
			{Key: "ext", Name: ext, External: true},
		},
		Volumes: []*compose.Volume{{Key: "data", Name: compose.Project + "_data"}},
	}
	plain(t, stack, "db", compose.Project+"_back")
	plain(t, stack, "web", ext)
	s.up(stack)
	agents := func() (out []engine.Container) {
		list, err := s.ListContainers(t.Context(), s.labels())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range list {
			if c.Name == s.name+"-agent" {
				out = append(out, c)
			}
		}
		return out
	}
	if len(agents()) != 0 {
		t.Fatal("an agent runs for a stack without host ports")
	}
	if n, err := s.InspectNetwork(t.Context(), back); err != nil || !n.Internal || n.Labels["com.docker.compose.network"] != "back" {
		t.Fatalf("%+v, %v", n, err)
	}
	if _, err := s.InspectVolume(t.Context(), of(s.name, "data")); err != nil {
		t.Error(err)
	}
	s.serve("db", engine.ContainerSpec{Name: s.name + "-db-1", Network: back, Aliases: []string{"db"}})
	s.serve("web", engine.ContainerSpec{Name: s.name + "-web-1", Network: ext})

	stack.HostPorts = []services.HostPort{
		{HostIP: "127.0.0.1", Service: "db", Port: 80}, {HostIP: "127.0.0.1", Service: "web", Port: 80},
	}
	s.up(stack)

	for i, want := range []string{"db", "web"} {
		if got := says(s.net.Bound()[i].Address()); got != want {
			t.Errorf("%s says %q, want %q", s.net.Bound()[i].Address(), got, want)
		}
	}
	a := agents()[0]
	if in := slices.Sorted(maps.Keys(a.Networks)); !slices.Equal(in, []string{ext, back, of(s.name, "lyandev")}) {
		t.Errorf("the agent is in %v", in)
	}
	// The agent is no way from one network to another: containers cannot use its host ports there, nor its control API.
	for i, n := range []string{back, ext} {
		at := a.Networks[n].IP.String()
		other := fmt.Sprintf("%s:%d", at, s.net.Bound()[1-i].HostPort)
		control := fmt.Sprintf("%s:%d", at, agent.ControlPort)
		got := s.try(engine.ContainerSpec{Network: n}, other, control, s.pods[i].Status.PodIP+":8000")
		if got[s.pods[i].Status.PodIP+":8000"] != []string{"db", "web"}[i] || !shut(got[other]) || !shut(got[control]) {
			t.Errorf("in network %s: %v", n, got)
		}
	}
	if err := s.DisconnectNetwork(t.Context(), back, a.ID); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for says(s.net.Bound()[0].Address()) != "db" {
		if time.Now().After(deadline) {
			t.Fatal("the agent is not back in the network that somebody took it out of")
		}
		time.Sleep(50 * time.Millisecond)
	}
	stack.HostPorts = stack.HostPorts[1:]
	s.up(stack)
	if in := slices.Sorted(maps.Keys(agents()[0].Networks)); !slices.Equal(in, []string{ext, of(s.name, "lyandev")}) {
		t.Errorf("with one host port less the agent is in %v", in)
	}
	if len(s.notes) != 0 {
		t.Errorf("notes: %q", s.notes)
	}
}

// Both kinds in the default network find each other by name, and their addresses cannot collide.
func TestNamesOfBothKindsOnDocker(t *testing.T) {
	s := newStand(t)
	stack := &services.Stack{Networks: []*compose.Network{{Key: "default", Name: compose.Project + "_default"}}}
	plain(t, stack, "cache", compose.Project+"_default")
	api := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "api"}}
	api.Spec.Template.Labels = map[string]string{"app": "api"}
	stack.Workloads = append(stack.Workloads, &services.Workload{Object: api})
	stack.Services = append(stack.Services, service("api", ""))
	s.up(stack)
	def := s.net.Name()
	s.serve("cache", engine.ContainerSpec{Name: s.name + "-cache-1", Network: def, Aliases: []string{"cache", "kv"}})
	ip, err := s.net.PodIP("api-1")
	if err != nil {
		t.Fatal(err)
	}
	s.serve("api", engine.ContainerSpec{Name: s.name + "-api-1", Network: def, IP: ip, DNS: nil})
	s.pods[1].Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	s.push(stack)
	cache, vip := s.pods[0].Status.PodIP, stack.Services[1].Spec.ClusterIP

	agentAt := s.net.DNS()
	asPod := engine.ContainerSpec{Network: def}
	asPod.DNS = append(asPod.DNS, agentAt)
	asPod.DNSOptions = []string{"ndots:5"}
	asPod.DNSSearch = []string{"default.svc.cluster.local", "svc.cluster.local", "cluster.local"}
	names := map[string]string{
		"cache": cache, "kv": cache, s.name + "-cache-1": cache, "api": vip, "api.default.svc.cluster.local": vip,
		"cache:8000": "cache", "kv:8000": "cache", "api:80": "api", "nobody": "not found true",
	}
	s.want(s.try(asPod, slices.Collect(maps.Keys(names))...), names)

	asPlain := engine.ContainerSpec{Network: def}
	for range s.net.PlainDNS([]string{def}, nil) {
		asPlain.DNS = append(asPlain.DNS, agentAt)
	}
	delete(names, "api.default.svc.cluster.local")
	s.want(s.try(asPlain, slices.Collect(maps.Keys(names))...), names)

	// A container that has ended has no name any more.
	if err := s.StopContainer(t.Context(), s.name+"-cache-1", "", 0); err != nil {
		t.Fatal(err)
	}
	s.pods[0].Status.PodIP = ""
	s.push(stack)
	if got := s.try(asPod, "cache", "kv"); !strings.HasPrefix(got["cache"], "not found") || !strings.HasPrefix(got["kv"], "not found") {
		t.Errorf("after its end: %v", got)
	}
}
