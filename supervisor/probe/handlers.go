package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const (
	probeAgent = "kube-probe/1.36"
	hookAgent  = "kube-lifecycle/1.36"
	// maxOutput is how much of a command's output or a body is read (R50, R53).
	maxOutput = 10 << 10
)

// Dialer opens connections from the node to pod addresses (R46).
type Dialer interface {
	DialContext(ctx context.Context, network, addr string) (net.Conn, error)
}

// Execer runs commands in containers.
type Execer interface {
	// Exec runs cmd, without a shell, in the container with its environment, user and directory (R54), and returns the
	// exit code and the output, stdout then stderr. It kills the command after timeout (0: never) and then returns
	// ErrExecTimeout, possibly wrapped. Any other error means that the command could not be run.
	Exec(ctx context.Context, containerID string, cmd []string, timeout time.Duration) (exit int, output []byte, err error)
}

// ErrExecTimeout is the error of an Execer for a command that was killed after its timeout.
var ErrExecTimeout = errors.New("command timed out")

// Ports looks at the ports of containers without connecting to them.
type Ports interface {
	// Listening reports whether a container listens on one of the TCP ports; known is false if that cannot be told.
	Listening(ctx context.Context, containerID string, ports []int) (open, known bool)
}

// Deps are the dependencies of the real handlers. Limit nil means no limit on concurrent exec probes, Ports nil that nothing is known
// of ports.
type Deps struct {
	Dialer Dialer
	Exec   Execer
	Limit  *Limiter
	Ports  Ports
	// Jitter is Config.Jitter.
	Jitter func() float64
}

// Handlers returns a HandlerFactory for the four kinds of probes (R45 to R53).
func (d Deps) Handlers() HandlerFactory {
	return func(c *corev1.Container, _ Type, p *corev1.Probe) Handler {
		timeout := specOf(p).timeout
		switch {
		case p.Exec != nil:
			return &execHandler{exec: d.Exec, limit: d.Limit, cmd: ExpandStatic(p.Exec.Command, c.Env), timeout: timeout, ports: d.Ports, open: tcpPorts(c)}
		case p.HTTPGet != nil:
			return &httpHandler{dialer: d.Dialer, action: p.HTTPGet, container: c, timeout: timeout}
		case p.TCPSocket != nil:
			return &tcpHandler{dialer: d.Dialer, action: p.TCPSocket, container: c, timeout: timeout}
		case p.GRPC != nil:
			return &grpcHandler{dialer: d.Dialer, action: p.GRPC, timeout: timeout}
		}
		return HandlerFunc(func(context.Context, Target) Outcome {
			return broken(fmt.Errorf("cannot probe container %s: the probe has no handler", c.Name))
		})
	}
}

func passed(output string) Outcome { return Outcome{Verdict: Passed, Output: output} }
func failed(output string) Outcome { return Outcome{Verdict: Failed, Output: output} }
func broken(err error) Outcome     { return Outcome{Verdict: Undecided, Err: err} }

// resolvePort finds a port by number, by a name of this container's ports, or by a number written as text (R45).
func resolvePort(port intstr.IntOrString, c *corev1.Container) (int, error) {
	n := port.IntValue()
	if port.Type == intstr.String {
		n = 0
		for _, p := range c.Ports {
			if p.Name == port.StrVal {
				n = int(p.ContainerPort)
				break
			}
		}
		if n == 0 {
			parsed, err := strconv.Atoi(port.StrVal)
			if err != nil {
				return 0, fmt.Errorf("cannot find port %q: container %s has no port of that name", port.StrVal, c.Name)
			}
			n = parsed
		}
	}
	if n < 1 || n > 65535 {
		return 0, fmt.Errorf("cannot use port %d: it must be between 1 and 65535", n)
	}
	return n, nil
}

// hostPort returns the address of an action: its own host, else the pod's address (R46).
func hostPort(host, podIP string, port int) string {
	if host == "" {
		host = podIP
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}
