package profiles

import (
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
)

// ingressPort returns x-lyandev.ingressPort: the port on 127.0.0.1 that serves the ingress rules. If unset, the supervisor
// uses its default.
func (c *converter) ingressPort() {
	if c.top.IngressPort == nil {
		return
	}
	at := keyPath{extensionKey, "ingressPort"}
	port, err := strconv.ParseUint(fmt.Sprint(c.top.IngressPort), 10, 16)
	if err != nil {
		c.bad(at, "use a number from 0 to 65535", "%v is not a valid host port", c.top.IngressPort)
		return
	}
	if len(c.stack.Ingresses) == 0 {
		c.note(at, "ignored: the stack has no ingresses")
		return
	}
	pos, _ := c.l.loc.find(at...)
	c.stack.HostPorts = append(c.stack.HostPorts, services.HostPort{
		HostIP: "127.0.0.1", HostPort: int32(port), Protocol: corev1.ProtocolTCP, Source: pos.String(),
	})
}
