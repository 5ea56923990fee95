package agent_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lyandev/lyandev/supervisor/agent"
	"github.com/lyandev/lyandev/supervisor/network"
)

// TestDatapathOnDocker tries what clients in containers and on the host see of service addresses, on both data paths. The host
// has a route to the network.
func TestDatapathOnDocker(t *testing.T) {
	onBothPaths(t, func(t *testing.T, p *project) {
		web0, web1 := p.pod("web-0"), p.pod("web-1")
		t.Run("hairpin", func(t *testing.T) { p.tryHairpin(t, web0, web1) })
		t.Run("UDP", func(t *testing.T) { p.tryUDP(t, web0, web1) })
		t.Run("affinity", func(t *testing.T) { p.tryAffinity(t, web0, web1) })
		t.Run("endpoint removed", func(t *testing.T) { p.tryRemoval(t, web0, web1) })
		t.Run("role moved", func(t *testing.T) { p.tryRole(t, web0, web1) })
		t.Run("changes under load", func(t *testing.T) { p.tryLoad(t, web0, web1) })
		t.Run("an endpoint refuses", func(t *testing.T) { p.tryRefusal(t, web0, web1) })
		t.Run("no way between networks", func(t *testing.T) { p.tryNetworks(t, web0, web1) })
	})
}

// echoTable is table with a Service "echo" at the address after those of table, TCP and UDP port 7.
func (p *project) echoTable(pods ...agent.Pod) *agent.Table {
	t := p.table(pods...)
	sub := agent.Subset{Ports: []uint16{8001, 8001}, Pods: t.Services[0].Subsets[0].Pods}
	t.Services = append(t.Services, agent.Service{
		Namespace: "default", Name: "echo", VIP: p.echo(), Subsets: []agent.Subset{sub},
		Ports: []agent.ServicePort{{Name: "tcp", Protocol: agent.TCP, Port: 7}, {Name: "udp", Protocol: agent.UDP, Port: 7}},
	})
	return t
}

func (p *project) echo() netip.Addr { return p.layout.Services.First.Next().Next() }

// greeted is a connection to the Service "echo", and the pod that it led to.
func (p *project) greeted(t *testing.T) (net.Conn, string) {
	t.Helper()
	c, err := net.DialTimeout("tcp", netip.AddrPortFrom(p.echo(), 7).String(), 2*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c, readLine(t, c)
}

func readLine(t *testing.T, c net.Conn) string {
	t.Helper()
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// A pod reaches itself and the other pod by the Service's name.
func (p *project) tryHairpin(t *testing.T, web0, web1 agent.Pod) {
	p.push(p.echoTable(web0, web1))
	seen := map[string]int{}
	for range 6 {
		seen[docker(t, nil, "exec", p.name+"-web-0", "/agentmain", "try", "web:80")]++
	}
	if seen["web:80 = web-0"] == 0 || seen["web:80 = web-1"] == 0 || len(seen) != 2 {
		t.Errorf("reached %v", seen)
	}
}

// A flow stays with its endpoint as long as that is ready, and moves at once when it is not.
func (p *project) tryUDP(t *testing.T, web0, web1 agent.Pod) {
	p.push(p.echoTable(web0, web1))
	c, err := net.Dial("udp", netip.AddrPortFrom(p.echo(), 7).String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	say := func() string {
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		buf := make([]byte, 100)
		if _, err := c.Write([]byte("hello")); err != nil {
			return err.Error()
		}
		n, err := c.Read(buf)
		if err != nil {
			return err.Error()
		}
		return string(buf[:n])
	}
	first := say()
	for range 5 {
		if got := say(); got != first || !strings.HasSuffix(got, ":hello") {
			t.Errorf("got %q, then %q", first, got)
		}
	}
	stays := web0
	if strings.HasPrefix(first, "web-0") {
		stays = web1
	}
	p.push(p.echoTable(stays))
	if got := say(); got != stays.Name+":hello" {
		t.Errorf("got %q with %s alone", got, stays.Name)
	}
	p.push(p.echoTable())
	if got := say(); !strings.Contains(got, "refused") {
		t.Errorf("got %q without an endpoint", got)
	}
	p.push(p.echoTable(web0, web1))
	if got := say(); !strings.HasSuffix(got, ":hello") {
		t.Errorf("got %q when there are endpoints again", got)
	}
}

// A client's connections go to one pod, also after a change that does not concern it.
func (p *project) tryAffinity(t *testing.T, web0, web1 agent.Pod) {
	table := func(pods ...agent.Pod) *agent.Table {
		t := p.echoTable(pods...)
		t.Services[3].AffinitySeconds = 600
		return t
	}
	p.push(table(web0, web1))
	_, first := p.greeted(t)
	for range 5 {
		if _, got := p.greeted(t); got != first {
			t.Errorf("reached %s after %s", got, first)
		}
	}
	mine, other := web0, web1
	if first == web1.Name {
		mine, other = web1, web0
	}
	p.push(table(mine))
	p.push(table(mine, other))
	for range 4 {
		if _, got := p.greeted(t); got != first {
			t.Errorf("reached %s after a change, not %s", got, first)
		}
	}
	p.push(table(other))
	if _, got := p.greeted(t); got != other.Name {
		t.Errorf("reached %s without %s", got, first)
	}
}

// Idle connections stay with a pod that is not ready any more, and are reset at both ends when it is gone.
func (p *project) tryRemoval(t *testing.T, web0, web1 agent.Pod) {
	p.push(p.echoTable(web0))
	c, _ := p.greeted(t)
	unready := web0
	unready.Ready = false
	p.push(p.echoTable(unready, web1))
	for range 4 {
		if _, got := p.greeted(t); got != "web-1" {
			t.Errorf("reached %s", got)
		}
	}
	fmt.Fprintln(c, "still there")
	if got := readLine(t, c); got != "still there" {
		t.Errorf("got %q", got)
	}
	p.push(p.echoTable(web1))
	before := time.Now()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read: %v", err)
	}
	t.Logf("reset after %v", time.Since(before))
	p.eventually("the pod's end to be reset", func() bool {
		return docker(t, nil, "exec", p.name+"-web-0", "/agentmain", "open", "8001") == "0"
	})
}

// Connections are reset when another pod gets the role.
func (p *project) tryRole(t *testing.T, web0, web1 agent.Pod) {
	table := func(selected int) *agent.Table {
		t := p.echoTable(web0, web1)
		t.Services[3].FollowsRole, t.Services[3].Subsets[0].Pods = true, agent.Indexes{selected}
		return t
	}
	p.push(table(0))
	var idle []net.Conn
	for range 50 {
		c, got := p.greeted(t)
		if got != "web-0" {
			t.Errorf("reached %s", got)
		}
		idle = append(idle, c)
	}
	p.push(table(1))
	for _, c := range idle {
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read: %v", err)
		}
	}
	if _, got := p.greeted(t); got != "web-1" {
		t.Errorf("reached %s", got)
	}
}

// No connection fails while tables change, and none that begins after a change was acknowledged goes where it must not.
func (p *project) tryLoad(t *testing.T, web0, web1 agent.Pod) {
	p.push(p.echoTable(web0, web1))
	ctx, cancel := context.WithCancel(t.Context())
	var load sync.WaitGroup
	failed := make(chan string, 100)
	for range 3 {
		load.Go(func() {
			for ctx.Err() == nil {
				if got := says(netip.AddrPortFrom(p.layout.Services.First, 80).String()); !strings.HasPrefix(got, "web-") {
					failed <- got
					return
				}
			}
		})
	}
	for i := range 100 {
		ready, want := []agent.Pod{web0, web1}, ""
		ready[i%2].Ready = false
		want = ready[(i+1)%2].Name
		p.push(p.echoTable(ready...))
		if got := says(netip.AddrPortFrom(p.layout.Services.First, 80).String()); got != want {
			t.Errorf("reached %q after only %s was ready", got, want)
		}
	}
	cancel()
	load.Wait()
	close(failed)
	for got := range failed {
		t.Errorf("a connection failed: %s", got)
	}
}

// A pod that refuses connections, although the table says that it is ready, makes none fail.
func (p *project) tryRefusal(t *testing.T, web0, web1 agent.Pod) {
	p.push(p.echoTable(web0, web1))
	to := netip.AddrPortFrom(p.layout.Services.First, 80).String()
	seen := map[string]int{}
	for range 20 { // more than the kernel needs to take over
		seen[says(to)]++
	}
	if seen["web-0"] == 0 || seen["web-1"] == 0 || len(seen) != 2 {
		t.Fatalf("reached %v", seen)
	}
	docker(t, nil, "kill", "-s", "USR1", p.name+"-web-1")
	p.eventually("the pod to refuse", func() bool { return strings.Contains(says(web1.Address.String()+":8000"), "refused") })
	for range 40 {
		c, err := net.DialTimeout("tcp", to, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		if got := readLine(t, c); got != "web-0" {
			t.Errorf("reached %s", got)
		}
		c.Close()
	}
	p.push(p.echoTable(web1)) // it alone: refused at once, not hidden
	if got := says(to); !strings.Contains(got, "refused") && !strings.Contains(got, "reset") {
		t.Errorf("got %q", got)
	}
	p.push(p.echoTable(web0))
}

// A container cannot use the agent as a router to another network of it.
func (p *project) tryNetworks(t *testing.T, web0, web1 agent.Pod) {
	p.push(p.echoTable(web0, web1))
	other := p.name + "-other"
	occupied, err := network.HostPrefixes()
	if err != nil {
		t.Fatal(err)
	}
	subnet, err := network.ChooseSubnet(other, append(occupied, dockerSubnets(t)...))
	if err != nil {
		t.Fatal(err)
	}
	docker(t, nil, "network", "create", "--label", testLabel+"="+p.name, "--subnet", subnet.String(), other)
	t.Cleanup(func() { docker(t, nil, "network", "rm", other) })
	docker(t, nil, "network", "connect", other, p.agentName())
	t.Cleanup(func() { docker(t, nil, "network", "disconnect", other, p.agentName()) })
	gateway := docker(t, nil, "inspect", "-f", fmt.Sprintf("{{(index .NetworkSettings.Networks %q).IPAddress}}", other), p.agentName())
	args := []string{"run", "--rm", "--label", testLabel + "=" + p.name, "--network", other, "--cap-add", "NET_ADMIN", p.image, "through"}
	for _, to := range []string{web0.Address.String() + ":8000", p.layout.Services.First.String() + ":81"} {
		if got := docker(t, nil, append(args, gateway, p.layout.Subnet.String(), to)...); strings.HasPrefix(got, "web-") {
			t.Errorf("reached %s in %s", got, p.layout.Subnet)
		}
	}
	if got := p.try("web:80"); !strings.HasPrefix(got["web:80"], "web-") {
		t.Errorf("got %v", got)
	}
}
