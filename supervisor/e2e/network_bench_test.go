package e2e_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
)

const netBench = `
x-lyandev: {semantics: kubernetes}
services:
  web:
    image: lyandev-e2e/testpod:dev
    build: {context: image, dockerfile_inline: "FROM debian:trixie-slim\nCOPY testpod /testpod\nCMD [\"/testpod\", \"serve\"]\n"}
    ports: ["9001", "9002"]
    stop_grace_period: 1s
    x-lyandev:
      kind: Deployment
      service: {ports: [{name: echo, port: 1, targetPort: 9001}, {name: source, port: 2, targetPort: 9002}]}
`

// way is one way to the same server: where its echo and its source answer.
type way struct{ name, echo, source string }

// BenchmarkNetwork compares the ways to one server in a container: its own address, its service address, its host port
// (Docker's proxy, then the agent), and, as the peer, a port that Docker's own userland proxy publishes without an agent.
func BenchmarkNetwork(b *testing.B) {
	i := newNet(b, netBench)
	i.Up("--wait")
	web := endpoints(b, i)["web"]
	proxied := dockerProxied(b, i.Name, i.Engine())
	for _, w := range []way{
		{"direct", web.Ready[0].Address + ":9001", web.Ready[0].Address + ":9002"},
		{"service", web.Address + ":1", web.Address + ":2"},
		{"hostport", hostAddress(b, i, "web", 1), hostAddress(b, i, "web", 2)},
		proxied,
	} {
		b.Run("throughput/"+w.name, func(b *testing.B) { throughput(b, w.source) })
		b.Run("roundtrip/"+w.name, func(b *testing.B) { roundtrip(b, w.echo) })
		b.Run("connect/"+w.name, func(b *testing.B) { connect(b, w.echo) })
	}
}

// dockerProxied starts the same server in a container of its own with published ports.
func dockerProxied(b *testing.B, project string, eng engine.Engine) way {
	b.Helper()
	ctx, ip := context.WithoutCancel(b.Context()), netip.MustParseAddr("127.0.0.1")
	id, err := eng.CreateContainer(ctx, engine.ContainerSpec{
		Name: project + "-proxied", Image: "lyandev-e2e/testpod:dev", Network: "bridge", Labels: map[string]string{services.ProjectLabel + ".bench": project},
		Publish: []engine.PortBinding{{HostIP: ip, ContainerPort: 9001}, {HostIP: ip, ContainerPort: 9002}},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = eng.RemoveContainer(ctx, id) })
	if err := eng.StartContainer(ctx, id); err != nil {
		b.Fatal(err)
	}
	c, err := eng.InspectContainer(ctx, id)
	if err != nil {
		b.Fatal(err)
	}
	w := way{name: "docker-proxy"}
	for _, p := range c.Ports {
		at := net.JoinHostPort("127.0.0.1", strconv.Itoa(int(p.HostPort)))
		if p.ContainerPort == 9001 {
			w.echo = at
		} else if p.ContainerPort == 9002 {
			w.source = at
		}
	}
	return w
}

func dialTo(b *testing.B, at string) net.Conn {
	b.Helper()
	c, err := net.Dial("tcp", at)
	if err != nil {
		b.Fatal(err)
	}
	return c
}

// throughput receives a mebibyte an operation.
func throughput(b *testing.B, at string) {
	const size = 1 << 20
	b.SetBytes(size)
	c := dialTo(b, at)
	defer c.Close()
	buf := make([]byte, size)
	for b.Loop() {
		if err := binary.Write(c, binary.BigEndian, uint64(size)); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, buf); err != nil {
			b.Fatal(err)
		}
	}
}

// roundtrip sends 64 bytes and waits for them to come back, on one connection.
func roundtrip(b *testing.B, at string) {
	c := dialTo(b, at)
	defer c.Close()
	exchange(b, c)
	for b.Loop() {
		exchange(b, c)
	}
}

// connect makes a new connection an operation, with one exchange on it.
func connect(b *testing.B, at string) {
	for b.Loop() {
		c := dialTo(b, at)
		exchange(b, c)
		_ = c.(*net.TCPConn).SetLinger(0) // no TIME_WAIT: the ports would run out
		_ = c.Close()
	}
}

var message = []byte(strings.Repeat("x", 64))

func exchange(b *testing.B, c net.Conn) {
	b.Helper()
	var buf [64]byte
	if _, err := c.Write(message); err != nil {
		b.Fatal(err)
	}
	if _, err := io.ReadFull(c, buf[:]); err != nil {
		b.Fatal(err)
	}
}
