package loopback_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/loopback"
)

// upper is a server that answers a whole stream in capitals once it has ended.
func upper(t *testing.T) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer c.Close()
				b, _ := io.ReadAll(c)
				_, _ = c.Write(bytes.ToUpper(b))
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); conns.Wait() })
	return l.Addr().String()
}

// unused is a port of the loopback that nobody listens on.
func unused(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// serve runs Serve until the test ends; what it logs is in the buffer after that.
func serve(t *testing.T, ports services.Localhost) (stop func() string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var log bytes.Buffer
	done := make(chan error, 1)
	go func() { done <- loopback.Serve(ctx, ports, slog.New(slog.NewTextHandler(&log, nil))) }()
	end := sync.OnceValue(func() string {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("ended with %v", err)
		}
		return log.String()
	})
	t.Cleanup(func() { end() })
	return end
}

// dial connects as soon as somebody listens.
func dial(t *testing.T, host string, port int) *net.TCPConn {
	t.Helper()
	for t.Context().Err() == nil {
		c, err := net.DialTCP("tcp", nil, &net.TCPAddr{IP: net.ParseIP(host), Port: port})
		if err == nil {
			t.Cleanup(func() { _ = c.Close() })
			return c
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatal(err)
		}
	}
	t.Fatal("nobody listens")
	return nil
}

func TestForwardsBothWays(t *testing.T) {
	port := unused(t)
	serve(t, services.Localhost{port: upper(t)})
	sent := make([]byte, 1<<20)
	_, _ = rand.Read(sent)
	var clients sync.WaitGroup
	for range 20 {
		c := dial(t, "127.0.0.1", port)
		clients.Go(func() {
			if _, err := c.Write(sent); err != nil {
				t.Error(err)
			}
			_ = c.CloseWrite()
			if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, bytes.ToUpper(sent)) {
				t.Errorf("read %d bytes, error %v", len(got), err)
			}
		})
	}
	clients.Wait()
}

// TestUnreachable: the client is told at once, and the log says where the port leads to.
func TestUnreachable(t *testing.T) {
	port, nobody := unused(t), unused(t)
	to := (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: nobody}).String()
	stop := serve(t, services.Localhost{port: to})
	if _, err := io.ReadAll(dial(t, "127.0.0.1", port)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client sees %v", err)
	}
	if log := stop(); !strings.Contains(log, "to="+to) || !strings.Contains(log, "connection refused") {
		t.Errorf("log %s", log)
	}
}

// TestEnd: the end of Serve resets open connections.
func TestEnd(t *testing.T) {
	port := unused(t)
	stop := serve(t, services.Localhost{port: upper(t)})
	c := dial(t, "127.0.0.1", port)
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	stop()
	if _, err := io.ReadAll(c); err == nil {
		t.Error("the connection ended as if it were complete")
	}
}

func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	err = loopback.Serve(t.Context(), services.Localhost{port: "redis:6379"}, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "to redis:6379: listen tcp 127.0.0.1:") || !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("error %v", err)
	}
}
