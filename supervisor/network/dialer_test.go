package network

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lyandev/lyandev/supervisor/agent"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// someAgent is a server that has the health of an agent, and refuses to dial; connects counts how often it was asked to.
func someAgent(t *testing.T, instance string) (addr string, connects *atomic.Int64) {
	t.Helper()
	connects = new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodConnect {
			connects.Add(1)
			http.Error(w, "not today", http.StatusBadGateway)
			return
		}
		if instance == "" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprintf(w, `{"version":"v1","instance":%q,"table":1}`, instance)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://"), connects
}

func TestDialerGoesDirectlyWhereItCan(t *testing.T) {
	target, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	published, connects := someAgent(t, "one")
	stranger, _ := someAgent(t, "another")
	web, _ := someAgent(t, "")
	gone, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	for name, c := range map[string]struct {
		inner  string
		direct bool
	}{
		"the same agent":     {published, true},
		"another agent":      {stranger, false},
		"some other server":  {web, false},
		"nothing":            {gone.Addr().String(), false},
		"not even a network": {"192.0.2.1:1", false},
	} {
		t.Run(name, func(t *testing.T) {
			connects.Store(0)
			client := agent.NewClient(published, "token")
			defer client.Close()
			d := NewDialer(client, c.inner)
			for range 2 {
				conn, err := d.DialContext(context.Background(), "tcp", target.Addr().String())
				if (err == nil) != c.direct {
					t.Errorf("dial: %v", err)
				}
				if err == nil {
					conn.Close()
				}
			}
			if _, err := d.DialContext(context.Background(), "tcp", "web:80"); err == nil {
				t.Error("a name was dialled directly")
			}
			want := int64(3)
			if c.direct {
				want = 1
			}
			if got := connects.Load(); got != want {
				t.Errorf("%d dials through the agent, want %d", got, want)
			}
		})
	}
}

func TestDialerAsksAgainWhenItDoesNotKnow(t *testing.T) {
	gone, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	client := agent.NewClient(gone.Addr().String(), "token")
	defer client.Close()
	d := NewDialer(client, gone.Addr().String())
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if d.Direct(ctx) || d.known {
		t.Error("decided without an agent")
	}
	published, _ := someAgent(t, "one")
	other := agent.NewClient(published, "token")
	defer other.Close()
	d = NewDialer(other, published)
	if !d.Direct(ctx) || !d.known {
		t.Error("not direct")
	}
	d.Forget()
	if d.known {
		t.Error("not forgotten")
	}
}
