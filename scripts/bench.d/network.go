//go:build unix

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const networkFile = `x-lyandev: {semantics: kubernetes}
services:
  web:
    image: %s
    ports: ["127.0.0.1::9001", "127.0.0.1::9002"]
    stop_grace_period: 1s
    x-lyandev:
      kind: Deployment
      service: {ports: [{name: echo, port: 1, targetPort: 9001}, {name: source, port: 2, targetPort: 9002}]}
`

// The ports of the test pod: what it receives comes back; a source sends as many bytes as a number of eight bytes asks for.
const echoPort, sourcePort = "9001", "9002"

const (
	serverImage = "lyandev-bench/server:latest"
	nftImage    = "lyandev-bench/nftables:latest"
)

// way is one way to the same server: where its echo and its source answer.
type way struct{ name, echo, source string }

// measureNetwork compares the ways to a server in a container: its own address, its service address, its host port, and as peers a port
// that Docker's userland proxy publishes, and a container in the same network whose kernel forwards by nftables.
func measureNetwork(ctx context.Context, b *bench) error {
	if err := b.buildServer(ctx); err != nil {
		return err
	}
	s, err := b.written("net", map[string]string{"compose.yaml": fmt.Sprintf(networkFile, serverImage)})
	if err != nil {
		return err
	}
	if _, err := s.lyandev(ctx, "up", "-d", "--wait", "--quiet"); err != nil {
		return err
	}
	ways, pod, err := s.ways(ctx)
	if err != nil {
		return err
	}
	if w, err := b.proxied(ctx); err != nil {
		b.noPeer(err, "net/proxy-throughput", "port/throughput", "port/connect")
	} else {
		ways = append(ways, w)
	}
	if w, err := b.forwarded(ctx, s.name, pod); err != nil {
		b.noPeer(err, "net/throughput", "net/added", "net/kernel-connect")
	} else {
		ways = append(ways, w)
	}
	for range b.runs {
		round := map[string]speed{}
		for _, w := range ways {
			if round[w.name], err = w.measure(ctx); err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
		}
		b.addRound(round)
	}
	return nil
}

// speed is what one way gave: MB/s, and microseconds for a round trip and for a connection with one exchange.
type speed struct{ throughput, roundTrip, connect float64 }

// addRound adds what a round gave to the rows.
func (b *bench) addRound(round map[string]speed) {
	at, service, host := round[direct], round["service"], round["host"]
	for _, key := range []string{"net/throughput", "net/proxy-throughput", "net/direct-throughput"} {
		b.ours(key, service.throughput)
	}
	b.ours("net/added", service.roundTrip-at.roundTrip)
	b.ours("net/connect", service.connect)
	b.ours("net/kernel-connect", service.connect)
	b.ours("port/throughput", host.throughput)
	b.ours("port/connect", host.connect)
	b.theirs("net/direct-throughput", at.throughput)
	b.theirs("net/connect", at.connect)
	if k, ok := round[kernel]; ok {
		b.theirs("net/throughput", k.throughput)
		b.theirs("net/added", k.roundTrip-at.roundTrip)
		b.theirs("net/kernel-connect", k.connect)
	}
	if p, ok := round[proxy]; ok {
		b.theirs("net/proxy-throughput", p.throughput)
		b.theirs("port/throughput", p.throughput)
		b.theirs("port/connect", p.connect)
		b.ours("port/added", host.roundTrip-p.roundTrip)
	}
}

// buildServer builds the image of the server, the end-to-end tests' pod.
func (b *bench) buildServer(ctx context.Context) error {
	dir := filepath.Join(b.tmp, "server")
	if err := writeFiles(dir, map[string]string{"Dockerfile": "FROM scratch\nCOPY testpod /testpod\nCMD [\"/testpod\", \"serve\"]\n"}); err != nil {
		return err
	}
	binary := filepath.Join(dir, "testpod")
	if _, err := b.command(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", binary, "./supervisor/e2e/testpod"); err != nil {
		return err
	}
	return b.build(ctx, serverImage, dir)
}

// build builds an image with the engine's classic builder.
func (b *bench) build(ctx context.Context, tag, dir string) error {
	_, err := b.run(ctx, cmd{dir: dir, env: b.env("DOCKER_BUILDKIT=0"), argv: []string{"docker", "build", "-q", "-t", tag, "."}})
	return err
}

// ways are the ways to the server that lyandev makes, and the direct one; pod is the server's address.
func (s *stack) ways(ctx context.Context) (ways []way, pod string, err error) {
	var registry struct {
		Services []struct {
			Name    string `json:"name"`
			Address string `json:"address"`
			Ports   []struct {
				Port int      `json:"port"`
				Host []string `json:"host"`
			} `json:"ports"`
			Ready []struct {
				Address string `json:"address"`
			} `json:"ready"`
		} `json:"services"`
	}
	if err := s.json(ctx, &registry, "endpoints", "--json"); err != nil {
		return nil, "", err
	}
	for _, svc := range registry.Services {
		if svc.Name != "web" || len(svc.Ready) != 1 {
			continue
		}
		pod = svc.Ready[0].Address
		host := map[int]string{}
		for _, p := range svc.Ports {
			if len(p.Host) > 0 {
				host[p.Port] = p.Host[0]
			}
		}
		return []way{
			{direct, net.JoinHostPort(pod, echoPort), net.JoinHostPort(pod, sourcePort)},
			{"service", net.JoinHostPort(svc.Address, "1"), net.JoinHostPort(svc.Address, "2")},
			{"host", host[1], host[2]},
		}, pod, nil
	}
	return nil, "", errors.New("the service web has no ready endpoint")
}

// container runs a container that is removed at the end of the program.
func (b *bench) container(ctx context.Context, name string, args ...string) error {
	b.onEnd(func(ctx context.Context) { _, _ = b.command(ctx, "docker", "rm", "-f", name) })
	_, err := b.command(ctx, append([]string{"docker", "run", "-d", "--name", name}, args...)...)
	return err
}

// proxied runs the same server with ports that Docker's proxy publishes.
func (b *bench) proxied(ctx context.Context) (way, error) {
	name := b.name + "-proxied"
	if err := b.container(ctx, name, "-p", "127.0.0.1::"+echoPort, "-p", "127.0.0.1::"+sourcePort, serverImage); err != nil {
		return way{}, err
	}
	w := way{name: proxy}
	for port, at := range map[string]*string{echoPort: &w.echo, sourcePort: &w.source} {
		out, err := b.command(ctx, "docker", "port", name, port)
		if err != nil {
			return way{}, err
		}
		*at = strings.TrimSpace(out)
	}
	return w, nil
}

// forwarded runs a container beside the pod whose kernel forwards to the pod, with masquerade, as the client is in the same subnet.
func (b *bench) forwarded(ctx context.Context, project, pod string) (way, error) {
	if _, err := b.command(ctx, "docker", "image", "inspect", nftImage); err != nil {
		dir := filepath.Join(b.tmp, "nftables")
		dockerfile := "FROM debian:trixie-slim\nRUN apt-get update && apt-get install -y --no-install-recommends nftables && rm -rf /var/lib/apt/lists/*\n"
		if err := writeFiles(dir, map[string]string{"Dockerfile": dockerfile}); err != nil {
			return way{}, err
		}
		if err := b.build(ctx, nftImage, dir); err != nil {
			return way{}, fmt.Errorf("cannot build an image with nft: %w", err)
		}
	}
	networks, err := b.command(ctx, "docker", "network", "ls", "--format", "{{.Name}}", "--filter", "name="+project)
	if err != nil {
		return way{}, err
	}
	rules := fmt.Sprintf(`table ip bench {
  chain in { type nat hook prerouting priority dstnat; tcp dport { %s, %s } dnat to %s; }
  chain out { type nat hook postrouting priority srcnat; masquerade; }
}`, echoPort, sourcePort, pod)
	name := b.name + "-nftables"
	err = b.container(ctx, name, "--network", strings.Fields(networks)[0], "--cap-add", "NET_ADMIN", "--sysctl", "net.ipv4.ip_forward=1",
		"--sysctl", "net.ipv4.conf.all.send_redirects=0", "--init", nftImage, "sh", "-c", "nft '"+rules+"' && exec sleep infinity")
	if err != nil {
		return way{}, err
	}
	address, err := b.command(ctx, "docker", "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", name)
	if err != nil {
		return way{}, err
	}
	at := strings.TrimSpace(address)
	w := way{kernel, net.JoinHostPort(at, echoPort), net.JoinHostPort(at, sourcePort)}
	for n := 0; ; n++ { // the rules are not there at once
		if conn, err := net.DialTimeout("tcp", w.echo, time.Second); err == nil {
			return w, conn.Close()
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return way{}, err
		}
		if n == 60 {
			logs, _ := b.command(ctx, "docker", "logs", name)
			return way{}, fmt.Errorf("%s forwards nothing: %s", name, lastLines(logs, 3))
		}
	}
}

const (
	throughputFor = 700 * time.Millisecond
	latencyFor    = 400 * time.Millisecond
	chunk         = 1 << 20
	// exchangeLimit is how long one exchange may take; a way that hangs fails the program instead of stopping it.
	exchangeLimit = 5 * time.Second
)

// measure measures a way once.
func (w way) measure(ctx context.Context) (speed, error) {
	var s speed
	if err := ctx.Err(); err != nil {
		return s, err
	}
	count, took, err := w.chunks()
	if err != nil {
		return s, err
	}
	s.throughput = float64(count) * chunk / 1e6 / took.Seconds()
	if s.roundTrip, err = w.roundTrips(); err != nil {
		return s, err
	}
	s.connect, err = w.connects()
	return s, err
}

// chunks receives chunk after chunk on one connection.
func (w way) chunks() (count int, took time.Duration, err error) {
	conn, err := net.DialTimeout("tcp", w.source, exchangeLimit)
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close()
	buf := make([]byte, chunk)
	for began := time.Now(); took < throughputFor; took = time.Since(began) {
		_ = conn.SetDeadline(time.Now().Add(exchangeLimit))
		if err := binary.Write(conn, binary.BigEndian, uint64(chunk)); err != nil {
			return 0, 0, err
		}
		if _, err := io.ReadFull(conn, buf); err != nil {
			return 0, 0, err
		}
		count++
	}
	return count, took, nil
}

// roundTrips returns the median time of a message of 64 bytes to come back on one connection, in microseconds.
func (w way) roundTrips() (float64, error) {
	conn, err := net.DialTimeout("tcp", w.echo, exchangeLimit)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	return medianOf(func() error { return exchange(conn) })
}

// connects returns the median time of a new connection with one exchange on it, in microseconds.
func (w way) connects() (float64, error) {
	return medianOf(func() error {
		conn, err := net.DialTimeout("tcp", w.echo, exchangeLimit)
		if err != nil {
			return err
		}
		defer conn.Close()
		_ = conn.(*net.TCPConn).SetLinger(0) // no TIME_WAIT: the ports would run out
		return exchange(conn)
	})
}

// medianOf does something again and again for latencyFor, and returns the median time in microseconds.
func medianOf(do func() error) (float64, error) {
	var times []float64
	for began := time.Now(); time.Since(began) < latencyFor; {
		at := time.Now()
		if err := do(); err != nil {
			return 0, err
		}
		times = append(times, float64(time.Since(at).Nanoseconds())/1000)
	}
	return median(times), nil
}

var message = slices.Repeat([]byte("x"), 64)

func exchange(conn net.Conn) error {
	var buf [64]byte
	_ = conn.SetDeadline(time.Now().Add(exchangeLimit))
	if _, err := conn.Write(message); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, buf[:])
	return err
}
