package profiles

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
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

// TestLocalhostOfAPlainService: the key changes nothing else about the service.
func TestLocalhostOfAPlainService(t *testing.T) {
	const text = `
services:
  redis: {image: a, ports: ["7000:7000"]}
  worker:
    image: a
    x-lyandev:
      localhost: {6379: redis:6379}
`
	s, err := Load(context.Background(), Options{WorkDir: write(t, map[string]string{"compose.yaml": text})})
	if err != nil {
		t.Fatal(err)
	}
	w := s.Workload("worker")
	c, err := compose.Decode(w.PodMeta().Annotations[compose.Annotation], "p")
	if err != nil || !w.Plain() || c.Localhost != "6379=redis:6379" {
		t.Errorf("plain %t, %+v, %v", w.Plain(), c, err)
	}
	for mode, want := range map[string]string{
		"network_mode: none": "network_mode none has no loopback", "network_mode: host": "network_mode host has no loopback",
		"hostname: x": "",
	} {
		bad := strings.Replace(text, "    image: a\n", "    image: a\n    "+mode+"\n", 1)
		_, err := Load(context.Background(), Options{WorkDir: write(t, map[string]string{"compose.yaml": bad})})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: error %v", mode, err)
		}
	}
	bad := strings.Replace(text, "redis:6379", "rediss:6379", 1)
	if _, err := Load(context.Background(), Options{WorkDir: write(t, map[string]string{"compose.yaml": bad})}); err == nil || !strings.Contains(err.Error(), `no Service "rediss"`) {
		t.Errorf("error %v", err)
	}
}

// TestLocalhostFollowsARole: a port that leads to a headless Service which selects on a role is marked; one with an address of its own
// is not, since the agent follows the role there.
func TestLocalhostFollowsARole(t *testing.T) {
	s := mustLoad(t, `
x-lyandev: {semantics: kubernetes}
services:
  db: {image: a, x-lyandev: {service: {clusterIP: None, selector: {app: db, dev.lyandev/role: master}, ports: [{port: 3306}]}}}
  redis: {image: a, x-lyandev: {service: {selector: {app: redis, dev.lyandev/role: master}, ports: [{port: 6379}]}}}
  cache: {image: a, x-lyandev: {service: {clusterIP: None, ports: [{port: 11211}]}}}
  worker: {image: a, x-lyandev: {localhost: {3306: db.default:3306, 6379: redis:6379}}}
  beside: {image: a, network_mode: "service:worker", x-lyandev: {localhost: {11211: cache:11211}}}
`, Options{})
	want := "3306=db.default:3306@role,6379=redis:6379,11211=cache:11211"
	if got := s.Workload("worker").PodMeta().Annotations[services.LocalhostAnnotation]; got != want {
		t.Errorf("annotation %q, want %q", got, want)
	}
}
