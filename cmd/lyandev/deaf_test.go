package main

import (
	"context"
	"errors"
	"net"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/state"
)

// TestFindDeaf: a published port where nobody listened was told by nothing.
func TestFindDeaf(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	pod := func(workload, ip string, age time.Duration) *corev1.Pod {
		p := somePod(workload+"-1", workload, corev1.PodRunning, 0)
		p.Labels["app"], p.Status.PodIP = workload, ip
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(now.Add(-age))}}}}
		return p
	}
	service := func(name string, port int32) *corev1.Service {
		return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.ServiceSpec{
			Selector: map[string]string{"app": name}, Ports: []corev1.ServicePort{{Port: port, TargetPort: intstr.FromInt32(port)}},
		}}
	}
	bound := func(service string, host, port int32, protocol corev1.Protocol) services.HostPort {
		return services.HostPort{HostIP: "127.0.0.1", HostPort: host, Service: service, Port: port, Protocol: protocol}
	}
	s := &state.Status{
		Pods: []*corev1.Pod{pod("web", "10.0.0.2", time.Minute), pod("api", "10.0.0.3", time.Second), pod("db", "10.0.0.4", time.Minute), pod("slow", "10.0.0.5", time.Minute)},
		Services: []*corev1.Service{
			service("web", 80), service("api", 81), service("db", 82), service("slow", 83), service("gone", 84),
		},
		Bound: []services.HostPort{
			bound("web", 8080, 80, corev1.ProtocolTCP), bound("api", 8081, 81, corev1.ProtocolTCP), bound("db", 8082, 82, corev1.ProtocolTCP),
			bound("slow", 8083, 83, corev1.ProtocolTCP), bound("gone", 8084, 84, corev1.ProtocolTCP), bound("web", 8085, 80, corev1.ProtocolUDP),
		},
	}
	dial := func(_ context.Context, _, addr string) (net.Conn, error) {
		switch addr {
		case "10.0.0.4:82":
			conn, other := net.Pipe()
			_ = other.Close()
			return conn, nil
		case "10.0.0.5:83":
			return nil, errors.New("i/o timeout")
		}
		return nil, errors.New("dial tcp " + addr + ": connect: connection refused")
	}
	want := []string{
		"127.0.0.1:8080 is published, but nothing listens on port 80 in web",
		"127.0.0.1:8081 is published, but nothing listens on port 81 in api yet",
	}
	if got := findDeaf(t.Context(), s, dial, now); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
