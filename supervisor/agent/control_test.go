package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestControlNeedsTheToken(t *testing.T) {
	h := start(t)
	base := "http://" + h.cfg.listenAddress(h.cfg.controlPort)
	status := func(method, path, header, value string) int {
		req, _ := http.NewRequest(method, base+path, nil)
		if header != "" {
			req.Header.Set(header, value)
		}
		resp, err := h.client.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		return resp.StatusCode
	}
	for _, c := range []struct {
		method, path, header, value string
		want                        int
	}{
		{"GET", "/healthz", "", "", 200},
		{"GET", "/table", "", "", 401},
		{"PUT", "/table", "", "", 401},
		{"GET", "/stats", "Authorization", "Bearer wrong", 401},
		{"GET", "/stats", "Authorization", testToken, 401},
		{"GET", "/stats", "Authorization", "Bearer " + testToken, 200},
		{"PUT", "/table", "Authorization", "Bearer " + testToken, 400},
		{"DELETE", "/table", "Authorization", "Bearer " + testToken, 405},
		{"GET", "/", "Authorization", "Bearer " + testToken, 404},
	} {
		if got := status(c.method, c.path, c.header, c.value); got != c.want {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, got, c.want)
		}
	}
	stranger := NewClient(h.client.address, "not the token at all")
	defer stranger.Close()
	if _, err := stranger.DialContext(context.Background(), "tcp", h.vip()); err == nil || !strings.Contains(err.Error(), "407") {
		t.Errorf("dial: %v", err)
	}
}

func TestControlRefusesALargeBody(t *testing.T) {
	h := start(t)
	err := h.client.do(context.Background(), http.MethodPut, "/table", make([]byte, MaxTableBytes+1), nil)
	if err == nil || !strings.Contains(err.Error(), "413") {
		t.Errorf("push: %v", err)
	}
}

func TestDialThroughTheAgent(t *testing.T) {
	h := start(t)
	h.backends(1)
	h.push(h.webTable(true))
	for _, addr := range []string{h.addr(10).String() + ":8000", h.vip(), "web:80", "web.default.svc.cluster.local:80"} {
		c, err := h.client.DialContext(context.Background(), "tcp", addr)
		if err != nil {
			t.Fatalf("%s: %v", addr, err)
		}
		fmt.Fprint(c, "hello ")
		if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Error(err)
		}
		got, err := io.ReadAll(c)
		if string(got) != "web-0\nhello bye\n" || err != nil {
			t.Errorf("%s: %q, %v", addr, got, err)
		}
		c.Close()
	}
}

func TestDialErrorsAreThoseOfADialer(t *testing.T) {
	h := start(t)
	refused := h.addr(99).String() + ":9"
	_, direct := net.Dial("tcp", refused)
	_, through := h.client.DialContext(context.Background(), "tcp", refused)
	if !errors.Is(through, syscall.ECONNREFUSED) || through.Error() != direct.Error() {
		t.Errorf("direct  %v\nthrough %v", direct, through)
	}
	var op *net.OpError
	if !errors.As(through, &op) || op.Op != "dial" || op.Timeout() {
		t.Errorf("%#v", through)
	}
	_, err := h.client.DialContext(context.Background(), "tcp", "192.0.2.1:80")
	if !errors.Is(err, ErrForbidden) {
		t.Errorf("outside: %v", err)
	}
	_, err = h.client.DialContext(context.Background(), "tcp", "nobody:80")
	var name *net.DNSError
	if !errors.As(err, &name) || !name.IsNotFound {
		t.Errorf("unknown name: %v", err)
	}
	for _, addr := range []string{"web", "127.0.0.1:0", "127.0.0.1:x", "127.0.0.1:99999", "a b:80", "127.0.0.1:80\r\nX: y"} {
		if c, err := h.client.DialContext(context.Background(), "tcp", addr); err == nil {
			c.Close()
			t.Errorf("%q was dialled", addr)
		}
	}
	if _, err := h.client.DialContext(context.Background(), "udp", refused); err == nil {
		t.Error("dialled UDP")
	}
}

// fullListener accepts nothing and has no room left: connections to it are never answered.
func fullListener(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprint("127.0.0.1:", name.(*syscall.SockaddrInet4).Port)
	for range 4 {
		if c, err := net.DialTimeout("tcp", addr, 50*time.Millisecond); err == nil {
			t.Cleanup(func() { c.Close() })
		}
	}
	return addr
}

func TestDialHonoursTheDeadline(t *testing.T) {
	h := start(t)
	silent := fullListener(t)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	before := time.Now()
	_, err := h.client.DialContext(ctx, "tcp", silent)
	var ne net.Error
	if !errors.As(err, &ne) || !ne.Timeout() || time.Since(before) > 10*time.Second {
		t.Errorf("after %v: %v", time.Since(before), err)
	}
	if want := "dial tcp " + silent + ": i/o timeout"; err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	ctx, cancel = context.WithCancel(context.Background())
	time.AfterFunc(30*time.Millisecond, cancel)
	if _, err := h.client.DialContext(ctx, "tcp", silent); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestConnectionOutlivesTheDialContext(t *testing.T) {
	h := start(t)
	h.backends(1)
	ctx, cancel := context.WithCancel(context.Background())
	c, err := h.client.DialContext(ctx, "tcp", h.addr(10).String()+":8000")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	cancel()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if got := line(t, c); got != "web-0" {
		t.Errorf("got %q", got)
	}
}

func TestConfigRoundTrip(t *testing.T) {
	want := Config{
		Version: "v1", Token: testToken, TokenFile: filepath.Join(t.TempDir(), "token"), Subnet: netip.MustParsePrefix("10.201.0.0/22"), Address: netip.MustParseAddr("10.201.0.2"),
		Upstreams: []string{"192.0.2.1", "192.0.2.2:5353"}, Drain: time.Minute, UDPIdle: time.Second, StateFile: "/x",
	}
	if err := os.WriteFile(want.TokenFile, []byte(testToken), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{}
	for _, e := range want.Env() {
		if strings.Contains(e, testToken) {
			t.Errorf("the token is in the environment: %s", e)
		}
		k, v, _ := strings.Cut(e, "=")
		env[k] = v
	}
	got, err := ConfigFromEnv(func(k string) string { return env[k] })
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := ConfigFromEnv(func(string) string { return "" }); err == nil || !strings.Contains(err.Error(), envAddress) || !strings.Contains(err.Error(), TokenFile) {
		t.Errorf("error %v", err)
	}
}

func TestConfigRefused(t *testing.T) {
	good := Config{Token: testToken, Subnet: netip.MustParsePrefix("10.201.0.0/22"), Address: netip.MustParseAddr("10.201.0.2")}
	for name, change := range map[string]func(*Config){
		"short token": func(c *Config) { c.Token = "x" },
		"no subnet":   func(c *Config) { c.Subnet = netip.Prefix{} },
		"outside":     func(c *Config) { c.Address = netip.MustParseAddr("10.1.0.2") },
	} {
		c := good
		change(&c)
		if err := Run(context.Background(), c); err == nil {
			t.Errorf("%s: started", name)
		}
	}
}
