package supervisor

import (
	"context"
	"net/netip"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/instance"
)

// listing is an engine that lists containers and does nothing else.
type listing struct {
	engine.Engine
	list []engine.Container
}

func (l listing) ListContainers(context.Context, map[string]string) ([]engine.Container, error) {
	return l.list, nil
}

// TestShowAddresses: ps without a supervisor showed no address of what runs.
func TestShowAddresses(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web-0", UID: "u"}}
	eng := listing{list: []engine.Container{
		{Labels: map[string]string{services.PodUIDLabel: "other"}, IPs: map[string]netip.Addr{"shop_default": netip.MustParseAddr("10.0.0.1")}},
		{Labels: map[string]string{services.PodUIDLabel: "u"}, IPs: map[string]netip.Addr{"a": {}, "shop_default": netip.MustParseAddr("10.0.0.2")}},
	}}
	if err := showAddresses(t.Context(), eng, &instance.Instance{Name: "shop"}, []*corev1.Pod{pod}); err != nil || pod.Status.PodIP != "10.0.0.2" {
		t.Errorf("%q, %v", pod.Status.PodIP, err)
	}
}
