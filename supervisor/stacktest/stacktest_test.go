package stacktest_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	"github.com/redis/go-redis/v9"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/stacktest"
	"github.com/lyandev/lyandev/supervisor/stacktest/throwaway"
)

// until waits for a condition, 30 s at most.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited 30 s in vain until %s", what)
		}
	}
}

// backends leaves the databases of a stack and drops the rest.
func backends(s *services.Stack) {
	var kept []*services.Workload
	for _, w := range s.Workloads {
		if w.Operator != "" {
			kept = append(kept, w)
		}
	}
	s.Workloads = kept
	var builds []*services.Build
	for _, b := range s.Builds {
		if !strings.HasPrefix(b.Name, "lyanna-deployment") {
			builds = append(builds, b)
		}
	}
	s.Builds = builds
}

func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// stackFile writes a stack of plain containers: web has a readiness probe, and a test command.
func stackFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "compose.yaml")
	const text = `
name: small
x-lyandev: {semantics: kubernetes}
services:
  web:
    image: debian:trixie-slim
    command: [sh, -c, 'echo hello from $$GREETING; touch /tmp/ready; exec sleep 600']
    init: true
    environment: {GREETING: small, PEER: "web:80"}
    stop_grace_period: 0s
    expose: ["80"]
    x-lyandev:
      probes:
        readiness: {exec: {command: [test, -e, /tmp/ready]}, periodSeconds: 1}
      service: {ports: [{name: http, port: 80}]}
`
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSmallStack(t *testing.T) {
	t.Parallel()
	s := stacktest.Start(t, stackFile(t))
	if r := s.Exec("web", "sh", "-c", "echo $GREETING; exit 7"); r.ExitCode != 7 || r.Output != "small\n" {
		t.Errorf("Exec = %+v", r)
	}
	if got := s.Logs("web"); !strings.Contains(got, "hello from small") {
		t.Errorf("Logs = %q", got)
	}
	pod := s.State().PodsOf("web")[0]
	began := pod.Status.ContainerStatuses[0].RestartCount
	s.Kill("web")
	until(t, "the container was started again", func() bool {
		return s.State().Pod(pod.Name).Status.ContainerStatuses[0].RestartCount > began
	})
	s.WaitReady()

	var out, errOut bytes.Buffer
	code, err := s.Copy().RunInStack(t.Context(), "web", services.TestCommand{
		Command: []string{"sh", "-c", "echo out $GREETING $EXTRA; echo err >&2; exit 3"}, Env: map[string]string{"EXTRA": "more"},
	}, &out, &errOut)
	if code != 3 || err != nil || out.String() != "out small more\n" || errOut.String() != "err\n" {
		t.Errorf("RunInStack = %d, %v, %q, %q", code, err, out.String(), errOut.String())
	}
	out.Reset()
	code, err = s.Copy().RunOnHost(t.Context(), "web", services.TestCommand{Command: []string{"sh", "-c", "echo $PEER; exit 4"}}, &out, io.Discard)
	if code != 4 || err != nil || out.String() != s.Addr("web", 80)+"\n" {
		t.Errorf("RunOnHost = %d, %v, %q", code, err, out.String())
	}
	if _, err := s.Copy().RunInStack(t.Context(), "nobody", services.TestCommand{Command: []string{"true"}}, io.Discard, io.Discard); err == nil {
		t.Error("a command in a workload that does not exist has run")
	}
	bundle := filepath.Join(t.TempDir(), "bundle")
	if err := s.Copy().Bundle(t.Context(), bundle); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"events.txt", "health.txt", "probes.txt", "state.json", "stack.yaml", "inspect.json"} {
		if info, err := os.Stat(filepath.Join(bundle, name)); err != nil || info.Size() == 0 {
			t.Errorf("the bundle has no %s: %v", name, err)
		}
	}
}

func TestStackThatNeverGetsReady(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "compose.yaml")
	text := "name: sad\nx-lyandev: {semantics: kubernetes}\nservices:\n  web:\n    image: debian:trixie-slim\n    command: [sh, -c, 'echo no; exit 9']\n"
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	seen := &fatal{TB: t}
	func() {
		defer func() { _ = recover() }()
		stacktest.Start(seen, path)
	}()
	if !strings.Contains(seen.text, "keeps exiting with code 9") {
		t.Errorf("Start said %q", seen.text)
	}
}

// fatal catches what a Stack says to its test.
type fatal struct {
	testing.TB
	text string
}

func (f *fatal) Fatal(args ...any) {
	f.text = fmt.Sprint(args...)
	panic("fatal")
}

func TestBackends(t *testing.T) {
	t.Parallel()
	s := stacktest.Start(t, "lyanna.dev.yaml", stacktest.Profile("minimal"), stacktest.Change(backends))
	db := must(sql.Open("mysql", s.DSN()))(t)
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE kept (id INT PRIMARY KEY AUTO_INCREMENT, v BLOB); "); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "INSERT INTO kept (v) VALUES (?), (?)", "one\n-- TABLE\tx\ty", []byte{0, 255, '\\'}); err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClient(&redis.Options{Addr: s.RedisAddr(), Protocol: 2, DisableIdentity: true})
	defer rdb.Close()
	rdb.Set(t.Context(), "kept", "before", 0)
	rdb.Set(t.Context(), "short", "lived", time.Hour)
	rdb.Do(t.Context(), "SELECT", 0)
	if err := s.Copy().Remember(t.Context()); err != nil {
		t.Fatal(err)
	}

	for range 2 {
		for _, q := range []string{
			"INSERT INTO kept (v) VALUES ('three')", "UPDATE kept SET v = 'x' WHERE id = 1", "ALTER TABLE kept ADD COLUMN w INT",
			"CREATE TABLE added (id INT)",
		} {
			if _, err := db.ExecContext(t.Context(), q); err != nil {
				t.Fatal(err)
			}
		}
		rdb.Set(t.Context(), "kept", "after", 0)
		rdb.Set(t.Context(), "added", "x", 0)
		memcached(t, s.Addr("lyanna-memcached", 11211), "set k 0 0 1\r\nv\r\n", "STORED")

		began := time.Now()
		s.Reset()
		t.Logf("Reset took %s", time.Since(began))

		var n, columns, tables int
		var first, second []byte
		row := db.QueryRowContext(t.Context(), "SELECT COUNT(*), MIN(v), (SELECT v FROM kept WHERE id = 2) FROM kept")
		if err := row.Scan(&n, new([]byte), &second); err != nil || n != 2 || !bytes.Equal(second, []byte{0, 255, '\\'}) {
			t.Errorf("kept has %d rows, second %q, %v", n, second, err)
		}
		if err := db.QueryRowContext(t.Context(), "SELECT v FROM kept WHERE id = 1").Scan(&first); err != nil || string(first) != "one\n-- TABLE\tx\ty" {
			t.Errorf("kept's first row is %q, %v", first, err)
		}
		const count = "SELECT (SELECT COUNT(*) FROM information_schema.columns WHERE table_name = 'kept'), (SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'added')"
		if err := db.QueryRowContext(t.Context(), count).Scan(&columns, &tables); err != nil || columns != 2 || tables != 0 {
			t.Errorf("kept has %d columns, there are %d tables too many, %v", columns, tables, err)
		}
		keys := must(rdb.Keys(t.Context(), "*").Result())(t)
		if v := rdb.Get(t.Context(), "kept").Val(); v != "before" || len(keys) != 2 {
			t.Errorf("redis has %v, kept is %q", keys, v)
		}
		if ttl := rdb.TTL(t.Context(), "short").Val(); ttl <= 0 || ttl > time.Hour {
			t.Errorf("short lives for %s", ttl)
		}
		memcached(t, s.Addr("lyanna-memcached", 11211), "get k\r\n", "END")
	}
	faults(t, s)
}

// faults freezes and cuts off, and sees that it shows and heals.
func faults(t *testing.T, s *stacktest.Stack) {
	addr := s.RedisAddr()
	answers := func() bool {
		c := redis.NewClient(&redis.Options{Addr: addr, Protocol: 2, DisableIdentity: true, DialTimeout: time.Second, ReadTimeout: 300 * time.Millisecond, MaxRetries: -1})
		defer c.Close()
		return c.Ping(t.Context()).Err() == nil
	}
	s.Pause("redis-master")
	until(t, "redis is silent", func() bool { return !answers() })
	s.Unpause("redis-master")
	until(t, "redis answers again", answers)
	s.Disconnect("redis-master")
	until(t, "redis cannot be reached", func() bool { return !answers() })
	time.Sleep(3 * time.Second) // the supervisor looks for disconnected pods every second
	if answers() {
		t.Error("redis can be reached although it is disconnected")
	}
	s.Reconnect("redis-master")
	until(t, "redis can be reached again", answers)
	s.WaitReady()
}

func memcached(t *testing.T, addr, request, want string) {
	t.Helper()
	c := must(net.Dial("tcp", addr))(t)
	defer c.Close()
	if _, err := c.Write([]byte(request)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	n, err := c.Read(buf)
	if err != nil || !strings.HasPrefix(string(buf[:n]), want) {
		t.Errorf("memcached answered %q, %v; want %s", buf[:n], err, want)
	}
}

// Four copies of one stack at the same time do not disturb each other, and nothing stays behind.
func TestFourInParallel(t *testing.T) {
	path := stackFile(t)
	var copies []*throwaway.Copy
	t.Run("all", func(t *testing.T) {
		names := make(chan *throwaway.Copy, 4)
		for i := range 4 {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				s := stacktest.Start(t, path, stacktest.WithoutReset())
				names <- s.Copy()
				if r := s.Exec("web", "true"); r.ExitCode != 0 {
					t.Errorf("Exec = %+v", r)
				}
			})
		}
		t.Cleanup(func() {
			close(names)
			for c := range names {
				copies = append(copies, c)
			}
		})
	})
	if len(copies) != 4 {
		t.Fatalf("%d copies ran", len(copies))
	}
	ports := map[int32]bool{}
	for _, c := range copies {
		if err := nothingLeft(t.Context(), c); err != nil {
			t.Error(err)
		}
		for _, p := range c.Stack().HostPorts {
			if ports[p.HostPort] || p.HostPort == 0 {
				t.Errorf("host port %d is used twice", p.HostPort)
			}
			ports[p.HostPort] = true
		}
	}
}

func nothingLeft(ctx context.Context, c *throwaway.Copy) error {
	labels := map[string]string{services.ProjectLabel: c.Name()}
	containers, err1 := c.Engine().ListContainers(ctx, labels)
	networks, err2 := c.Engine().ListNetworks(ctx, labels)
	volumes, err3 := c.Engine().ListVolumes(ctx, labels)
	if n := len(containers) + len(networks) + len(volumes); n > 0 {
		return fmt.Errorf("%s left %d objects", c.Name(), n)
	}
	return errors.Join(err1, err2, err3)
}
