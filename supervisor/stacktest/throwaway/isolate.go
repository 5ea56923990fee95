package throwaway

import (
	"fmt"
	"net"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
)

const loopback = "127.0.0.1"

// isolate returns the stack for a copy: with another name, every port of every Service published at a free host port instead of
// the file's host ports, without container_name, with empty volumes in the place of those that have a name of their own or are external, and
// without file watching. It is pure.
func isolate(stack *services.Stack, name string) *services.Stack {
	stack = stack.DeepCopy()
	stack.Name = name
	for _, w := range stack.Workloads {
		w.Watch = nil
		_ = changePlain(w, isolatePlain) // the pod's worker reports what cannot be read
	}
	for _, v := range stack.Volumes {
		_ = isolateVolume(stack, v)
	}
	have := map[string]bool{}
	for i := range stack.HostPorts {
		p := &stack.HostPorts[i]
		p.HostIP, p.HostPort = loopback, 0
		have[portKey(p.Service, p.Port, p.Protocol)] = true
	}
	for _, v := range stack.Services {
		if v.Spec.Type == corev1.ServiceTypeExternalName || len(v.Spec.Selector) == 0 {
			continue
		}
		for _, p := range v.Spec.Ports {
			if key := portKey(v.Name, p.Port, p.Protocol); !have[key] {
				have[key] = true
				stack.HostPorts = append(stack.HostPorts, services.HostPort{
					HostIP: loopback, Service: v.Name, Port: p.Port, Protocol: protocol(p.Protocol), Source: "test run",
				})
			}
		}
	}
	return stack
}

// isolateVolume gives a volume a name of the copy, in the place of one that the engine has for others.
func isolateVolume(stack *services.Stack, v *compose.Volume) error {
	v.Else = ""
	if strings.HasPrefix(v.Name, compose.Project+"_") && !v.External {
		return nil
	}
	v.External = false
	return stack.UseVolumeName(v, compose.Project+"_"+v.Key)
}

func portKey(service string, port int32, p corev1.Protocol) string {
	return fmt.Sprint(service, " ", port, " ", protocol(p))
}

func protocol(p corev1.Protocol) corev1.Protocol {
	if p == "" {
		return corev1.ProtocolTCP
	}
	return p
}

// choosePorts assigns a free port number to every host port. It listens on each until all are chosen, so that they are distinct.
func choosePorts(ports []services.HostPort) error {
	for i := range ports {
		at := net.JoinHostPort(ports[i].HostIP, "0")
		if ports[i].Protocol == corev1.ProtocolUDP {
			c, err := net.ListenPacket("udp", at)
			if err != nil {
				return fmt.Errorf("cannot find a free port: %w", err)
			}
			defer c.Close()
			ports[i].HostPort = int32(c.LocalAddr().(*net.UDPAddr).Port)
			continue
		}
		l, err := net.Listen("tcp", at)
		if err != nil {
			return fmt.Errorf("cannot find a free port: %w", err)
		}
		defer l.Close()
		ports[i].HostPort = int32(l.Addr().(*net.TCPAddr).Port)
	}
	return nil
}

// Addr returns the host address ("127.0.0.1:PORT") of a port of a Service.
func (c *Copy) Addr(service string, port int32) (string, error) {
	for _, p := range c.stack.HostPorts {
		if p.Service == service && p.Port == port {
			return p.Address(), nil
		}
	}
	return "", fmt.Errorf("cannot find port %d of Service %s: there is none in profile %q", port, service, c.stack.Profile)
}
