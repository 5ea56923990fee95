package redis

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/catalogue/enginetest"
)

const image = "lyandev/redis:dev"

var addresses = map[string]string{
	"redis-master": "10.249.0.70", "redis-0": "10.249.0.71", "redis-1": "10.249.0.72",
	"redis-sentinel-0": "10.249.0.73", "redis-sentinel-1": "10.249.0.74", "redis": "10.249.0.75",
}

func server(volume string, env map[string]string) enginetest.Container {
	return enginetest.Container{
		Name: "redis", Image: image, Volume: volume, Mount: "/data", Env: env,
		Port: corev1.ContainerPort{Name: "redis", ContainerPort: 6379},
	}
}

// watcher is a sentinel that was told of the first master, as any is; Env says who the others are.
func watcher(volume string) enginetest.Container {
	return enginetest.Container{
		Name: "sentinel", Image: image, Args: []string{"redis-sentinel"}, Volume: volume, Mount: "/data",
		Env: map[string]string{
			"SENTINEL": "true", "LYANDEV_REDIS_MASTER_ADDR": addresses["redis-master"],
			"REDIS_SENTINEL_QUORUM": "2", "REDIS_SENTINEL_DOWN_AFTER_MS": "1500", "LYANDEV_SENTINELS": sentinels,
		},
		Port: corev1.ContainerPort{Name: "sentinel", ContainerPort: 26379},
	}
}

const sentinels = "10.249.0.70:26379,10.249.0.73:26379,10.249.0.74:26379"

func masterPod() enginetest.Pod {
	return enginetest.Pod{
		Name: "redis-master", IP: addresses["redis-master"], Workload: "redis-master", Options: map[string]string{"role": "master"},
		Containers: []enginetest.Container{
			server("master", map[string]string{"MASTER": "true", "LYANDEV_SENTINELS": sentinels}), watcher("master-sentinel"),
		},
	}
}

func replicaPod(name string) enginetest.Pod {
	return enginetest.Pod{
		Name: name, IP: addresses[name], Workload: "redis", Options: map[string]string{"role": "replica"},
		Containers: []enginetest.Container{server(name, map[string]string{
			"LYANDEV_REDIS_MASTER_ADDR": addresses["redis-master"], "LYANDEV_SENTINELS": sentinels,
		})},
	}
}

func sentinelPod(name string) enginetest.Pod {
	return enginetest.Pod{
		Name: name, IP: addresses[name], Workload: "redis-sentinel", Options: map[string]string{"role": "sentinel"},
		Containers: []enginetest.Container{watcher(name)},
	}
}

func newOperator(*testing.T) *Operator {
	o := &Operator{}
	if os.Getenv("LYANDEV_TEST_LOG") != "" {
		o.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return o
}

func ha(t *testing.T) (*enginetest.Lab, *Operator) {
	t.Helper()
	l, o := enginetest.New(t, "redis", "10.249.0.64/26"), newOperator(t)
	l.Start(masterPod())
	for _, name := range []string{"redis-0", "redis-1"} {
		l.Start(replicaPod(name))
	}
	for _, name := range []string{"redis-sentinel-0", "redis-sentinel-1"} {
		l.Start(sentinelPod(name))
	}
	l.Until(o, 60*time.Second, "right", enginetest.Right)
	return l, o
}

func client(t *testing.T, host string) *goredis.Client {
	t.Helper()
	c := goredis.NewClient(&goredis.Options{
		Addr: host, MaxRetries: -1, DialTimeout: 500 * time.Millisecond, ReadTimeout: 6 * time.Second,
		DisableIdentity: true, Protocol: 2, DialerRetries: 1,
	})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func command(t *testing.T, addr string, args ...any) string {
	t.Helper()
	out, err := client(t, addr).Do(t.Context(), args...).Result()
	if err != nil {
		t.Fatalf("%v on %s: %v", args, addr, err)
	}
	return fmt.Sprint(out)
}

func masterIs(pod string) func(services.Verdict) bool {
	return func(v services.Verdict) bool { return v.Right && v.Pods[pod].Role == "master" }
}

func masterPodOf(v services.Verdict) string {
	for pod, pv := range v.Pods {
		if pv.Role == "master" {
			return pod
		}
	}
	return ""
}

func TestSingleServer(t *testing.T) {
	l, o := enginetest.New(t, "redis", "10.249.0.64/26"), newOperator(t)
	l.Start(enginetest.Pod{
		Name: "redis", IP: addresses["redis"], Workload: "redis",
		Containers: []enginetest.Container{server("single", map[string]string{})},
	})
	v := l.Until(o, 20*time.Second, "right", masterIs("redis"))
	if got := v.Facts[MasterFact]; got != addresses["redis"]+":6379" {
		t.Fatalf("fact %q", got)
	}
	l.Pause("redis", "redis")
	l.Until(o, 20*time.Second, "seen", func(v services.Verdict) bool { return v.Pods["redis"].Reason == "NoAnswer" })
	l.Unpause("redis", "redis")
	l.Until(o, 20*time.Second, "right", enginetest.Right)
}

func TestFailoverIsFollowed(t *testing.T) {
	l, o := ha(t)
	command(t, addresses["redis-master"]+":6379", "SET", "a", "1")
	l.Kill("redis-master", "redis")
	started := time.Now()
	v := l.Until(o, 30*time.Second, "failed over", func(v services.Verdict) bool {
		m := masterPodOf(v)
		return m != "" && m != "redis-master" && v.Pods[m].Right && !strings.HasPrefix(v.Facts[MasterFact], addresses["redis-master"])
	})
	t.Logf("the role label moved %s after the kill", time.Since(started).Round(10*time.Millisecond))
	to := masterPodOf(v)
	command(t, addresses[to]+":6379", "SET", "b", "2")
	l.Restart("redis-master", "redis")
	v = l.Until(o, 30*time.Second, "right", masterIs(to))
	if v.Pods["redis-master"].Role != "replica" {
		t.Fatalf("%+v", v.Pods["redis-master"])
	}
	if got := command(t, addresses["redis-master"]+":6379", "GET", "b"); got != "2" {
		t.Fatalf("the old master has %q", got)
	}
	// An old master that calls itself one is turned at once, and nothing it was told meanwhile stays.
	command(t, addresses["redis-master"]+":6379", "REPLICAOF", "NO", "ONE")
	l.Until(o, 10*time.Second, "right", masterIs(to))
	if got := command(t, addresses["redis-master"]+":6379", "ROLE"); !strings.Contains(got, "slave") {
		t.Fatalf("the ghost is still %s", got)
	}
}

func TestPlannedFailoverLosesNothing(t *testing.T) {
	l, o := ha(t)
	var acked, failed atomic.Int64
	var master atomic.Value
	master.Store(addresses["redis-master"] + ":6379")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		clients := map[string]*goredis.Client{}
		for n := int64(1); ctx.Err() == nil; n++ {
			addr := master.Load().(string)
			if clients[addr] == nil {
				clients[addr] = client(t, addr)
			}
			if err := clients[addr].RPush(ctx, "acked", n).Err(); err != nil {
				failed.Add(1)
				_ = pause(ctx, 5*time.Millisecond)
				continue
			}
			acked.Add(1)
		}
	}()
	for range 3 {
		before := acked.Load()
		l.Until(o, 30*time.Second, "right", func(v services.Verdict) bool { return v.Right && acked.Load() > before+500 })
		did, err := o.Failover(t.Context(), l.View())
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%+v", did)
		master.Store(addresses[did.To] + ":6379")
		l.Until(o, 30*time.Second, "right", masterIs(did.To))
	}
	stop()
	<-done
	n := command(t, master.Load().(string), "LLEN", "acked")
	t.Logf("%d acknowledged, %s there, %d failed", acked.Load(), n, failed.Load())
	var there int64
	if _, err := fmt.Sscan(n, &there); err != nil || there < acked.Load() {
		t.Fatalf("%d acknowledged, %s there", acked.Load(), n)
	}
}

func TestSentinelsAreTaughtAndGhostsForgotten(t *testing.T) {
	l, o := ha(t)
	l.Remove("redis-sentinel-0", true)
	l.Start(sentinelPod("redis-sentinel-0"))
	l.Until(o, 30*time.Second, "right with a new sentinel", enginetest.Right)

	at := addresses["redis-sentinel-1"] + ":26379"
	command(t, at, "SENTINEL", "REMOVE", "mymaster")
	l.Until(o, 30*time.Second, "right after REMOVE", enginetest.Right)
	command(t, at, "SENTINEL", "SET", "mymaster", "quorum", "3", "down-after-milliseconds", "60000")
	l.Until(o, 30*time.Second, "right", enginetest.Right)
	if got := command(t, at, "SENTINEL", "MASTER", "mymaster"); !strings.Contains(got, "down-after-milliseconds 1500") {
		t.Fatal(got)
	}

	// A replica and a sentinel that come back at another address leave ghosts behind.
	l.Remove("redis-0", true)
	l.Remove("redis-sentinel-0", true)
	moved, watch := replicaPod("redis-0"), sentinelPod("redis-sentinel-0")
	moved.IP, watch.IP = "10.249.0.80", "10.249.0.81"
	l.Start(moved)
	l.Start(watch)
	l.Until(o, 60*time.Second, "right without ghosts", enginetest.Right)
	if got := command(t, at, "SENTINEL", "REPLICAS", "mymaster"); strings.Contains(got, addresses["redis-0"]+" ") {
		t.Fatalf("a ghost is left: %s", got)
	}
}

func TestWrongReplicasAndReplicaLoop(t *testing.T) {
	l, o := ha(t)
	command(t, addresses["redis-master"]+":6379", "SET", "a", "1")
	command(t, addresses["redis-0"]+":6379", "REPLICAOF", addresses["redis-1"], "6379")
	l.Until(o, 30*time.Second, "right after a chain", enginetest.Right)
	command(t, addresses["redis-0"]+":6379", "REPLICAOF", "10.249.0.99", "6379")
	l.Until(o, 30*time.Second, "right after a wrong address", enginetest.Right)
	// The master follows its replica: no master at all.
	command(t, addresses["redis-master"]+":6379", "REPLICAOF", addresses["redis-0"], "6379")
	l.Until(o, 60*time.Second, "right after a loop", enginetest.Right)
}

func TestWholeStackStopsAndStarts(t *testing.T) {
	l, o := ha(t)
	did, err := o.Failover(t.Context(), l.View())
	if err != nil {
		t.Fatal(err)
	}
	command(t, addresses[did.To]+":6379", "SET", "a", "1")
	l.Until(o, 30*time.Second, "right", masterIs(did.To))
	containers := []string{"redis-master/redis", "redis-master/sentinel", "redis-0/redis", "redis-1/redis", "redis-sentinel-0/sentinel", "redis-sentinel-1/sentinel"}
	for _, c := range containers {
		pod, name, _ := strings.Cut(c, "/")
		l.Kill(pod, name)
	}
	for _, c := range containers {
		pod, name, _ := strings.Cut(c, "/")
		l.Restart(pod, name)
	}
	v := l.Until(newOperator(t), 60*time.Second, "right", enginetest.Right)
	if got := command(t, addresses[masterPodOf(v)]+":6379", "GET", "a"); got != "1" {
		t.Fatalf("the master %s has %q", masterPodOf(v), got)
	}
}
