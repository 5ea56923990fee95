package agent

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxFlows bounds the flows of one UDP front. Datagrams beyond it are dropped.
	maxFlows    = 1024
	maxDatagram = 65535
)

// udpFront forwards datagrams to a pool, with one flow per client address and port.
type udpFront struct {
	conn   *net.UDPConn
	admits func(client netip.Addr) bool
	pool   *pool
	idle   time.Duration
	count  *traffic

	mu    sync.Mutex
	flows map[netip.AddrPort]*udpFlow
}

// udpFlow forwards one client's datagrams to one target. It ends after the idle time, or when its target is no longer eligible.
type udpFlow struct {
	conn   *net.UDPConn
	target *target
	seen   atomic.Int64 // nanoseconds since the epoch
}

// Close ends the flow; the client's next datagram starts another.
func (f *udpFlow) Close() error { return f.conn.Close() }

func listenUDP(at netip.AddrPort) (*net.UDPConn, error) {
	return net.ListenUDP("udp4", net.UDPAddrFromAddrPort(at))
}

// Run forwards datagrams until the front is closed or ctx ends.
func (f *udpFront) Run(ctx context.Context) error {
	var flows sync.WaitGroup
	defer flows.Wait()
	defer f.closeFlows()
	stop := context.AfterFunc(ctx, func() { f.conn.Close() })
	defer stop()
	buf := make([]byte, maxDatagram)
	for {
		n, from, err := f.conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil || !f.admits(from.Addr()) {
			continue
		}
		flow, isNew := f.flow(from)
		if flow == nil {
			f.count.failed.Add(1)
			continue
		}
		if isNew {
			flows.Go(func() { f.back(flow, from) })
		}
		flow.seen.Store(now().UnixNano())
		if n, err := flow.conn.Write(buf[:n]); err == nil {
			f.count.bytes.Add(int64(n))
		}
	}
}

// Close stops the front and its flows.
func (f *udpFront) Close() error { return f.conn.Close() }

// flow returns the client's flow, or starts one. It returns nil if there is no endpoint or the limit of flows is reached.
func (f *udpFront) flow(from netip.AddrPort) (_ *udpFlow, isNew bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if flow := f.flows[from]; flow != nil {
		return flow, false
	}
	if len(f.flows) >= maxFlows {
		return nil, false
	}
	t := f.pool.pick(from.Addr().Unmap(), nil)
	if t == nil {
		return nil, false
	}
	conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(t.key.addr))
	if err != nil {
		f.pool.release(t)
		return nil, false
	}
	flow := &udpFlow{conn: conn, target: t}
	if !f.pool.hold(t, flow) {
		conn.Close()
		f.pool.release(t)
		return nil, false
	}
	f.flows[from] = flow
	f.count.conns.Add(1)
	f.count.open.Add(1)
	return flow, true
}

// back forwards the answers of one flow until it is closed, idle for too long, or refused by its target.
func (f *udpFront) back(flow *udpFlow, client netip.AddrPort) {
	defer f.end(flow, client)
	buf := make([]byte, maxDatagram)
	for {
		_ = flow.conn.SetReadDeadline(time.Unix(0, flow.seen.Load()).Add(f.idle))
		n, err := flow.conn.Read(buf)
		if err != nil {
			var timeout net.Error
			quiet := now().UnixNano() - flow.seen.Load()
			if errors.As(err, &timeout) && timeout.Timeout() && quiet < int64(f.idle) {
				continue
			}
			return
		}
		flow.seen.Store(now().UnixNano())
		if n, err := f.conn.WriteToUDPAddrPort(buf[:n], client); err == nil {
			f.count.bytes.Add(int64(n))
		}
	}
}

func (f *udpFront) end(flow *udpFlow, client netip.AddrPort) {
	f.mu.Lock()
	if f.flows[client] == flow {
		delete(f.flows, client)
	}
	f.mu.Unlock()
	flow.conn.Close()
	f.pool.drop(flow.target, flow)
	f.pool.release(flow.target)
	f.count.open.Add(-1)
}

func (f *udpFront) closeFlows() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, flow := range f.flows {
		flow.conn.Close()
	}
}
