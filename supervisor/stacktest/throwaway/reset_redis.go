package throwaway

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
)

// redisMemory holds the keys of a server's databases.
type redisMemory map[int][]redisKey

// redisKey is one key in DUMP format. until is when it expires, zero for never.
type redisKey struct {
	name, value string
	until       time.Time
}

// redisBatch is the number of keys per round trip.
const redisBatch = 200

func rememberRedis(ctx context.Context, v services.View) (redisMemory, error) {
	m := redisMemory{}
	err := withRedis(ctx, v, nil, func(db int, c *redis.Client) (err error) {
		m[db], err = dumpKeys(ctx, c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot record the content of Redis: %w", err)
	}
	return m, nil
}

func dumpKeys(ctx context.Context, c *redis.Client) ([]redisKey, error) {
	var out []redisKey
	seen := map[string]bool{}
	for cursor := uint64(0); ; {
		names, next, err := c.Scan(ctx, cursor, "", redisBatch).Result()
		if err != nil {
			return nil, err
		}
		pipe := c.Pipeline()
		for _, n := range names {
			pipe.Dump(ctx, n)
			pipe.PTTL(ctx, n)
		}
		now := time.Now()
		results, err := pipe.Exec(ctx)
		if err != nil && !errors.Is(err, redis.Nil) {
			return nil, err
		}
		for i, n := range names {
			dump, ok := results[2*i].(*redis.StringCmd)
			if !ok || dump.Err() != nil || seen[n] {
				continue // expired in the meantime, or returned twice
			}
			seen[n] = true
			k := redisKey{name: n, value: dump.Val()}
			if ttl, ok := results[2*i+1].(*redis.DurationCmd); ok && ttl.Val() > 0 {
				k.until = now.Add(ttl.Val())
			}
			out = append(out, k)
		}
		if cursor = next; cursor == 0 {
			return out, nil
		}
	}
}

// resetRedis empties and refills the server, in one transaction per database, so that clients never see partial content.
func resetRedis(ctx context.Context, v services.View, m redisMemory) error {
	err := withRedis(ctx, v, m, func(db int, c *redis.Client) error {
		pipe := c.TxPipeline()
		pipe.FlushDB(ctx)
		for _, k := range m[db] {
			ttl := time.Duration(0)
			if !k.until.IsZero() {
				ttl = max(time.Until(k.until), time.Millisecond)
			}
			pipe.Restore(ctx, k.name, ttl, k.value)
		}
		_, err := pipe.Exec(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("cannot reset Redis: %w", err)
	}
	return nil
}

// withRedis calls f for each database of the master that has keys, or has some in m.
func withRedis(ctx context.Context, v services.View, m redisMemory, f func(db int, c *redis.Client) error) error {
	p, err := withRole(v, "master")
	if err != nil {
		return err
	}
	env, err := v.Env(p.Name, "")
	if err != nil {
		return err
	}
	opts := redis.Options{
		Addr:     net.JoinHostPort(p.Status.PodIP, fmt.Sprint(portOf(p, "redis", 6379))),
		Password: env["REDIS_PASSWORD"], Dialer: v.Dial, Protocol: 2, DisableIdentity: true, MaxRetries: -1,
	}
	first := redis.NewClient(&opts)
	defer first.Close()
	info, err := first.Info(ctx, "keyspace").Result()
	if err != nil {
		return err
	}
	used := databases(info)
	for db := range m {
		used[db] = true
	}
	for _, db := range slices.Sorted(maps.Keys(used)) {
		c := first
		if db != 0 {
			other := opts
			other.DB = db
			c = redis.NewClient(&other)
		}
		err := f(db, c)
		if c != first {
			_ = c.Close()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// databases returns the databases with keys, from the answer to INFO keyspace: a line "db0:keys=..." each. It is pure.
func databases(info string) map[int]bool {
	used := map[int]bool{}
	for line := range strings.Lines(info) {
		name, _, _ := strings.Cut(line, ":")
		number, ok := strings.CutPrefix(name, "db")
		if n, err := strconv.Atoi(number); ok && err == nil {
			used[n] = true
		}
	}
	return used
}

// portOf returns the number of a named port of the pod, or the fallback.
func portOf(p *corev1.Pod, name string, fallback int32) int32 {
	for _, c := range p.Spec.Containers {
		for _, x := range c.Ports {
			if x.Name == name {
				return x.ContainerPort
			}
		}
	}
	return fallback
}

// flushMemcached empties every server.
func flushMemcached(ctx context.Context, v services.View) error {
	for _, p := range v.Pods {
		if p.Status.PodIP == "" || p.DeletionTimestamp != nil {
			continue
		}
		if err := flushOne(ctx, v, p); err != nil {
			return fmt.Errorf("cannot empty Memcached in pod %s: %w", p.Name, err)
		}
	}
	return nil
}

func flushOne(ctx context.Context, v services.View, p *corev1.Pod) error {
	c, err := v.Dial(ctx, "tcp", net.JoinHostPort(p.Status.PodIP, fmt.Sprint(portOf(p, "memcache", 11211))))
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	if _, err := c.Write([]byte("flush_all\r\n")); err != nil {
		return err
	}
	answer, err := bufio.NewReader(c).ReadString('\n')
	if err == nil && strings.TrimSpace(answer) != "OK" {
		err = fmt.Errorf("it answered %q", answer)
	}
	return err
}
