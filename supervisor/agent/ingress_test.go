package agent

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

const ingressPort = 18080

// webPod is a pod's HTTP server.
func webPod(t *testing.T, at netip.AddrPort, h http.HandlerFunc) {
	t.Helper()
	l, err := net.Listen("tcp4", at.String())
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
}

// ingressHarness serves "web" at a.test/ with pods that answer h, and "nobody" at a.test/nobody.
func ingressHarness(t *testing.T, h http.HandlerFunc, pods int, change ...func(*Table)) *harness {
	t.Helper()
	a := start(t)
	ready := make([]bool, 0, pods)
	for i := range pods {
		ready = append(ready, true)
		webPod(t, netip.AddrPortFrom(a.addr(byte(10+i)), 8000), h)
	}
	table := a.webTable(ready...)
	table.Services = append(table.Services, Service{
		Namespace: "default", Name: "nobody", VIP: a.addr(101), Ports: []ServicePort{{Protocol: TCP, Port: 80}},
	})
	table.HostPorts = []HostPort{{Port: ingressPort, Protocol: TCP, Ingress: true}}
	table.Ingress = []IngressRule{
		{Host: "a.test", Path: "/", PathType: "Prefix", Namespace: "default", Service: "web", ServicePort: 80},
		{Host: "a.test", Path: "/nobody", PathType: "Prefix", Namespace: "default", Service: "nobody", ServicePort: 80},
	}
	for _, c := range change {
		c(table)
	}
	a.push(table)
	return a
}

func (h *harness) request(method, path, body string) *http.Request {
	req, err := http.NewRequest(method, "http://"+h.cfg.listenAddress(ingressPort)+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Host = "a.test"
	return req
}

func (h *harness) fetch(req *http.Request) (int, string) {
	h.t.Helper()
	resp, err := h.client.http.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestIngressPassesTheRequestOn(t *testing.T) {
	h := ingressHarness(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprint(w, r.Method, " ", r.Host, r.RequestURI, " ", string(body), " for=", r.Header.Get("X-Forwarded-For"),
			" host=", r.Header.Get("X-Forwarded-Host"), " proto=", r.Header.Get("X-Forwarded-Proto"))
	}, 1)
	req := h.request("POST", "/x/%2F?q=1;2", "hello")
	req.Header.Set("X-Forwarded-For", "6.6.6.6")
	status, got := h.fetch(req)
	if want := "POST a.test/x/%2F?q=1;2 hello for=127.0.0.1 host=a.test proto=http"; status != 200 || got != want {
		t.Errorf("got  %d %s\nwant %s", status, got, want)
	}
}

func TestIngressErrors(t *testing.T) {
	h := ingressHarness(t, func(http.ResponseWriter, *http.Request) {}, 1)
	if status, body := h.fetch(h.request("GET", "/nobody", "")); status != 503 || !strings.Contains(body, "nobody has no ready endpoint") {
		t.Errorf("no endpoint: %d %s", status, body)
	}
	req := h.request("GET", "/", "")
	req.Host = "b.test"
	if status, body := h.fetch(req); status != 404 || !strings.Contains(body, "b.test/") {
		t.Errorf("no rule: %d %s", status, body)
	}
	table := h.webTable(true)
	table.Pods[0].Address = h.addr(99) // nothing listens there
	table.HostPorts = []HostPort{{Port: ingressPort, Protocol: TCP, Ingress: true}}
	table.Ingress = []IngressRule{{Namespace: "default", Service: "web", ServicePort: 80}}
	h.push(table)
	if status, body := h.fetch(h.request("GET", "/", "")); status != 502 || !strings.Contains(body, "connection refused") {
		t.Errorf("no connection: %d %s", status, body)
	}
}

func TestIngressTriesAnotherEndpoint(t *testing.T) {
	h := ingressHarness(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }, 1, func(table *Table) {
		table.Pods = append(table.Pods, Pod{Name: "dead", Address: netip.MustParseAddr("127.99.99.99"), Ready: true})
		table.Services[0].Subsets[0].Pods = []int{1, 0}
	})
	for range 4 {
		if status, body := h.fetch(h.request("POST", "/", "the whole body")); status != 200 || body != "the whole body" {
			t.Errorf("%d %s", status, body)
		}
	}
}

func TestIngressBalances(t *testing.T) {
	h := ingressHarness(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Context().Value(http.LocalAddrContextKey))
	}, 2)
	seen := map[string]int{}
	for range 10 {
		_, body := h.fetch(h.request("GET", "/", ""))
		seen[body]++
	}
	if len(seen) != 2 {
		t.Errorf("reached %v", seen)
	}
	h.eventually("requests to be counted as ended", func() bool {
		s, err := h.client.Stats(context.Background())
		if err != nil {
			return false
		}
		sum := 0
		for _, p := range s.Ports {
			for _, n := range p.Active {
				sum += n
			}
		}
		return sum == 0
	})
}

func TestIngressStreams(t *testing.T) {
	next := make(chan struct{})
	h := ingressHarness(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "first")
		w.(http.Flusher).Flush()
		<-next
		fmt.Fprintln(w, "second")
	}, 1)
	resp, err := h.client.http.Do(h.request("GET", "/", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	in := bufio.NewReader(resp.Body)
	if s, err := in.ReadString('\n'); s != "first\n" {
		t.Errorf("%q, %v", s, err)
	}
	close(next)
	if s, err := in.ReadString('\n'); s != "second\n" {
		t.Errorf("%q, %v", s, err)
	}
}

func TestIngressUpgrades(t *testing.T) {
	h := ingressHarness(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "websocket" {
			t.Errorf("headers %v", r.Header)
		}
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		fmt.Fprint(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_, _ = io.Copy(c, c)
	}, 1)
	c := h.dial(h.cfg.listenAddress(ingressPort))
	fmt.Fprint(c, "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	in := bufio.NewReader(c)
	resp, err := http.ReadResponse(in, nil)
	if err != nil || resp.StatusCode != 101 {
		t.Fatalf("%v %v", resp, err)
	}
	fmt.Fprintln(c, "ping")
	if s, err := in.ReadString('\n'); s != "ping\n" {
		t.Errorf("%q, %v", s, err)
	}
	h.stop() // ends it
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := in.ReadByte(); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("read: %v", err)
	}
}
