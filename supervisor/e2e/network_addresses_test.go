package e2e_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/e2e/harness"
)

// harnessLimit is how long things may take that take a moment.
const harnessLimit = 15 * time.Second

// TestServiceAddresses: balance, affinity, UDP, refusal, and addresses that stay.
func TestServiceAddresses(t *testing.T) {
	t.Parallel()
	i := newNet(t, netNames)
	i.Up("--wait")
	known := endpoints(t, i)
	from := func(pod, service string, n int) map[string]bool {
		seen := map[string]bool{}
		for line := range strings.Lines(inPod(i, pod, "/testpod", "get", "-n", strconv.Itoa(n), "http://"+service+"/")) {
			seen[strings.TrimSpace(line)] = true
		}
		return seen
	}
	if seen := from("client", "web", 12); len(seen) != 3 {
		t.Errorf("12 requests to web reached %v", seen)
	}
	for _, pod := range []string{"client", "db-0", "db-1"} {
		if seen := from(pod, "web-sticky", 8); len(seen) != 1 {
			t.Errorf("with affinity pod %s reached %v", pod, seen)
		}
	}
	for _, at := range []string{"empty:80", "web:81", known["web"].Address + ":8080"} {
		out := strings.Fields(inPod(i, "client", "/testpod", "dial", at))
		if ms, _ := strconv.Atoi(out[1]); out[0] != "refused" || ms > 200 {
			t.Errorf("a connection to %s, which leads nowhere: %v", at, out)
		}
	}
	if got := talk(t, net.JoinHostPort(known["web"].Address, "90")); !strings.HasPrefix(got, "web-") || !strings.HasSuffix(got, " hello") {
		t.Errorf("UDP answers %q", got)
	}
	if e := known["web"]; len(e.Ready) != 3 || e.DNS != "web.default.svc.cluster.local" || !strings.HasPrefix(e.Ports[0].Host[0], "127.0.0.1:") {
		t.Errorf("the registry says of web: %+v", e)
	}

	// All pods not ready: the address refuses; ready again: it serves.
	pods := i.Snapshot().PodsOf("web")
	each := func(f func(pod string)) {
		for _, p := range pods {
			f(p.Name)
		}
	}
	each(func(p string) { inPod(i, p, "touch", "/tmp/notready") })
	i.Until(harnessLimit, "no pod of web is ready", func(s *state) bool { w, _ := s.Workload("web"); return w.Ready == 0 })
	if out := inPod(i, "client", "/testpod", "dial", "web:80"); !strings.HasPrefix(out, "refused") {
		t.Errorf("without a ready pod: %s", out)
	}
	if _, err := http.Get(hostURL(t, i, "web", 80)); err == nil {
		t.Error("without a ready pod the host port answers")
	}
	each(func(p string) { inPod(i, p, "rm", "/tmp/notready") })
	i.Until(harnessLimit, "web is ready", func(s *state) bool { w, _ := s.Workload("web"); return w.Ready == 3 })

	host := hostAddress(t, i, "web", 80)
	i.Must("restart", "web")
	i.Must("down", "--quiet")
	i.Up("--wait")
	after := endpoints(t, i)
	for name, s := range known {
		if after[name].Address != s.Address {
			t.Errorf("service %s had address %s and has %s after a down and an up", name, s.Address, after[name].Address)
		}
	}
	if now := hostAddress(t, i, "web", 80); now != host {
		t.Errorf("the host port was %s and is %s", host, now)
	}
}

// talk sends a datagram and returns the answer.
func talk(t *testing.T, at string) string {
	t.Helper()
	c, err := net.Dial("udp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(3 * time.Second))
	buf := make([]byte, 100)
	if _, err = c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	n, err := c.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

// TestNetworkOutlivesItsMakers: names and addresses go on working without the supervisor, and the agent is soon back with
// the same ones, however it went.
func TestNetworkOutlivesItsMakers(t *testing.T) {
	t.Parallel()
	i := newNet(t, netNames)
	i.Up("--wait")
	known := endpoints(t, i)
	url := hostURL(t, i, "web", 80)
	eng := i.Engine()
	killed := 0 // the process that was killed last: the kernel forwards for it until its network namespace is gone
	works := func() bool {
		if pid := agentPID(i, eng); pid == 0 || pid == killed {
			return false
		}
		resp, err := http.Get(url)
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}
	inside := func() error {
		for _, cmd := range []string{"get http://web/", "get http://db-1.db:8080/", "dial " + known["web"].Address + ":80"} {
			if r := i.Run(append([]string{"exec", "client", "--", "/testpod"}, strings.Fields(cmd)...)...); r.Code != 0 || strings.Contains(r.Out, "refused") {
				return fmt.Errorf("%s: %s%s", cmd, r.Out, r.Err)
			}
		}
		return nil
	}
	back := func(how string) {
		t.Helper()
		took, ok := within(20*time.Second, works)
		t.Logf("FIGURE agent %s -> the host port answers again: %s", how, took.Round(time.Millisecond))
		if err := inside(); !ok || err != nil {
			t.Fatalf("agent %s: after %s works: %v, inside: %v", how, took, ok, err)
		}
		if took > 10*time.Second { // about one, on a machine with nothing else to do
			t.Errorf("agent %s: it took %s", how, took)
		}
		now := endpoints(t, i)
		for name, s := range known {
			if now[name].Address != s.Address {
				t.Errorf("agent %s: service %s had %s and has %s", how, name, s.Address, now[name].Address)
			}
		}
	}
	old := agentOf(t, i, eng)
	killed = old.PID
	if err := eng.KillContainer(context.Background(), old.ID, "SIGKILL"); err != nil {
		t.Fatal(err)
	}
	back("killed by docker kill")
	killed = agentOf(t, i, eng).PID
	if err := syscall.Kill(killed, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	back("killed as a process")
	killed = agentOf(t, i, eng).PID
	if err := eng.KillContainer(context.Background(), agentOf(t, i, eng).ID, "SIGKILL"); err != nil {
		t.Fatal(err)
	}
	if err := eng.RemoveContainer(context.Background(), agentOf(t, i, eng).ID); err != nil {
		t.Fatal(err)
	}
	back("removed")

	i.KillSupervisor()
	if err := inside(); err != nil || !works() {
		t.Errorf("without a supervisor: inside %v, host port %v", err, works())
	}
	killed = agentOf(t, i, eng).PID
	if err := syscall.Kill(killed, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if took, ok := within(10*time.Second, works); !ok {
		t.Error("without a supervisor the agent does not come back")
	} else {
		t.Logf("FIGURE agent killed, no supervisor -> the host port answers again: %s", took.Round(time.Millisecond))
	}
	if err := inside(); err != nil {
		t.Errorf("without a supervisor, agent restarted: %v", err)
	}
	before := containerIDs(i)
	i.Up("--wait")
	if now := containerIDs(i); len(before) == 0 || fmt.Sprint(now) != fmt.Sprint(before) {
		t.Errorf("adopted %v, there were %v", now, before)
	}
}

// containerIDs are the container IDs of all pods, also while no supervisor runs.
func containerIDs(i *harness.Instance) map[string]string {
	var pods []struct {
		Name       string
		Containers []struct{ Name, ID string }
	}
	i.JSON(&pods, "ps", "--json")
	out := map[string]string{}
	for _, p := range pods {
		for _, c := range p.Containers {
			out[p.Name+"/"+c.Name] = c.ID
		}
	}
	return out
}

// TestEndpointsWatch: `endpoints --watch` prints the registry again when it changes.
func TestEndpointsWatch(t *testing.T) {
	t.Parallel()
	i := newNet(t, netServices)
	i.Up("--wait")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	cmd := i.Command(ctx, "endpoints", "--json", "--watch")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { stop(); _ = cmd.Wait() }()
	lines := readRegistries(out)
	next := func(what string, ready int) {
		t.Helper()
		limit := time.After(harnessLimit)
		for {
			select {
			case r, ok := <-lines:
				if !ok {
					t.Fatalf("the watch ended before %s", what)
				}
				if s, _ := r.Lookup("web"); len(s.Ready) == ready {
					return
				}
			case <-limit:
				t.Fatalf("the watch does not show that %s", what)
			}
		}
	}
	next("all are ready", 3)
	pod := i.Snapshot().PodsOf("web")[0].Name
	inPod(i, pod, "touch", "/tmp/notready")
	next("one is not ready", 2)
	inPod(i, pod, "rm", "/tmp/notready")
	next("all are ready again", 3)
	i.UntilPod(harnessLimit, pod, "is ready", func(p *corev1.Pod) bool { return podReady(p) })
}
