package engine

import (
	"io"
	"net"
	"path/filepath"
	"sync"
	"testing"

	"github.com/docker/docker/client"
)

// proxy stands in front of the engine's socket, so that a test can cut the connections.
type proxy struct {
	path string
	mu   sync.Mutex
	open []net.Conn
}

func newProxy(t *testing.T, socket string) *proxy {
	t.Helper()
	p := &proxy{path: filepath.Join(t.TempDir(), "sock")}
	l, err := net.Listen("unix", p.path)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			down, err := l.Accept()
			if err != nil {
				return
			}
			up, err := net.Dial("unix", socket)
			if err != nil {
				_ = down.Close()
				continue
			}
			p.mu.Lock()
			p.open = append(p.open, down, up)
			p.mu.Unlock()
			wg.Go(func() { _, _ = io.Copy(up, down); _ = up.Close() })
			wg.Go(func() { _, _ = io.Copy(down, up); _ = down.Close() })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.now()
		wg.Wait()
	})
	return p
}

// now cuts every connection.
func (p *proxy) now() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.open {
		_ = c.Close()
	}
}

func clientAt(t *testing.T, host string) *client.Client {
	t.Helper()
	c, err := client.NewClientWithOpts(client.WithHost(host), client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	return c
}
