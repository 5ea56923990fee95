package main

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newPortCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "port", Usage: "print the host address at which a port of a service is published", ArgsUsage: "SERVICE PRIVATE_PORT",
		Description: "PRIVATE_PORT is the port that the service listens on. For a port that is not published, see lyandev port-forward.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "protocol", Value: "tcp", Usage: "`tcp` or udp"},
			&cli.IntFlag{Name: "index", Hidden: true, Usage: "accepted as in docker compose: a published port leads to all pods of its service"},
		},
		Action: func(c *cli.Context) error {
			number, err := parsePort(c.Args().Get(1))
			if err != nil {
				return withCode(exitUsage, err)
			}
			t, err := findTarget(c, nil)
			if err != nil {
				return err
			}
			name := c.Args().First()
			s, err := t.client.State(c.Context)
			if err != nil {
				return nameFirst(c, t, err, name)
			}
			if err := checkPods(s, []string{name}); err != nil {
				return err
			}
			list := publishedAt(s, internalName(s, name), number, c.String("protocol"))
			if len(list) == 0 {
				list = containerPorts(c, t, name, number, c.String("protocol"))
			}
			if len(list) == 0 {
				return fmt.Errorf("port %d/%s of %s is not published; `lyandev port-forward %s :%d` reaches it", number, c.String("protocol"), name, name, number)
			}
			for _, at := range list {
				fmt.Fprintln(st.Out, at)
			}
			return nil
		},
	}
}

// parsePort parses a port number.
func parsePort(text string) (int32, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("cannot use %q as a port: it must be a number from 1 to 65535", text)
	}
	return int32(n), nil
}

// publishedAt returns the host addresses of a service's port, which is that of its Service or the port behind it.
func publishedAt(s *state.Status, service string, number int32, protocol string) []string {
	targets := []int32{number}
	for _, svc := range s.Services {
		for _, p := range svc.Spec.Ports {
			if svc.Name == service && p.TargetPort.IntVal == number {
				targets = append(targets, p.Port)
			}
		}
	}
	var out []string
	for _, h := range s.Bound {
		if h.Service == service && slices.Contains(targets, h.Port) && strings.EqualFold(string(h.Protocol), protocol) {
			out = append(out, h.Address())
		}
	}
	return out
}

// containerPorts returns the host addresses of a port that the engine itself publishes (x-lyandev.ports: container). It returns
// none if the engine cannot be asked.
func containerPorts(c *cli.Context, t *target, name string, number int32, protocol string) []string {
	eng, err := connect(c.Context)
	if err != nil {
		return nil
	}
	defer eng.Close()
	list, err := chooseContainers(c.Context, eng, t.instance.Name, choice{names: []string{name}}, []string{name})
	if err != nil {
		return nil
	}
	return enginePorts(list, number, protocol)
}

func enginePorts(list []engine.Container, number int32, protocol string) []string {
	var out []string
	for _, x := range list {
		for _, b := range x.Ports {
			if int32(b.ContainerPort) == number && strings.EqualFold(b.Protocol, protocol) && b.HostPort != 0 {
				out = append(out, net.JoinHostPort(b.HostIP.String(), strconv.Itoa(int(b.HostPort))))
			}
		}
	}
	return slices.Compact(out)
}

// internalName is the name of the workload of a service that people know under a name, or under that of its container on the engine.
func internalName(s *state.Status, name string) string {
	if w, ok := s.Workload(name); ok {
		return w.Name
	}
	if p := s.Pod(name); p != nil && services.PlainPod(p) {
		return p.Labels[services.WorkloadLabel]
	}
	return name
}
