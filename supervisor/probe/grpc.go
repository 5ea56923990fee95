package probe

import (
	"context"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	corev1 "k8s.io/api/core/v1"
)

// grpcHandler asks the standard health service; only SERVING is success, nothing is an error (R52).
type grpcHandler struct {
	dialer  Dialer
	action  *corev1.GRPCAction
	timeout time.Duration
}

// Try connects and calls, both within the one timeout. A refused port is tried again until the timeout is over.
func (h *grpcHandler) Try(ctx context.Context, t Target) Outcome {
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	addr := hostPort("", t.PodIP, int(h.action.Port))
	conn, err := grpc.NewClient("passthrough:///"+addr,
		grpc.WithUserAgent(probeAgent),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithNoProxy(),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
			return h.dialer.DialContext(ctx, "tcp", addr)
		}))
	if err != nil {
		return failed(fmt.Sprintf("error: failed to connect service at %q: %v", addr, err))
	}
	defer conn.Close()
	if !connected(ctx, conn) {
		return failed(fmt.Sprintf("timeout: failed to connect service %q within %v", addr, h.timeout))
	}
	service := ""
	if h.action.Service != nil {
		service = *h.action.Service
	}
	resp, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: service})
	if err != nil {
		return failed(h.reason(err))
	}
	if resp.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		return failed(fmt.Sprintf("service unhealthy (responded with %q)", resp.GetStatus()))
	}
	return passed("service healthy")
}

// connected waits until the connection stands, trying again after refusals as long as ctx lasts.
func connected(ctx context.Context, conn *grpc.ClientConn) bool {
	for {
		state := conn.GetState()
		if state == connectivity.Ready {
			return true
		}
		conn.Connect()
		if !conn.WaitForStateChange(ctx, state) {
			return false
		}
	}
}

func (h *grpcHandler) reason(err error) string {
	switch s, _ := status.FromError(err); s.Code() {
	case codes.Unimplemented:
		return "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): " + s.Message()
	case codes.DeadlineExceeded:
		return fmt.Sprintf("timeout: health rpc did not complete within %v", h.timeout)
	default:
		return fmt.Sprintf("error: health rpc probe failed: %v", err)
	}
}
