package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/lyandev/lyandev/supervisor/e2e/harness"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/network"
)

// readRegistries decodes a stream of registries until it ends.
func readRegistries(r io.Reader) <-chan network.Registry {
	out := make(chan network.Registry, 64)
	go func() {
		defer close(out)
		dec := json.NewDecoder(r)
		for {
			var reg network.Registry
			if dec.Decode(&reg) != nil {
				return
			}
			out <- reg
		}
	}()
	return out
}

// pairs is held while a test takes two instances, so that no two tests wait for each other's.
var pairs sync.Mutex

// occupy listens at a port of 127.0.0.1 until the test ends.
func occupy(t *testing.T) (port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().(*net.TCPAddr).Port
}

// freePort is a port of 127.0.0.1 that nobody listens at now.
func freePort(t *testing.T) (port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

const portsFile = `
services:
  web:
    image: lyandev-e2e/testpod:dev
    build: {context: image, dockerfile_inline: "FROM debian:trixie-slim\nCOPY testpod /testpod\nCMD [\"/testpod\", \"serve\"]\n"}
    ports: ["%d:8080", "%d:9000/udp"]
    stop_grace_period: 1s
    x-lyandev:
      kind: Deployment
      service:
        - {name: web, ports: [{name: http, port: 80, targetPort: 8080}, {name: talk, port: 90, protocol: UDP, targetPort: 9000}]}
        - {name: node, type: NodePort, ports: [{port: 80, targetPort: 8080, nodePort: %d}]}
        - {name: anyport, type: NodePort, ports: [{port: 80, targetPort: 8080}]}
      container: {ports: [{name: http, containerPort: 8080, hostPort: %d}]}
      probes: {readiness: {httpGet: {path: /ready, port: 8080}, periodSeconds: 1, failureThreshold: 1}}
  api:
    image: lyandev-e2e/testpod:dev
    stop_grace_period: 1s
    x-lyandev: {kind: Deployment, service: {ports: [{name: http, port: 80, targetPort: 8080}]}}
x-lyandev:
  semantics: kubernetes
  ingressPort: %d
  ingresses:
    site:
      defaultBackend: {service: {name: web, port: {number: 80}}}
      rules:
        - host: blog.localhost
          http:
            paths:
              - {path: /api, pathType: Prefix, backend: {service: {name: api, port: {name: http}}}}
              - {path: /exact, pathType: Exact, backend: {service: {name: api, port: {number: 80}}}}
              - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
        - host: "*.api.localhost"
          http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: api, port: {number: 80}}}}]}
`

// TestHostPorts: Compose ports, node ports, containers' host ports and the ingress are on 127.0.0.1 and lead to ready pods.
func TestHostPorts(t *testing.T) {
	t.Parallel()
	compose, udp, host, ingress := freePort(t), freePort(t), freePort(t), freePort(t)
	node, err := network.NextFree("tcp", netip.MustParseAddr("127.0.0.1"), 31000+os.Getpid()%1000)
	if err != nil {
		t.Fatal(err)
	}
	i := newNet(t, fmt.Sprintf(portsFile, compose, udp, node, host, ingress))
	i.Up("--wait")
	anyPort := hostURL(t, i, "anyport", 80)
	for what, url := range map[string]string{
		"Compose port": fmt.Sprintf("http://127.0.0.1:%d", compose), "node port": fmt.Sprintf("http://127.0.0.1:%d", node),
		"host port": fmt.Sprintf("http://127.0.0.1:%d", host), "chosen node port": anyPort,
	} {
		if pod, err := getOnce(http.DefaultClient, url+"/"); err != nil || !strings.HasPrefix(pod, "web-") {
			t.Errorf("%s: %q %v", what, pod, err)
		}
	}
	if got := talk(t, fmt.Sprintf("127.0.0.1:%d", udp)); !strings.HasPrefix(got, "web-") {
		t.Errorf("UDP port: %q", got)
	}
	ingressRules(t, ingress)
	for _, b := range agentOf(t, i, i.Engine()).Ports {
		if b.HostPort != 0 && b.HostIP != netip.MustParseAddr("127.0.0.1") {
			t.Errorf("the agent publishes %s:%d", b.HostIP, b.HostPort)
		}
	}
	for _, port := range []int{compose, node, host, ingress} {
		if open := listeners(t, port); len(open) != 1 || open[0] != "0100007F" {
			t.Errorf("port %d is listened at on %v (hexadecimal), want 127.0.0.1 alone", port, open)
		}
	}
	i.Up("--wait") // again: nothing moves
	if again := hostURL(t, i, "anyport", 80); again != anyPort {
		t.Errorf("the chosen port was %s and is %s", anyPort, again)
	}
	out := i.Must("endpoints")
	for _, want := range []int{compose, node, host} {
		if !strings.Contains(out, fmt.Sprintf("127.0.0.1:%d", want)) && want != host {
			t.Errorf("endpoints does not show port %d:\n%s", want, out)
		}
	}
	if out := i.Must("ps"); !strings.Contains(out, fmt.Sprintf("127.0.0.1:%d -> ingress", ingress)) {
		t.Errorf("ps does not show the ingress:\n%s", out)
	}
}

func ingressRules(t *testing.T, port int) {
	t.Helper()
	for _, c := range []struct{ host, path, want string }{
		{"blog.localhost", "/", "web-"},
		{"blog.localhost", "/api", "api-"},
		{"blog.localhost", "/api/x", "api-"},
		{"blog.localhost", "/apix", "web-"},
		{"blog.localhost", "/exact", "api-"},
		{"blog.localhost", "/exact/x", "web-"},
		{"v1.api.localhost", "/", "api-"},
		{"elsewhere", "/", "web-"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", port, c.path), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = c.host
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Errorf("ingress %s%s: %v", c.host, c.path, err)
			continue
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if !strings.HasPrefix(string(body), c.want) {
			t.Errorf("ingress %s%s is answered with %q, want %s", c.host, c.path, body, c.want)
		}
	}
}

// listeners are the local addresses at which a TCP port of the host is listened at, as /proc/net/tcp and tcp6 write them.
func listeners(t *testing.T, port int) (out []string) {
	t.Helper()
	for _, file := range []string{"tcp", "tcp6"} {
		b, err := os.ReadFile(filepath.Join("/proc/net", file))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			if addr, p, _ := strings.Cut(f[1], ":"); p == fmt.Sprintf("%04X", port) && f[3] == "0A" {
				out = append(out, addr)
			}
		}
	}
	return out
}

const onePort = `
name: samename
x-lyandev: {semantics: kubernetes}
services:
  web:
    image: lyandev-e2e/testpod:dev
    build: {context: image, dockerfile_inline: "FROM debian:trixie-slim\nCOPY testpod /testpod\nCMD [\"/testpod\", \"serve\"]\n"}
    ports: ["%d:8080"]
    stop_grace_period: 1s
    volumes: [data:/data]
    x-lyandev: {kind: Deployment, service: {ports: [{port: 80, targetPort: 8080}]}}
volumes: {data: {}}
`

// TestBusyPort: a port that is taken is an error that names its owner, unless another may be chosen; that one stays.
func TestBusyPort(t *testing.T) {
	t.Parallel()
	taken := occupy(t)
	i := newNet(t, fmt.Sprintf(onePort, taken))
	r := i.Run("up", "-d", "--quiet", "--ports", "fixed")
	if r.Code == 0 {
		t.Fatal("up with a taken port succeeds")
	}
	for _, want := range []string{fmt.Sprintf("127.0.0.1:%d", taken), fmt.Sprintf("process %d", os.Getpid()), "--ports auto", "compose.yaml:8"} {
		if !strings.Contains(r.Err, want) {
			t.Errorf("the error does not say %q:\n%s", want, r.Err)
		}
	}
	nothingLeft(t, i)
	i.Up("--wait", "--ports", "auto")
	chosen := hostAddress(t, i, "web", 80)
	if chosen == fmt.Sprintf("127.0.0.1:%d", taken) {
		t.Errorf("the chosen port is the taken one")
	}
	for _, args := range [][]string{{"--ports", "auto"}, nil} {
		i.Up(append(args, "--wait")...)
		if now := hostAddress(t, i, "web", 80); now != chosen {
			t.Errorf("up %v moved the port from %s to %s", args, chosen, now)
		}
	}
	for _, cmd := range []string{"ps", "endpoints"} {
		if out := i.Must(cmd); !strings.Contains(out, chosen) {
			t.Errorf("%s does not show %s:\n%s", cmd, chosen, out)
		}
	}
}

// TestSideBySide: two directories with the same project name have instances of their own, and side by side.
func TestSideBySide(t *testing.T) {
	t.Parallel()
	file := fmt.Sprintf(onePort, freePort(t))
	pairs.Lock()
	a, b := newNet(t, file), newNet(t, file)
	pairs.Unlock()
	home := t.TempDir()
	for _, i := range []*harness.Instance{a, b} {
		i.Setenv("LYANDEV_PROJECT", "")
		i.Setenv("XDG_STATE_HOME", home)
	}
	a.Up("--wait")
	b.Up("--wait")
	var list []struct {
		Name, Project, Dir, Phase string
		Ports                     []string
	}
	a.JSON(&list, "ls", "--json")
	if len(list) != 2 {
		t.Fatalf("ls shows %+v", list)
	}
	for n, in := range list {
		if in.Project != "samename" || in.Phase != "ready" || len(in.Ports) != 1 {
			t.Errorf("ls shows %+v", in)
			continue
		}
		if _, err := getOnce(http.DefaultClient, "http://"+in.Ports[0]+"/"); err != nil {
			t.Errorf("instance %s: %v", in.Name, err)
		}
		if other := list[1-n]; in.Name == other.Name || in.Dir == other.Dir || in.Ports[0] == other.Ports[0] {
			t.Errorf("the two share something: %+v", list)
		}
	}
	if len(containerIDs(a)) != 1 || len(containerIDs(b)) != 1 || fmt.Sprint(containerIDs(a)) == fmt.Sprint(containerIDs(b)) {
		t.Errorf("their pods are %v and %v", containerIDs(a), containerIDs(b))
	}
	inA, inB := inPod(a, "web", "getent", "hosts", "web"), inPod(b, "web", "getent", "hosts", "web")
	if inA == "" || inA == inB {
		t.Errorf("web is %q in one and %q in the other", inA, inB)
	}
	port := list[1].Ports[0]
	b.Up("--wait")
	b.JSON(&list, "ls", "--json")
	if list[1].Ports[0] != port {
		t.Errorf("another up moved the port from %s to %s", port, list[1].Ports[0])
	}
	a.Must("down", "--volumes", "--quiet")
	if _, err := getOnce(http.DefaultClient, hostOf(list[0].Ports, list[1].Ports, b)); err != nil {
		t.Errorf("after the other is down: %v", err)
	}
}

func hostOf(first, second []string, i *harness.Instance) string {
	if strings.Contains(i.Must("ps"), first[0]) {
		return "http://" + first[0] + "/"
	}
	return "http://" + second[0] + "/"
}

// TestOccupiedSubnet: an instance takes another subnet than the one it would, if that is taken.
func TestOccupiedSubnet(t *testing.T) {
	t.Parallel()
	i := newNet(t, fmt.Sprintf(onePort, freePort(t)))
	occupied, err := network.HostPrefixes()
	if err != nil {
		t.Fatal(err)
	}
	wish, err := network.ChooseSubnet(i.Name, occupied)
	if err != nil {
		t.Fatal(err)
	}
	eng := i.Engine()
	id, err := eng.CreateNetwork(t.Context(), engine.NetworkSpec{
		Name: i.Name + "-other", Subnet: wish, IPRange: wish, Gateway: wish.Addr().Next(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = eng.RemoveNetwork(context.WithoutCancel(t.Context()), id) })
	i.Up("--wait")
	ip := agentAddress(t, i, eng)
	if wish.Contains(ip) {
		t.Errorf("the agent is at %s, in the occupied %s", ip, wish)
	}
	if _, err := getOnce(http.DefaultClient, hostURL(t, i, "web", 80)+"/"); err != nil {
		t.Error(err)
	}
}
