//go:build unix

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// peerPatience is how long the peer's writer tries after a fault. It ends never: nothing restarts or replaces the master under the name
// that the clients know.
const peerPatience = 15 * time.Second

// drillReport is what the benchmark reads of a drill's report.
type drillReport struct {
	Clients []struct {
		Client    string        `json:"client"`
		Recovered time.Duration `json:"recovered"`
		Lost      int           `json:"lost"`
	} `json:"clients"`
	Problems []string `json:"problems"`
}

// measureRedis lets the Redis master hang, and kills it, by lyandev's drills: clients write all the time through the Service of the
// master. A drill ends when the stack is right again.
func measureRedis(ctx context.Context, b *bench) error {
	if err := b.composeRedis(ctx); err != nil {
		b.noPeer(err, "redis/hung", "redis/killed")
	}
	for range b.runs {
		if _, err := b.drill(ctx, "redis/hung", "redis-failover"); err != nil {
			return err
		}
		lost, err := b.drill(ctx, "redis/killed", "redis-crash")
		if err != nil {
			return err
		}
		b.ours("redis/lost", float64(lost))
	}
	return nil
}

// drill runs a drill, adds the time until the Redis client wrote again to a row, and returns how many writes were lost. A drill that
// misses its own limits is a measurement as well.
func (b *bench) drill(ctx context.Context, key, name string) (lost int, err error) {
	r, err := b.ha.lyandev(ctx, "drill", name, "--json")
	var report drillReport
	if json.Unmarshal([]byte(r.out), &report) != nil {
		return 0, errors.Join(fmt.Errorf("the drill %s gave no report", name), err)
	}
	for _, c := range report.Clients {
		if strings.HasPrefix(c.Client, "redis") {
			if c.Recovered == 0 {
				return 0, fmt.Errorf("drill %s: no write has failed, or none succeeded afterwards: %s", name, strings.Join(report.Problems, "; "))
			}
			b.ours(key, c.Recovered.Seconds())
			return c.Lost, nil
		}
	}
	return 0, fmt.Errorf("drill %s: its report has no Redis client:\n%s", name, lastLines(r.out, 8))
}

// composeRedis does the same to the peer's Redis: its master is paused and continued, then killed; a client writes to the name
// redis-master all the time.
func (b *bench) composeRedis(ctx context.Context) error {
	defer b.cleanUp(len(b.undo))
	p, err := b.haPeer("redis-peer")
	if err != nil {
		return err
	}
	if _, err := p.compose(ctx, "up", "-d", "--wait", "--no-build", "redis", "redis-sentinel"); err != nil {
		return err
	}
	master := p.name + "-redis-master-1"
	if took, written := b.writesAgain(ctx, master, time.Second); !written {
		return fmt.Errorf("cannot write to %s for %s", master, took)
	}
	for _, fault := range []struct{ key, do, undo string }{{"redis/hung", "pause", "unpause"}, {"redis/killed", "kill", ""}} {
		if _, err := b.command(ctx, "docker", fault.do, master); err != nil {
			return err
		}
		took, written := b.writesAgain(ctx, master, peerPatience)
		b.theirs(fault.key, took.Seconds())
		b.res.row(fault.key).AtLeast = !written
		if fault.undo == "" {
			continue
		}
		if _, err := b.command(ctx, "docker", fault.undo, master); err != nil {
			return err
		}
	}
	return nil
}

// writesAgain tries to write to the container that a name leads to until it succeeds, or patience is over.
func (b *bench) writesAgain(ctx context.Context, container string, patience time.Duration) (took time.Duration, written bool) {
	began := time.Now()
	for ctx.Err() == nil && time.Since(began) < patience {
		address, err := b.command(ctx, "docker", "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", container)
		if err == nil && writeRedis(net.JoinHostPort(strings.TrimSpace(address), "6379")) == nil {
			return time.Since(began), true
		}
		_ = sleep(ctx, 10*time.Millisecond)
	}
	return time.Since(began), false
}

// writeRedis sets a key, within a second.
func writeRedis(address string) error {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write([]byte("SET lyandev-bench 1\r\n")); err != nil {
		return err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && answer != "+OK\r\n" {
		err = fmt.Errorf("unexpected answer %q", answer)
	}
	return err
}
