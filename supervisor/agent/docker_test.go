package agent_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lyandev/lyandev/supervisor/agent"
	"github.com/lyandev/lyandev/supervisor/network"
)

const (
	testLabel = "dev.lyandev.test.agent"
	testToken = "0123456789abcdef0123456789abcdef"
)

// docker runs the docker command line and returns what it printed.
func docker(t testing.TB, stdin *bytes.Buffer, args ...string) string {
	t.Helper()
	cmd := exec.Command("docker", args...)
	if stdin != nil {
		cmd.Stdin = stdin
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("docker %s: %v\n%s%s", strings.Join(args, " "), err, out.String(), errs.String())
	}
	return strings.TrimSpace(out.String())
}

// project is a network with an agent in it, on the real engine.
type project struct {
	t       testing.TB
	name    string
	binary  string
	image   string
	layout  network.Layout
	pods    *network.Allocator
	client  *agent.Client
	hostWeb string // the host address that leads to "web"
	// datapath is what the agent is told, and says.
	datapath string
}

var buildBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "agentmain")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "agentmain")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "./testdata/agentmain")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// importImage makes an image of the binary alone.
func importImage(t testing.TB, binary, name string) {
	t.Helper()
	content, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := w.WriteHeader(&tar.Header{Name: "agentmain", Mode: 0o755, Size: int64(len(content)), Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	docker(t, &archive, "import", "--change", `ENTRYPOINT ["/agentmain"]`, "--change", "LABEL "+testLabel+"="+name, "-", name)
	t.Cleanup(func() { docker(t, nil, "rmi", "-f", name) })
}

// dockerSubnets are those of all networks of the engine.
func dockerSubnets(t testing.TB) (out []netip.Prefix) {
	ids := strings.Fields(docker(t, nil, "network", "ls", "-q"))
	format := "{{range .IPAM.Config}}{{.Subnet}} {{end}}"
	for _, s := range strings.Fields(docker(t, nil, append([]string{"network", "inspect", "-f", format}, ids...)...)) {
		if p, err := netip.ParsePrefix(s); err == nil {
			out = append(out, p)
		}
	}
	return out
}

func newProject(t testing.TB, datapath string) *project {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a Docker engine; make test runs it")
	}
	binary, err := buildBinary()
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("lyandev-agent-test-%d-%d", os.Getpid(), time.Now().UnixNano()%1e6)
	p := &project{t: t, name: name, binary: binary, image: name, datapath: datapath}
	importImage(t, binary, p.image)
	occupied, err := network.HostPrefixes()
	if err != nil {
		t.Fatal(err)
	}
	subnet, err := network.ChooseSubnet(p.name, append(occupied, dockerSubnets(t)...))
	if err != nil {
		t.Fatal(err)
	}
	if p.layout, err = network.LayoutOf(subnet); err != nil {
		t.Fatal(err)
	}
	p.pods = network.NewAllocator(p.layout.Pods)
	docker(t, nil, "network", "create", "--label", testLabel+"="+name, "--subnet", p.layout.Subnet.String(),
		"--ip-range", p.layout.Dynamic.String(), "--gateway", p.layout.Gateway.String(), name)
	t.Cleanup(func() { docker(t, nil, "network", "rm", name) })
	p.startAgent()
	return p
}

func (p *project) run(name string, args ...string) {
	p.t.Helper()
	docker(p.t, nil, append([]string{"run", "-d", "--name", name, "--label", testLabel + "=" + p.name, "--network", p.name}, args...)...)
	p.t.Cleanup(func() { docker(p.t, nil, "rm", "-f", "-v", name) })
}

func (p *project) startAgent() {
	p.t.Helper()
	cfg := agent.Config{Version: "test", Subnet: p.layout.Subnet, Address: p.layout.Agent, Datapath: p.datapath}
	name := p.agentName()
	args := []string{
		"create", "--name", name, "--label", testLabel + "=" + p.name, "--network", p.name, "--restart", "always",
		"--cap-drop", "ALL", "--read-only", "--security-opt", "no-new-privileges", "-v", agent.StateDir, "--ip", p.layout.Agent.String(),
		"-p", fmt.Sprint(p.freePort(), ":", agent.ControlPort), "-p", p.freePort() + ":8000",
	}
	for _, e := range cfg.Env() {
		args = append(args, "-e", e)
	}
	for name, value := range agent.Sysctls {
		args = append(args, "--sysctl", name+"="+value)
	}
	for _, c := range agent.Capabilities {
		args = append(args, "--cap-add", c)
	}
	docker(p.t, nil, append(args, p.image, agent.Command)...)
	p.t.Cleanup(func() { docker(p.t, nil, "rm", "-f", "-v", name) })
	var archive bytes.Buffer
	if _, err := archive.ReadFrom(agent.TokenArchive(testToken)); err != nil {
		p.t.Fatal(err)
	}
	docker(p.t, &archive, "cp", "-", name+":"+agent.StateDir)
	docker(p.t, nil, "start", name)
	p.client = agent.NewClient(p.published(p.agentName(), strconv.Itoa(agent.ControlPort)), testToken)
	p.t.Cleanup(p.client.Close)
	p.hostWeb = p.published(p.agentName(), "8000")
	p.eventually("the agent", func() bool {
		health, err := p.client.Health(context.Background())
		if err == nil && health.Datapath != p.datapath {
			p.t.Fatalf("the data path is %s: %s", health.Datapath, health.Fallback)
		}
		return err == nil
	})
}

func (p *project) agentName() string { return p.name + "-agent" }

// freePort is an address on the host for -p. With port 0 Docker would choose another one whenever the container starts.
func (p *project) freePort() string {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (p *project) published(container, port string) string {
	return strings.Fields(docker(p.t, nil, "port", container, port+"/tcp"))[0]
}

func (p *project) eventually(what string, ok func() bool) {
	p.t.Helper()
	deadline := time.After(15 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			p.t.Fatalf("waited in vain for %s", what)
		case <-tick.C:
		}
	}
}

// dnsArgs are what every pod's container is created with.
func (p *project) dnsArgs() []string {
	return []string{
		"--dns", p.layout.Agent.String(), "--dns-opt", "ndots:5", "--dns-search", "default.svc.cluster.local",
		"--dns-search", "svc.cluster.local", "--dns-search", "cluster.local",
	}
}

// pod starts a server and returns it as a pod of the table.
func (p *project) pod(name string, extra ...string) agent.Pod {
	p.t.Helper()
	addr, err := p.pods.Allocate(name)
	if err != nil {
		p.t.Fatal(err)
	}
	args := append(p.dnsArgs(), "--ip", addr.String())
	p.run(p.name+"-"+name, append(append(args, extra...), p.image, "serve", name, "8000")...)
	return agent.Pod{Name: name, UID: name, Address: addr, Hostname: name, Subdomain: "db", Ready: true}
}

// try runs a client in a container of the network and returns what it found, by question.
func (p *project) try(questions ...string) map[string]string {
	p.t.Helper()
	args := append([]string{"run", "--rm", "--label", testLabel + "=" + p.name, "--network", p.name}, p.dnsArgs()...)
	out := map[string]string{}
	for _, l := range strings.Split(docker(p.t, nil, append(append(args, p.image, "try"), questions...)...), "\n") {
		q, a, _ := strings.Cut(l, " = ")
		out[q] = a
	}
	return out
}

// table has "web" (ClusterIP, and a host port), "db" (headless) and "empty" (ClusterIP) on the pods given.
func (p *project) table(pods ...agent.Pod) *agent.Table {
	sub := agent.Subset{Ports: []uint16{8000}}
	for i := range pods {
		sub.Pods = append(sub.Pods, i)
	}
	ports := []agent.ServicePort{{Name: "http", Protocol: agent.TCP, Port: 80}}
	vip := p.layout.Services.First
	return &agent.Table{
		Pods: pods,
		Services: []agent.Service{
			{Namespace: "default", Name: "web", VIP: vip, Ports: ports, Subsets: []agent.Subset{sub}},
			{Namespace: "default", Name: "db", Ports: ports, Subsets: []agent.Subset{sub}},
			{Namespace: "default", Name: "empty", VIP: vip.Next(), Ports: ports},
		},
		HostPorts: []agent.HostPort{{Port: 8000, Protocol: agent.TCP, Namespace: "default", Service: "web", ServicePort: 80}},
	}
}

func (p *project) push(t *agent.Table) {
	p.t.Helper()
	pushed, err := p.client.Push(context.Background(), t)
	if err != nil || len(pushed.Problems) > 0 {
		p.t.Fatalf("push: %v, %v", pushed, err)
	}
}

// says connects from the host and returns the line that the server says, or the error.
func says(addr string) string {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	buf := make([]byte, 100)
	n, err := c.Read(buf)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(buf[:n]))
}

// onBothPaths runs a test with an agent whose kernel forwards and with one that forwards itself.
func onBothPaths(t *testing.T, test func(*testing.T, *project)) {
	for _, datapath := range []string{agent.DatapathNFTables, agent.DatapathUserland} {
		t.Run(datapath, func(t *testing.T) { test(t, newProject(t, datapath)) })
	}
}

func TestAgentOnDocker(t *testing.T) { onBothPaths(t, testAgentOnDocker) }

func testAgentOnDocker(t *testing.T, p *project) {
	web0, web1 := p.pod("web-0"), p.pod("web-1")
	p.push(p.table(web0, web1))
	vip := p.layout.Services.First.String()
	both := web0.Address.String() + " " + web1.Address.String()
	if web1.Address.String() < web0.Address.String() {
		both = web1.Address.String() + " " + web0.Address.String()
	}

	t.Run("names", func(t *testing.T) {
		want := map[string]string{
			"web": vip, "web.default": vip, "web.default.svc": vip, "web.default.svc.cluster.local": vip,
			"web.default.svc.cluster.local.": vip, "db": both, "web-0.db": web0.Address.String(),
			"web-1.db.default.svc.cluster.local": web1.Address.String(), "nobody": "not found true", "web-9.db": "not found true",
		}
		got := p.try(slices.Collect(maps.Keys(want))...)
		for question, w := range want {
			if got[question] != w {
				t.Errorf("%s is %q, want %q", question, got[question], w)
			}
		}
	})
	t.Run("names by the C library", func(t *testing.T) {
		const image = "debian:trixie-slim"
		if exec.Command("docker", "image", "inspect", image).Run() != nil {
			t.Logf("no %s on this engine: only Go's resolver was tried", image)
			return
		}
		args := append([]string{"run", "--rm", "--label", testLabel + "=" + p.name, "--network", p.name}, p.dnsArgs()...)
		got := docker(t, nil, append(args, image, "sh", "-c", "getent ahostsv4 web | head -1; getent ahostsv4 web-0.db | head -1; getent hosts "+vip)...)
		fields := strings.Fields(got)
		if len(fields) < 8 || fields[0] != vip || fields[len(fields)-1] != "web.default.svc.cluster.local" ||
			!strings.Contains(got, web0.Address.String()+" ") {
			t.Errorf("got\n%s", got)
		}
	})
	t.Run("service addresses", func(t *testing.T) {
		got := p.try("web:80", vip+":80", "db:8000", "empty:80", "web:81")
		for _, q := range []string{"web:80", vip + ":80", "db:8000"} {
			if !strings.HasPrefix(got[q], "web-") {
				t.Errorf("%s: %q", q, got[q])
			}
		}
		if got["empty:80"] != "refused true" || got["web:81"] != "refused true" {
			t.Errorf("not refused at once: %v", got)
		}
	})
	t.Run("gating", func(t *testing.T) {
		web0.Ready = false
		p.push(p.table(web0, web1))
		if got := p.try("web:80", "web-0.db", "db"); got["web:80"] != "web-1" || got["web-0.db"] != "not found true" || got["db"] != web1.Address.String() {
			t.Errorf("web-0 is not ready, but: %v", got)
		}
		p.push(p.table())
		if got := p.try("web:80", "db"); got["web:80"] != "refused true" || got["db"] != "not found true" {
			t.Errorf("nothing is ready, but: %v", got)
		}
		web0.Ready = true
		p.push(p.table(web0))
	})
	t.Run("host port", func(t *testing.T) {
		if got := says(p.hostWeb); got != "web-0" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("dialer", func(t *testing.T) { p.tryDialer(t, web0) })
	t.Run("killed", func(t *testing.T) { p.tryKill(t) })
	t.Run("stopped", func(t *testing.T) {
		before := time.Now()
		docker(t, nil, "stop", p.agentName())
		if took := time.Since(before); took > 5*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func (p *project) tryDialer(t *testing.T, pod agent.Pod) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	d := network.NewDialer(p.client, fmt.Sprint(p.layout.Agent, ":", agent.ControlPort))
	t.Logf("the host reaches the network directly: %v", d.Direct(ctx))
	for what, dial := range map[string]func(context.Context, string, string) (net.Conn, error){"agent": p.client.DialContext, "any": d.DialContext} {
		c, err := dial(ctx, "tcp", pod.Address.String()+":8000")
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		buf := make([]byte, 100)
		if n, err := c.Read(buf); string(buf[:n]) != pod.Name+"\n" {
			t.Errorf("%s: %q, %v", what, buf[:n], err)
		}
		c.Close()
		if _, err := dial(ctx, "tcp", pod.Address.String()+":9"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%s: %v", what, err)
		}
		silent := p.layout.Pods.Last.String() + ":80" // nobody has this address: no answer, or "no route" after a while
		short, stop := context.WithTimeout(ctx, 200*time.Millisecond)
		_, err = dial(short, "tcp", silent)
		stop()
		var ne net.Error
		if !errors.As(err, &ne) || !ne.Timeout() {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// tryKill kills the agent's process, which Docker then starts again; the table comes from the agent's file.
func (p *project) tryKill(t *testing.T) {
	t.Helper()
	pid, err := strconv.Atoi(docker(t, nil, "inspect", "-f", "{{.State.Pid}}", p.agentName()))
	if err != nil || pid < 2 {
		t.Fatalf("pid %d: %v", pid, err)
	}
	before, err := p.client.Health(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatalf("kill: %v", err)
	}
	p.eventually("the agent to be back", func() bool {
		h, err := p.client.Health(context.Background())
		return err == nil && h.Instance != before.Instance
	})
	after, err := p.client.Health(context.Background())
	if err != nil || after.Table != before.Table {
		t.Errorf("%+v, then %+v, %v", before, after, err)
	}
	if got := says(p.hostWeb); got != "web-0" {
		t.Errorf("got %q", got)
	}
	t.Logf("served again %v after SIGKILL", time.Since(at).Round(time.Millisecond))
	if got := p.try("web:80"); got["web:80"] != "web-0" {
		t.Errorf("got %v", got)
	}
}

// BenchmarkDocker measures from inside the network (direct, Service address) and from the host (a port that Docker
// publishes for the pod, one that leads through the agent).
func BenchmarkDocker(b *testing.B) {
	for _, datapath := range []string{agent.DatapathNFTables, agent.DatapathUserland} {
		b.Run(datapath, func(b *testing.B) { benchmarkDocker(b, newProject(b, datapath)) })
	}
}

func benchmarkDocker(b *testing.B, p *project) {
	web := p.pod("web-0", "-p", "127.0.0.1:0:8000")
	p.push(p.table(web))
	inside := func(args ...string) string {
		return docker(b, nil, append(append(append([]string{"run", "--rm", "--label", testLabel + "=" + p.name, "--network", p.name}, p.dnsArgs()...), p.image), args...)...)
	}
	outside := func(args ...string) string {
		out, err := exec.Command(p.binary, args...).CombinedOutput()
		if err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		return strings.TrimSpace(string(out))
	}
	for _, c := range []struct {
		name, addr string
		run        func(...string) string
	}{
		{"inside/direct", web.Address.String() + ":8000", inside},
		{"inside/service", p.layout.Services.First.String() + ":80", inside},
		{"host/published", p.published(p.name+"-web-0", "8000"), outside},
		{"host/agent", p.hostWeb, outside},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				ns, _ := strconv.ParseFloat(c.run("connections", c.addr, "500"), 64)
				rate, _ := strconv.ParseFloat(c.run("bytes", c.addr, "1024"), 64)
				b.ReportMetric(1e9/ns, "conns/s")
				b.ReportMetric(rate/1e6, "MB/s")
			}
		})
	}
}
