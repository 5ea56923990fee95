package probe

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// tcpHandler opens a connection and closes it at once (R51).
type tcpHandler struct {
	dialer    Dialer
	action    *corev1.TCPSocketAction
	container *corev1.Container
	timeout   time.Duration
}

// Try connects.
func (h *tcpHandler) Try(ctx context.Context, t Target) Outcome {
	port, err := resolvePort(h.action.Port, h.container)
	if err != nil {
		return broken(err)
	}
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	conn, err := h.dialer.DialContext(ctx, "tcp", hostPort(h.action.Host, t.PodIP, port))
	if err != nil {
		return failed(err.Error())
	}
	// The connection was opened, which is all that was asked; an error of closing says nothing about the container.
	_ = conn.Close()
	return passed("")
}
