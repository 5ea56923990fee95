package network

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/lyandev/lyandev/supervisor/agent"
)

// directProbe is the timeout of the attempt to reach the agent at its container address.
const directProbe = 300 * time.Millisecond

// Dialer connects to addresses in the project's network: directly if the host has a route (a local engine on Linux), else
// through the agent. It determines that once. It is safe for concurrent use.
type Dialer struct {
	client  *agent.Client
	agentAt string
	net     net.Dialer

	mu     sync.Mutex
	known  bool
	direct bool
}

// NewDialer returns a Dialer for the agent behind client. agentAddress is the control API's host:port inside the project's
// network.
func NewDialer(client *agent.Client, agentAddress string) *Dialer {
	return &Dialer{client: client, agentAt: agentAddress}
}

// DialContext connects to addr. Its errors are those of net.Dialer in both cases.
func (d *Dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err == nil && net.ParseIP(host) != nil && d.Direct(ctx) {
		return d.net.DialContext(ctx, network, addr)
	}
	return d.client.DialContext(ctx, network, addr) // only the agent resolves names of the stack
}

// Direct reports whether the host can connect to the network directly. If that is not known yet, it compares the agent's
// instance ID at its container address with that at its published port, within 300 ms. Another server at that address is
// therefore not mistaken for the agent; it is never sent the token.
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
		return false // cancelled by the caller
	}
	d.known, d.direct = true, err == nil && inside.Instance == published.Instance
	return d.direct
}

// Forget makes the next dial check again. To be called after the engine or the agent was replaced.
func (d *Dialer) Forget() {
	d.mu.Lock()
	d.known = false
	d.mu.Unlock()
}
