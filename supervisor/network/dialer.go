package network

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/lyandev/lyandev/supervisor/agent"
)

// directProbe bounds the one try to reach the agent without going through the published port.
const directProbe = 300 * time.Millisecond

// Dialer reaches addresses in the project's network: directly where the host routes there (a local engine on Linux), else
// through the agent. It finds out once which it is. Its methods may be called at the same time.
type Dialer struct {
	client  *agent.Client
	agentAt string
	net     net.Dialer

	mu     sync.Mutex
	known  bool
	direct bool
}

// NewDialer is a Dialer for the agent behind client; agentAddress is the control API's address inside the project's
// network, host:port.
func NewDialer(client *agent.Client, agentAddress string) *Dialer {
	return &Dialer{client: client, agentAt: agentAddress}
}

// DialContext connects to addr. Its errors are those of net.Dialer on both ways.
func (d *Dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err == nil && net.ParseIP(host) != nil && d.Direct(ctx) {
		return d.net.DialContext(ctx, network, addr)
	}
	return d.client.DialContext(ctx, network, addr) // names of the stack are known to the agent only
}

// Direct says whether the host itself can connect into the network. It asks when it is not known yet: whether the agent at
// its inner address is the same (by its instance) as the one that Docker published. What another network has at that
// address is never taken for it, and is never sent the token.
func (d *Dialer) Direct(ctx context.Context) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known {
		return d.direct
	}
	published, err := d.client.Health(ctx)
	if err != nil {
		return false // not known: the agent may be starting
	}
	probe, cancel := context.WithTimeout(ctx, directProbe)
	defer cancel()
	inner := agent.NewClient(d.agentAt, "")
	defer inner.Close()
	inside, err := inner.Health(probe)
	if err != nil && ctx.Err() != nil {
		return false // the caller gave up, not the network
	}
	d.known, d.direct = true, err == nil && inside.Instance == published.Instance
	return d.direct
}

// Forget makes the next dial find out again, after the engine or the agent was replaced.
func (d *Dialer) Forget() {
	d.mu.Lock()
	d.known = false
	d.mu.Unlock()
}
