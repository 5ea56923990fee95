package main

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
)

// hostPortLine returns a host port and its target in one line.
func hostPortLine(h services.HostPort) string {
	at := h.Address()
	if h.Protocol == corev1.ProtocolUDP {
		at += "/udp"
	}
	if h.Service == "" {
		return at + " -> ingress"
	}
	return fmt.Sprintf("%s -> %s:%d", at, h.Service, h.Port)
}
