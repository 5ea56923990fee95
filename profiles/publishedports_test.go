package profiles

import (
	"slices"
	"testing"

	"github.com/lyandev/lyandev/services"
)

// TestADebugPortIsOneEdit: a published port that x-lyandev.service does not have needs no second entry there.
func TestADebugPortIsOneEdit(t *testing.T) {
	s := mustLoad(t, `
services:
  web:
    image: x
    ports: ["8080:8000", "5678:5678", "9229:9229"]
    x-lyandev:
      kind: Deployment
      service: {ports: [{port: 80, targetPort: 8000}]}
  web-published:
    image: x
    x-lyandev: {kind: Deployment}
`, Options{})
	var got []string
	for _, h := range s.HostPorts {
		got = append(got, h.Address()+" "+h.Service)
	}
	want := []string{"127.0.0.1:8080 web", "127.0.0.1:5678 web-published-2", "127.0.0.1:9229 web-published-2"}
	if !slices.Equal(got, want) {
		t.Errorf("the host ports are %q, want %q", got, want)
	}
	svc := s.Service("web-published-2")
	if svc == nil || svc.Spec.ClusterIP != "None" || len(svc.Spec.Ports) != 2 || !s.Workload("web").Behind(svc) || len(s.Service("web").Spec.Ports) != 1 {
		t.Errorf("the Service is %+v", svc)
	}
	if s.HostPorts[1] != (services.HostPort{HostIP: "127.0.0.1", HostPort: 5678, Service: "web-published-2", Port: 5678, Protocol: "TCP", Source: s.HostPorts[1].Source}) {
		t.Errorf("the host port is %+v", s.HostPorts[1])
	}
}
