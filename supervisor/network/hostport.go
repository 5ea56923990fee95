package network

import (
	"fmt"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/agent"
)

// agentPortBase is the first agent port for host ports whose own number is already used in the agent.
const agentPortBase = 20000

// AgentPorts assigns each host port a port of the agent: the same number if that is free there, so that `docker ps` is easy to
// read. The result has the order of ports; for ports with a number the assignment does not depend on the order.
func AgentPorts(ports []services.HostPort) ([]Published, error) {
	taken := map[string]bool{}
	reserve := func(n int32, protocol string) bool {
		key := fmt.Sprint(n, protocol)
		if taken[key] {
			return false
		}
		taken[key] = true
		return true
	}
	for _, p := range []string{agent.TCP, agent.UDP} {
		reserve(agent.DNSPort, p)
		reserve(agent.ControlPort, p)
	}
	out := make([]Published, len(ports))
	for i, p := range ports {
		out[i].Host = p
		if p.HostPort > 0 && reserve(p.HostPort, protocolOf(p.Protocol)) {
			out[i].AgentPort = uint16(p.HostPort)
		}
	}
	for i := range out {
		for n := int32(agentPortBase); out[i].AgentPort == 0; n++ {
			if n > 65535 {
				return nil, fmt.Errorf("cannot publish %d host ports: the agent has no port left", len(ports))
			}
			if reserve(n, protocolOf(out[i].Host.Protocol)) {
				out[i].AgentPort = uint16(n)
			}
		}
	}
	return out, nil
}
