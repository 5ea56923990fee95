package redis

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
)

func ports(name string, n int32) []corev1.ContainerPort {
	return []corev1.ContainerPort{{Name: name, ContainerPort: n}}
}

func TestKind(t *testing.T) {
	for _, c := range []struct {
		name      string
		container corev1.Container
		env       map[string]string
		option    string
		want      string
	}{
		{"server by number", corev1.Container{Ports: ports("", 6379)}, nil, "", "6379 "},
		{"sentinel by number", corev1.Container{Ports: ports("", 26379)}, nil, "master", "26379 sentinel"},
		{"server by name", corev1.Container{Ports: ports("redis", 7000)}, nil, "replica", "7000 replica"},
		{"sentinel by name", corev1.Container{Ports: ports("sentinel", 7001)}, nil, "", "7001 sentinel"},
		{"the Kubernetes example's master", corev1.Container{Ports: ports("", 6379)}, map[string]string{"MASTER": "true"}, "", "6379 master"},
		{"the Kubernetes example's sentinel", corev1.Container{}, map[string]string{"SENTINEL": "true"}, "", "26379 sentinel"},
		{"bitnami's replica", corev1.Container{}, map[string]string{"REDIS_REPLICATION_MODE": "slave", "REDIS_PORT_NUMBER": "6380"}, "", "6380 replica"},
		{"by command", corev1.Container{Command: []string{"redis-sentinel", "/data/s.conf"}}, nil, "", "26379 sentinel"},
		{"by argument", corev1.Container{Args: []string{"redis-server", "s.conf", "--sentinel"}}, nil, "", "26379 sentinel"},
		{"by option", corev1.Container{}, nil, "sentinel", "26379 sentinel"},
		{"in MariaDB's word", corev1.Container{}, nil, "slave", "6379 replica"},
		{"nothing said", corev1.Container{}, nil, "", "6379 "},
		{"an exporter", corev1.Container{Ports: ports("metrics", 9121)}, nil, "", "0 "},
	} {
		w := &services.Workload{Options: map[string]string{"role": c.option}}
		port, role := kind(c.container, c.env, w)
		if got := fmt.Sprintf("%d %s", port, role); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestFind(t *testing.T) {
	env := map[string]map[string]string{
		"redis": {"MASTER": "true", "REDIS_PASSWORD_FILE": "/run/p"}, "sentinel": {"REDIS_SENTINEL_DOWN_AFTER_MS": "700"},
	}
	view := services.View{
		Workloads: []*services.Workload{{
			Object:  &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "redis-master"}},
			Options: map[string]string{"failover-timeout": "8s", "quorum": "3", "group": "g"},
		}},
		Pods: []*corev1.Pod{{
			ObjectMeta: metav1.ObjectMeta{Name: "redis-master"},
			Spec: corev1.PodSpec{Containers: []corev1.Container{
				{Name: "redis", Ports: ports("", 6379)}, {Name: "sentinel", Ports: ports("", 26379)},
			}},
			Status: corev1.PodStatus{Phase: corev1.PodPending},
		}},
		Env:  func(_, container string) (map[string]string, error) { return env[container], nil },
		Addr: func(string) (string, bool) { return "10.0.0.1", true },
		Exec: func(context.Context, string, string, []string, []string) (int, []byte, error) {
			return 0, []byte("secret\n"), nil
		},
	}
	found, settings, err := find(t.Context(), view)
	if err != nil || len(found) != 2 {
		t.Fatalf("%+v %v", found, err)
	}
	if found[0].role != Master || found[0].password != "secret" || found[0].Reason != "NotStarted" || found[0].At.String() != "10.0.0.1:6379" {
		t.Errorf("server %+v", found[0])
	}
	if found[1].role != Watcher || found[1].At.Port != 26379 {
		t.Errorf("sentinel %+v", found[1])
	}
	want := Settings{
		Group: "g", Quorum: 3, QuorumDeclared: true,
		Declared: map[string]string{"down-after-milliseconds": "700", "failover-timeout": "8000"},
		Defaults: map[string]string{"down-after-milliseconds": "5000", "failover-timeout": "10000", "parallel-syncs": "1"},
	}
	if diff := cmp.Diff(want, settings); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

func TestMajorityIsTheQuorum(t *testing.T) {
	for sentinels, want := range map[int]int{1: 1, 2: 2, 3: 2, 5: 3} {
		var all []process
		for range sentinels {
			all = append(all, process{role: Watcher})
		}
		if got := merge(all); got.Quorum != want || got.Group != "mymaster" || got.QuorumDeclared || got.Defaults["down-after-milliseconds"] != "5000" {
			t.Errorf("%d sentinels: %+v", sentinels, got)
		}
	}
}

func TestFillServer(t *testing.T) {
	var s Server
	fillServer(&s, info("# Replication\r\nrole:slave\r\nmaster_host:10.0.0.9\r\nmaster_port:6380\r\nmaster_link_status:up\r\n"+
		"slave_repl_offset:77\r\nmaster_repl_offset:70\r\ndb0:keys=3,expires=0\r\ndb5:keys=4,expires=1\r\nredis_version:8.0.2\r\nloading:0\r\n"))
	want := Server{Role: Replica, Follows: Endpoint{"10.0.0.9", 6380}, LinkUp: true, Offset: 77, Keys: 7}
	want.Version = "8.0.2"
	if diff := cmp.Diff(want, s); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestFactStays: while no master answers, the fact is the last one; a change of it is an event.
func TestFactStays(t *testing.T) {
	var events []string
	o := New()
	o.turn.Do(o.init)
	see := func(edit func(f *Facts)) services.Verdict {
		r := &round{facts: *rightStack(edit)}
		r.view.Event = func(pod, _, reason, _ string) { events = append(events, pod+" "+reason) }
		return o.conclude(Judge(&r.facts), r, time.Now())
	}
	see(nil)
	if v := see(func(f *Facts) { f.down("m") }); v.Facts[MasterFact] != "10.0.0.m:6379" || len(events) != 0 {
		t.Fatalf("%+v %v", v.Facts, events)
	}
	if v := see(func(f *Facts) { f.promoted("a") }); v.Facts[MasterFact] != "10.0.0.a:6379" {
		t.Fatalf("%+v", v.Facts)
	}
	if len(events) != 1 || events[0] != "a RedisMaster" {
		t.Fatalf("%v", events)
	}
}

// TestWrongFor: how long something has been wrong counts from when it was first seen, and ends when it is right.
func TestWrongFor(t *testing.T) {
	o := New()
	o.turn.Do(o.init)
	begin := time.Now()
	for i, c := range []struct {
		wrong bool
		want  time.Duration
	}{{true, 0}, {true, time.Second}, {false, 0}, {true, 0}, {true, time.Second}} {
		if got := o.memory.since("m/redis", c.wrong, begin.Add(time.Duration(i)*time.Second)); got != c.want {
			t.Errorf("look %d: %s, want %s", i, got, c.want)
		}
	}
}

func TestStatus(t *testing.T) {
	s := statusOf(rightStack(func(f *Facts) { f.server("b").Offset = 40 }))
	if !s.Right || s.Master != "m" || !s.Agreed || len(s.Servers) != 3 || len(s.Watch) != 3 || s.Quorum != 2 {
		t.Fatalf("%+v", s)
	}
	if b := s.Servers[2]; b.Behind != 60 || b.Follows != "10.0.0.m:6379" {
		t.Fatalf("%+v", b)
	}
}
