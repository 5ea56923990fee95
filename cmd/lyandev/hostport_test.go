package main

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
)

func TestHostPortLine(t *testing.T) {
	for _, c := range []struct {
		port services.HostPort
		want string
	}{
		{services.HostPort{HostIP: "127.0.0.1", HostPort: 8080, Service: "web", Port: 80}, "127.0.0.1:8080 -> web:80"},
		{services.HostPort{HostIP: "::1", HostPort: 8080, Service: "web", Port: 80}, "[::1]:8080 -> web:80"},
		{services.HostPort{HostIP: "::", HostPort: 53, Service: "dns", Port: 53, Protocol: corev1.ProtocolUDP}, "[::]:53/udp -> dns:53"},
		{services.HostPort{HostIP: "127.0.0.1", HostPort: 8080}, "127.0.0.1:8080 -> ingress"},
	} {
		if got := hostPortLine(c.port); got != c.want {
			t.Errorf("%+v: %q, want %q", c.port, got, c.want)
		}
	}
}
