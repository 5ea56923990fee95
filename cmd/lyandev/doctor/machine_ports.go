package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/innerloop"
	"github.com/lyandev/lyandev/supervisor/network"
	"github.com/lyandev/lyandev/supervisor/watch"
)

// composeProject is the label of Docker Compose's own containers.
const composeProject = "com.docker.compose.project"

// ports looks whether the host ports that the file publishes are free.
func (s *shared) ports(ctx context.Context) func(*Facts) {
	_, stack := s.load(ctx)
	if stack == nil {
		return func(*Facts) {}
	}
	remote := ""
	if at, err := engine.Chosen(); err == nil && at.Remote {
		remote = "the engine is on another machine"
	}
	exposed := stack.DeepCopy()
	network.Expose(exposed)
	var out []Port
	for _, h := range exposed.HostPorts {
		if h.HostPort != 0 {
			p := portOf(h, s.m.Own, s.list(ctx), programAt)
			if remote != "" && !p.Own && p.Holder == "" {
				p.Unknown = remote
			}
			out = append(out, p)
		}
	}
	return func(f *Facts) { f.Ports = out }
}

// portOf looks at a host port, or at all of a range, of which one free port is enough. program is programAt.
func portOf(h services.HostPort, own string, containers []engine.Container, program func(services.HostPort) (holder, unknown string)) Port {
	what := fmt.Sprintf("%s:%d", h.Service, h.Port)
	if h.Service == "" {
		what = "the ingress"
	}
	var out Port
	for n := h.HostPort; n <= max(h.HostPort, h.LastHostPort); n++ {
		h.HostPort = n
		p := Port{Address: h.Address(), For: what}
		if h.Protocol == corev1.ProtocolUDP {
			p.Address += "/udp"
		}
		p.Holder, p.Own = containerAt(h, own, containers)
		if p.Holder == "" && !p.Own {
			p.Holder, p.Unknown = program(h)
		}
		if p.Own || p.Holder == "" {
			return p
		}
		if out.Address == "" {
			out = p
		}
	}
	return out
}

// containerAt returns the running container that publishes a port, or that it is one of the instance own.
func containerAt(h services.HostPort, own string, containers []engine.Container) (holder string, isOwn bool) {
	for i := range containers {
		c := &containers[i]
		if c.State != engine.StateRunning {
			continue
		}
		for _, p := range c.Ports {
			if int32(p.HostPort) != h.HostPort || !strings.EqualFold(protocol(p.Protocol), protocol(string(h.Protocol))) || !overlap(p.HostIP.String(), h.HostIP) {
				continue
			}
			switch project := c.Labels[services.ProjectLabel]; {
			case project == own && own != "":
				return "", true
			case project != "":
				return "the instance " + project, false
			case c.Labels[composeProject] != "":
				return fmt.Sprintf("the container %s of Docker Compose's project %s", c.Name, c.Labels[composeProject]), false
			}
			return "the container " + c.Name, false
		}
	}
	return "", false
}

func protocol(p string) string {
	if p == "" {
		return "tcp"
	}
	return p
}

// overlap reports whether who has a port at one address keeps others from it at the other.
func overlap(a, b string) bool {
	anyone := func(ip string) bool { return ip == "" || ip == "0.0.0.0" || ip == "::" || ip == "invalid IP" }
	return a == b || anyone(a) || anyone(b)
}

// programAt tries to listen on a port and returns the program that has it already.
func programAt(h services.HostPort) (holder, unknown string) {
	var err error
	if h.Protocol == corev1.ProtocolUDP {
		var conn net.PacketConn
		if conn, err = net.ListenPacket("udp", h.Address()); err == nil {
			err = conn.Close()
		}
	} else {
		var l net.Listener
		if l, err = net.Listen("tcp", h.Address()); err == nil {
			err = l.Close()
		}
	}
	switch {
	case err == nil, errors.Is(err, fs.ErrPermission): // below 1024: the engine may publish what this user may not
		return "", ""
	case errors.Is(err, syscall.EADDRINUSE):
		return listener(h), ""
	}
	return "", err.Error()
}

// listener names the process that listens on a port.
func listener(h services.HostPort) string {
	table := "tcp"
	if h.Protocol == corev1.ProtocolUDP {
		table = "udp"
	}
	if pid, name := processAt(table, int(h.HostPort)); pid > 0 {
		return fmt.Sprintf("process %d (%s)", pid, name)
	}
	return "a program of another user (`sudo ss -lpn sport = :" + strconv.Itoa(int(h.HostPort)) + "` names it)"
}

// Counting the watched directories stops after countLimit, and at maxDirs, the highest limit that is usual.
const (
	countLimit = 2 * time.Second
	maxDirs    = 1 << 20
)

// watches counts what the file watches.
func (s *shared) watches(ctx context.Context) func(*Facts) {
	var w Watches
	w.MaxWatches, w.MaxInstances = watchLimits()
	if _, stack := s.load(ctx); stack != nil {
		roots := innerloop.Roots(stack)
		limited, cancel := context.WithTimeout(ctx, countLimit)
		defer cancel()
		w.Rules = len(roots)
		w.Dirs, w.More = watch.CountDirs(limited, roots, maxDirs)
	}
	return func(f *Facts) { f.Watches = w }
}
