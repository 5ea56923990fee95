package agent

import (
	"context"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"
)

func TestOutletAdmits(t *testing.T) {
	o := outlet{
		addr: netip.MustParseAddr("172.20.0.3"), subnet: netip.MustParsePrefix("172.20.0.0/16"), gateway: netip.MustParseAddr("172.20.0.1"),
	}
	for client, want := range map[string]bool{
		"172.20.0.1": true, "::ffff:172.20.0.1": true, "192.0.2.7": true, "172.20.0.9": false, "::ffff:172.20.0.9": false, "172.20.0.3": false,
	} {
		if got := o.admits(netip.MustParseAddr(client)); got != want {
			t.Errorf("%s: %v", client, got)
		}
	}
}

// Docker publishes the agent's ports in another network now: host ports and the control API are served at the address there,
// for the host and not for the containers of that network.
func TestOutletIsServed(t *testing.T) {
	moves := make(chan outlet)
	h := start(t, func(c *Config) {
		c.follow = func(ctx context.Context, _ netip.Addr, use func(outlet)) error {
			for {
				select {
				case <-ctx.Done():
					return nil
				case o := <-moves:
					use(o)
				}
			}
		}
	})
	back := netip.AddrPortFrom(h.addr(20), 8000)
	backend(t, "hello", back)
	port := freePort(t)
	h.push(&Table{
		Pods: []Pod{{Name: "a", Address: back.Addr(), Ready: true}},
		Services: []Service{{
			Namespace: "default", Name: "s", Ports: []ServicePort{{Protocol: TCP, Port: 80}},
			Subsets: []Subset{{Pods: Indexes{0}, Ports: []uint16{back.Port()}}},
		}},
		HostPorts: []HostPort{{Port: port, Protocol: TCP, Namespace: "default", Service: "s", ServicePort: 80}},
	})
	other := h.addr(50)
	served := func(from netip.Addr, port uint16) bool {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from.AsSlice()}, Timeout: time.Second}
		c, err := d.Dial("tcp4", netip.AddrPortFrom(other, port).String())
		if err != nil {
			return false
		}
		defer c.Close()
		if port == h.cfg.controlPort {
			_, _ = io.WriteString(c, "GET /healthz HTTP/1.0\r\n\r\n")
		}
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		n, _ := c.Read(make([]byte, 1))
		return n > 0
	}
	gateway := h.addr(49)
	moves <- outlet{addr: other, subnet: netip.PrefixFrom(other, 24).Masked(), gateway: gateway}
	h.eventually("the outlet", func() bool { return served(gateway, port) && served(gateway, h.cfg.controlPort) })
	if served(h.addr(60), port) || served(h.addr(60), h.cfg.controlPort) {
		t.Error("a container of the other network is served")
	}
	moves <- outlet{}
	h.eventually("the outlet to end", func() bool { return !served(gateway, port) && !served(gateway, h.cfg.controlPort) })
	if _, err := h.client.Health(context.Background()); err != nil {
		t.Errorf("the agent's own address: %v", err)
	}
}
