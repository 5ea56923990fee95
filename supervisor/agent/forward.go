package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/miekg/dns"
)

const (
	// forwardTimeout bounds one forwarded query with all its attempts.
	forwardTimeout = 2 * time.Second
	// hedge is how long to wait for one resolver before the next is asked as well.
	hedge = 250 * time.Millisecond
	// maxForwards bounds the concurrent forwarded queries.
	maxForwards = 256
)

// forwarder asks resolvers outside the cluster.
type forwarder struct {
	upstreams []string // host:port
	slots     chan struct{}
}

// newForwarder returns a forwarder for resolvers given as host or host:port, or for those of /etc/resolv.conf without any.
func newForwarder(upstreams []string) *forwarder {
	f := &forwarder{slots: make(chan struct{}, maxForwards)}
	if len(upstreams) == 0 {
		if conf, err := dns.ClientConfigFromFile("/etc/resolv.conf"); err == nil {
			upstreams = conf.Servers
		}
	}
	for _, u := range upstreams {
		if _, _, err := net.SplitHostPort(u); err != nil {
			u = net.JoinHostPort(u, "53")
		}
		f.upstreams = append(f.upstreams, u)
	}
	return f
}

type exchanged struct {
	msg *dns.Msg
	err error
}

// exchange asks the resolvers in order, the next one as soon as one fails or is slow, and returns the first answer that is
// neither SERVFAIL nor REFUSED.
func (f *forwarder) exchange(ctx context.Context, req *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, forwardTimeout)
	defer cancel()
	select {
	case f.slots <- struct{}{}:
		defer func() { <-f.slots }()
	case <-ctx.Done():
		return nil, fmt.Errorf("cannot forward: %d queries are already in progress", maxForwards)
	}
	results := make(chan exchanged, len(f.upstreams))
	next, waiting := 0, 0
	ask := func() {
		if next < len(f.upstreams) {
			to := f.upstreams[next]
			next++
			waiting++
			go func() {
				msg, err := exchangeOne(ctx, req.Copy(), to)
				results <- exchanged{msg, err}
			}()
		}
	}
	ask()
	tick := time.NewTicker(hedge)
	defer tick.Stop()
	errs := []error{errors.New("cannot forward: no resolver answered")}
	for waiting > 0 {
		select {
		case res := <-results:
			waiting--
			if res.err == nil {
				return res.msg, nil
			}
			errs = append(errs, res.err)
			ask()
		case <-tick.C:
			ask()
		}
	}
	return nil, errors.Join(errs...)
}

// exchangeOne asks one resolver by UDP, and by TCP if the answer does not fit.
func exchangeOne(ctx context.Context, req *dns.Msg, to string) (*dns.Msg, error) {
	req.Id = dns.Id()
	deadline, _ := ctx.Deadline()
	client := &dns.Client{Net: "udp", Timeout: time.Until(deadline), UDPSize: ednsSize}
	msg, _, err := client.ExchangeContext(ctx, req, to)
	if err == nil && msg.Truncated {
		client.Net = "tcp"
		if whole, _, tcpErr := client.ExchangeContext(ctx, req, to); tcpErr == nil {
			msg = whole
		}
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("resolver %s: %w", to, err)
	case msg.Rcode == dns.RcodeServerFailure || msg.Rcode == dns.RcodeRefused:
		return nil, fmt.Errorf("resolver %s: %s", to, dns.RcodeToString[msg.Rcode])
	}
	return msg, nil
}
