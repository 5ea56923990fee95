package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/urfave/cli/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newPortForwardCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "port-forward", Usage: "forward ports of this host's 127.0.0.1 to a service or pod", ArgsUsage: "SERVICE|POD [[LOCAL:]REMOTE...]",
		Description: "Forwards TCP until Ctrl-C and prints a URL for each port. LOCAL defaults to REMOTE; an empty LOCAL (:5432) takes a free\n" +
			"port. Without ports, all ports that the service declares are forwarded to free ones. Nothing is restarted. Each new\n" +
			"connection goes to a ready pod, also after a restart of the service.",
		Flags: []cli.Flag{&cli.BoolFlag{Name: "show-secrets", Usage: "put the password into the URL"}},
		Action: func(c *cli.Context) error {
			ports, err := parseForwards(c.Args().Tail())
			if err != nil {
				return withCode(exitUsage, err)
			}
			return runPortForward(c, st, c.Args().First(), ports)
		},
	}
}

// forward is a port to forward. Local 0 is a free one.
type forward struct{ local, remote int32 }

// parseForwards parses [LOCAL:]REMOTE arguments.
func parseForwards(args []string) ([]forward, error) {
	var out []forward
	for _, a := range args {
		local, remote, both := strings.Cut(a, ":")
		if !both {
			remote = local
		}
		var f forward
		var err error
		if f.remote, err = parsePort(remote); err != nil {
			return nil, fmt.Errorf("cannot forward %q: %w; write [LOCAL:]REMOTE, for example 8080:80", a, err)
		}
		if local != "" {
			if f.local, err = parsePort(local); err != nil {
				return nil, fmt.Errorf("cannot forward %q: %w; write [LOCAL:]REMOTE, for example 8080:80", a, err)
			}
		}
		out = append(out, f)
	}
	return out, nil
}

func runPortForward(c *cli.Context, st *ui.Streams, name string, ports []forward) error {
	t, err := findTarget(c, nil)
	if err != nil {
		return err
	}
	s, err := t.client.State(c.Context)
	if err != nil {
		return nameFirst(c, t, err, name)
	}
	if err := checkPods(s, []string{name}); err != nil {
		return err
	}
	if len(ports) == 0 {
		if ports = declaredPorts(s, name); len(ports) == 0 {
			return withCode(exitUsage, fmt.Errorf("cannot forward to %s: it declares no ports; name one: lyandev port-forward %s [LOCAL:]REMOTE", name, name))
		}
	}
	eng, err := connect(c.Context)
	if err != nil {
		return err
	}
	defer eng.Close()
	dial, err := agentDial(c.Context, eng, t)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(c.Context, os.Interrupt, syscall.SIGTERM)
	defer stop()
	f := forwarder{
		dial: func(ctx context.Context, remote int32) (net.Conn, error) {
			s, err := t.client.State(ctx)
			if err != nil {
				return nil, err
			}
			at, err := whereTo(s, name, remote)
			if err != nil {
				return nil, err
			}
			return dial(ctx, "tcp", at)
		},
		problem: func(err error) { fmt.Fprintf(st.Err, "%s %v\n", st.Paint(ui.Yellow, "warning:"), err) },
	}
	urls, err := f.listen(ports)
	if err != nil {
		return err
	}
	env := envOf(s, name)
	for i, at := range urls {
		fmt.Fprintln(st.Out, connectionURL(at, ports[i].remote, env, c.Bool("show-secrets")))
	}
	fmt.Fprintf(st.Err, "forwarding to %s; Ctrl-C ends it\n", name)
	f.serve(ctx)
	return nil
}

// declaredPorts are the TCP ports of a service's pods, each to be forwarded to a free port.
func declaredPorts(s *state.Status, name string) []forward {
	var out []forward
	add := func(port int32, protocol corev1.Protocol) {
		if f := (forward{remote: port}); (protocol == "" || protocol == corev1.ProtocolTCP) && !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	for _, svc := range s.Services {
		for _, p := range svc.Spec.Ports {
			if svc.Name == internalName(s, name) {
				add(p.Port, p.Protocol)
			}
		}
	}
	if len(out) > 0 {
		return out
	}
	for _, p := range s.Pods {
		if !isPod(s, p, name) {
			continue
		}
		for _, c := range p.Spec.Containers {
			for _, x := range c.Ports {
				add(x.ContainerPort, x.Protocol)
			}
		}
	}
	return out
}

// whereTo is the address that a new connection goes to: a Service with that port, or a pod, a ready one if there is one. The error
// says that no pod runs.
func whereTo(s *state.Status, name string, port int32) (string, error) {
	number := strconv.Itoa(int(port))
	for _, svc := range s.Services {
		has := slices.ContainsFunc(svc.Spec.Ports, func(p corev1.ServicePort) bool { return p.Port == port })
		if svc.Name == internalName(s, name) && has && s.Pod(name) == nil {
			return net.JoinHostPort(svc.Name, number), nil
		}
	}
	var best *corev1.Pod
	for _, p := range s.Pods {
		if isPod(s, p, name) && p.Status.PodIP != "" && p.Status.Phase == corev1.PodRunning && (best == nil || fitness(p) > fitness(best)) {
			best = p
		}
	}
	if best == nil {
		return "", fmt.Errorf("cannot connect to %s: none of its pods runs; see `lyandev ps %s`", name, name)
	}
	return net.JoinHostPort(best.Status.PodIP, number), nil
}

// fitness says how good a pod is for a new connection: one that stays is better than one that is being stopped, a ready one better than another.
func fitness(p *corev1.Pod) (n int) {
	if p.DeletionTimestamp == nil {
		n += 2
	}
	if state.PodReady(p) {
		n++
	}
	return n
}

// envOf is the environment that the file gives the containers of a service.
func envOf(s *state.Status, name string) map[string]string {
	out := map[string]string{}
	for _, p := range s.Pods {
		if !isPod(s, p, name) {
			continue
		}
		for _, c := range p.Spec.Containers {
			for _, e := range c.Env {
				out[e.Name] = e.Value
			}
		}
	}
	return out
}

// forwarder accepts connections on this host and forwards them.
type forwarder struct {
	// dial connects to a port of the target. problem is told of failures.
	dial    func(ctx context.Context, remote int32) (net.Conn, error)
	problem func(error)

	listeners []net.Listener
	remotes   []int32
}

// listen opens the local ports and returns their addresses. If one is not free, none stays open.
func (f *forwarder) listen(ports []forward) ([]string, error) {
	var out []string
	for _, p := range ports {
		l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(p.local))))
		if err != nil {
			f.close()
			return nil, fmt.Errorf("cannot forward to port %d: %w; `:%d` takes a free port", p.remote, err, p.remote)
		}
		f.listeners, f.remotes = append(f.listeners, l), append(f.remotes, p.remote)
		out = append(out, l.Addr().String())
	}
	return out, nil
}

func (f *forwarder) close() {
	for _, l := range f.listeners {
		_ = l.Close()
	}
}

// serve forwards until ctx ends, then closes all connections.
func (f *forwarder) serve(ctx context.Context) {
	stop := context.AfterFunc(ctx, f.close)
	defer stop()
	var wg sync.WaitGroup
	for i, l := range f.listeners {
		wg.Go(func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return // closed
				}
				wg.Go(func() { f.carry(ctx, conn, f.remotes[i]) })
			}
		})
	}
	wg.Wait()
}

// carry connects one connection to the target and copies until both directions have ended, or ctx.
func (f *forwarder) carry(ctx context.Context, local net.Conn, port int32) {
	defer local.Close()
	remote, err := f.dial(ctx, port)
	if err != nil {
		if !errors.Is(err, context.Canceled) {
			f.problem(err)
		}
		return
	}
	defer remote.Close()
	stop := context.AfterFunc(ctx, func() { _, _ = local.Close(), remote.Close() })
	defer stop()
	var wg sync.WaitGroup
	for _, way := range [][2]net.Conn{{local, remote}, {remote, local}} {
		wg.Go(func() {
			_, _ = io.Copy(way[1], way[0])
			if c, ok := way[1].(interface{ CloseWrite() error }); ok {
				_ = c.CloseWrite()
			} else {
				_ = way[1].Close()
			}
		})
	}
	wg.Wait()
}
