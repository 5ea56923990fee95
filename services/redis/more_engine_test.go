package redis

import (
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/catalogue/enginetest"
)

// TestPlainServers: processes that no image of ours prepared, without a file, told nothing: the operator does it all, and the
// data of the server that was there before becomes everybody's.
func TestPlainServers(t *testing.T) {
	l, o := enginetest.New(t, "redis", "10.249.0.64/26"), newOperator(t)
	plain := func(script string, port int32) enginetest.Container {
		return enginetest.Container{
			Name: "p", Image: image, Args: []string{"sh", "-c", script}, Env: map[string]string{"REDIS_PASSWORD": "secret"},
			Port: corev1.ContainerPort{ContainerPort: port},
		}
	}
	serve := func(name, role string) {
		l.Start(enginetest.Pod{
			Name: name, IP: addresses[name], Workload: name, Options: map[string]string{"role": role},
			Containers: []enginetest.Container{plain("exec redis-server --protected-mode no --bind 0.0.0.0 --requirepass secret --dir /tmp", 6379)},
		})
	}
	serve("redis-master", "master")
	l.Until(o, 20*time.Second, "right alone", enginetest.Right)
	c := goredis.NewClient(&goredis.Options{Addr: addresses["redis-master"] + ":6379", Password: "secret", DisableIdentity: true, Protocol: 2})
	defer c.Close()
	if err := c.Set(t.Context(), "a", "1", 0).Err(); err != nil {
		t.Fatal(err)
	}
	serve("redis-0", "replica")
	for _, name := range []string{"redis-sentinel-0", "redis-sentinel-1", "redis-1"} {
		l.Start(enginetest.Pod{
			Name: name, IP: addresses[name], Workload: name, Options: map[string]string{"role": "sentinel", "down-after": "1500ms"},
			Containers: []enginetest.Container{plain("printf 'port 26379\nprotected-mode no\nbind 0.0.0.0\n' >/tmp/s.conf; exec redis-server /tmp/s.conf --sentinel", 26379)},
		})
	}
	l.Until(o, 40*time.Second, "right with replica and sentinels", enginetest.Right)
	r := goredis.NewClient(&goredis.Options{Addr: addresses["redis-0"] + ":6379", Password: "secret", DisableIdentity: true, Protocol: 2})
	defer r.Close()
	if got := r.Get(t.Context(), "a").Val(); got != "1" {
		t.Fatalf("the replica has %q", got)
	}
	// Back to one server, which was the replica: it is left behind by its master and leads.
	did, err := o.Failover(t.Context(), l.View())
	if err != nil || did.To != "redis-0" {
		t.Fatalf("%+v %v", did, err)
	}
	l.Until(o, 30*time.Second, "right after the failover", masterIs("redis-0"))
	for _, name := range []string{"redis-sentinel-0", "redis-sentinel-1", "redis-1", "redis-0"} {
		l.Remove(name, true)
	}
	v := l.Until(o, 30*time.Second, "right alone again", masterIs("redis-master"))
	if got := c.Get(t.Context(), "a").Val(); got != "1" || v.Facts[MasterFact] != addresses["redis-master"]+":6379" {
		t.Fatalf("%q, %v", got, v.Facts)
	}
}

// TestDataIsNeverWiped: a server that holds keys is not attached to a master that holds none.
func TestDataIsNeverWiped(t *testing.T) {
	l, o := ha(t)
	full := addresses["redis-0"] + ":6379"
	// Somebody took the replica out and wrote on it, while the master is empty.
	command(t, full, "REPLICAOF", "NO", "ONE")
	command(t, full, "SET", "precious", "1")
	l.Until(o, 20*time.Second, "refused", func(v services.Verdict) bool { return v.Pods["redis-0"].Reason == "MasterEmpty" })
	if got := command(t, full, "GET", "precious"); got != "1" {
		t.Fatalf("wiped: %q", got)
	}
	command(t, full, "FLUSHALL")
	l.Until(o, 30*time.Second, "right", enginetest.Right)
}

// TestNoQuorumIsNamed: with one sentinel of three the system is not right, and the servers stay so.
func TestNoQuorumIsNamed(t *testing.T) {
	l, o := ha(t)
	l.Kill("redis-sentinel-0", "sentinel")
	l.Kill("redis-sentinel-1", "sentinel")
	v := l.Until(o, 30*time.Second, "named", func(v services.Verdict) bool { // the killed ones stay right for grace
		return !v.Right && strings.Contains(v.Pods["redis-master"].Detail["sentinel"], "NOQUORUM") && !v.Pods["redis-sentinel-0"].Right
	})
	if !v.Pods["redis-master"].Right || !v.Pods["redis-0"].Right {
		t.Fatalf("%+v", v.Pods)
	}
	if _, err := o.Failover(t.Context(), l.View()); err == nil {
		t.Fatal("failed over without a quorum")
	}
	l.Restart("redis-sentinel-0", "sentinel")
	l.Restart("redis-sentinel-1", "sentinel")
	l.Until(o, 30*time.Second, "right", enginetest.Right)
}
