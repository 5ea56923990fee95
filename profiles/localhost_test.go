package profiles

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lyandev/lyandev/services"
)

const withLocalhost = `
services:
  redis: {image: a, x-lyandev: {service: {ports: [{port: 6379}]}}}
  db: {image: a, expose: ["3306"]}
  worker:
    image: a
    x-lyandev:
      localhost: {6379: redis:6379, "3306": db-0.db:3307}
  beside:
    image: a
    network_mode: service:worker
    x-lyandev:
      localhost: {11211: redis.default:6379, 6379: redis:6379}
`

func TestLocalhost(t *testing.T) {
	dir := write(t, map[string]string{"compose.yaml": withLocalhost + "x-lyandev: {order: inferred, semantics: kubernetes}\n"})
	s, err := Load(context.Background(), Options{WorkDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	w := s.Workload("worker")
	if got, want := w.PodMeta().Annotations[services.LocalhostAnnotation], "3306=db-0.db:3307,6379=redis:6379,11211=redis.default:6379"; got != want {
		t.Errorf("annotation %q, want %q", got, want)
	}
	want := []services.Dependency{{Workload: "redis", Condition: services.Healthy, Reason: "localhost leads to Service redis"}}
	if d := cmp.Diff(want, w.DependsOn); d != "" {
		t.Errorf("depends on (-want +got):\n%s", d)
	}
	if a := s.Workload("redis").PodMeta().Annotations; a != nil {
		t.Errorf("a pod without localhost has annotations %v", a)
	}
}
