package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lyandev/lyandev/services"
)

// lookDeadline limits the queries to one process, so that a hung one does not delay the others.
const lookDeadline = time.Second

// silentDeadline is the limit for a process that did not answer in the last look.
const silentDeadline = 200 * time.Millisecond

// downDeadline is the limit for such a process while a sentinel says that it is down.
const downDeadline = 50 * time.Millisecond

// connect returns a client for one call of the operator. It does not retry: the next observation follows soon.
func connect(view services.View, p process) *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr: p.At.String(), Password: p.password, Dialer: view.Dial, Protocol: 2, DisableIdentity: true,
		MaxRetries: -1, PoolSize: 2, ContextTimeoutEnabled: true, DialTimeout: lookDeadline,
		ReadTimeout: -1, WriteTimeout: -1, DialerRetries: 1,
	})
}

// info parses the answer of INFO.
func info(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":"); ok {
			out[k] = v
		}
	}
	return out
}

func lookAtServer(ctx context.Context, c *redis.Client, s *Server, needsAuth bool) error {
	text, err := c.Info(ctx, "server", "replication", "persistence", "keyspace").Result()
	if err != nil && strings.Contains(err.Error(), "wrong number of arguments") { // before 7.0
		text, err = c.Info(ctx).Result()
	}
	if err != nil {
		return fmt.Errorf("cannot read INFO of pod %s: %w", s.Pod, err)
	}
	fillServer(s, info(text))
	announce, err := c.ConfigGet(ctx, "replica-announce-ip").Result()
	if err == nil {
		s.Announce = announce["replica-announce-ip"]
	}
	s.MasterAuth = !needsAuth
	if needsAuth {
		auth, err := c.ConfigGet(ctx, "masterauth").Result()
		s.MasterAuth = err != nil || auth["masterauth"] != ""
	}
	return nil
}

func fillServer(s *Server, f map[string]string) {
	s.Version = f["redis_version"]
	s.Role = Master
	if f["role"] == "slave" {
		s.Role = Replica
		s.Follows = Endpoint{f["master_host"], number(f["master_port"], 0)}
	}
	s.Loading = f["loading"] == "1"
	s.LinkUp = f["master_link_status"] == "up"
	s.Syncing = f["master_sync_in_progress"] == "1"
	s.ReplID, s.OldID = f["master_replid"], f["master_replid2"]
	s.Replicas = number(f["connected_slaves"], 0)
	s.AOF = f["aof_enabled"] == "1"
	s.Offset = number64(f["master_repl_offset"])
	if s.Role == Replica {
		s.Offset = number64(f["slave_repl_offset"])
	}
	s.Keys = 0
	for k, v := range f {
		if strings.HasPrefix(k, "db") && strings.HasPrefix(v, "keys=") {
			n, _, _ := strings.Cut(strings.TrimPrefix(v, "keys="), ",")
			s.Keys += number64(n)
		}
	}
	if f["aof_last_write_status"] == "err" {
		s.Failing = "it cannot write its append-only file"
	}
}

func number64(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func lookAtSentinel(ctx context.Context, c *redis.Client, s *Sentinel, group string, flush bool) error {
	text, err := c.Info(ctx).Result()
	if err != nil {
		return fmt.Errorf("cannot read INFO of pod %s: %w", s.Pod, err)
	}
	f := info(text)
	s.Version, s.Tilt = f["redis_version"], f["sentinel_tilt"] == "1"
	master, err := c.Do(ctx, "SENTINEL", "MASTER", group).Result()
	if err != nil {
		if isReply(err) { // "ERR No such master with that name"
			return nil
		}
		return fmt.Errorf("cannot query the sentinel of pod %s: %w", s.Pod, err)
	}
	fillSentinel(s, fields(master))
	if s.FailingOver() {
		s.Successor = successor(ctx, c, group, s.Master)
	}
	s.Periods = periods(ctx, c)
	for _, list := range []struct {
		what string
		into *[]Peer
	}{{"REPLICAS", &s.Replicas}, {"SENTINELS", &s.Peers}} {
		reply, err := c.Do(ctx, "SENTINEL", list.what, group).Slice()
		if err != nil {
			return fmt.Errorf("cannot query the sentinel of pod %s for its %s: %w", s.Pod, strings.ToLower(list.what), err)
		}
		for _, one := range reply {
			p := fields(one)
			*list.into = append(*list.into, Peer{At: endpointOf(p), Flags: strings.Split(p["flags"], ",")})
		}
	}
	check, err := c.Do(ctx, "SENTINEL", "CKQUORUM", group).Text()
	s.Check, s.CheckOK = check, err == nil
	if err != nil {
		if !isReply(err) {
			return fmt.Errorf("cannot query the sentinel of pod %s for its quorum: %w", s.Pod, err)
		}
		s.Check = err.Error()
	}
	s.Announce = setting(ctx, c, "announce-ip")
	s.ID, _ = c.Do(ctx, "SENTINEL", "MYID").Text() // since 6.2
	if flush {
		if err := c.Do(ctx, "SENTINEL", "FLUSHCONFIG").Err(); err != nil && isReply(err) {
			s.Unsaved = err.Error()
		}
	}
	return nil
}

func fillSentinel(s *Sentinel, f map[string]string) {
	s.Known = true
	s.Master = endpointOf(f)
	s.Flags = strings.Split(f["flags"], ",")
	s.Quorum = number(f["quorum"], 0)
	s.Epoch = uint64(number64(f["config-epoch"]))
	s.Silence = time.Duration(number64(f["last-ping-sent"])) * time.Millisecond
	s.Settings = map[string]string{}
	for _, k := range []string{"down-after-milliseconds", "failover-timeout", "parallel-syncs"} {
		s.Settings[k] = f[k]
	}
}

// successor returns the address that a sentinel which is failing over tells clients, zero if that is still the old master.
func successor(ctx context.Context, c *redis.Client, group string, old Endpoint) Endpoint {
	reply, err := c.Do(ctx, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", group).StringSlice()
	if err != nil || len(reply) != 2 {
		return Endpoint{}
	}
	to := Endpoint{reply[0], number(reply[1], 0)}
	if to == old {
		return Endpoint{}
	}
	return to
}

// periods returns the periods of a sentinel in milliseconds, nil before 7.0, which lacks the command.
func periods(ctx context.Context, c *redis.Client) map[string]string {
	reply, err := c.Do(ctx, "SENTINEL", "DEBUG").Result()
	if err != nil {
		return nil
	}
	out := map[string]string{}
	for k, v := range fields(reply) {
		out[strings.ToLower(k)] = v
	}
	return out
}

// setting returns a global setting of a sentinel, "" before 6.2, which lacks the command.
func setting(ctx context.Context, c *redis.Client, name string) string {
	reply, err := c.Do(ctx, "SENTINEL", "CONFIG", "GET", name).Result()
	if err != nil {
		return ""
	}
	return fields(reply)[name]
}

// fields converts a flat reply of names and values to a map.
func fields(reply any) map[string]string {
	out := map[string]string{}
	list, ok := reply.([]any)
	if !ok {
		return out
	}
	for i := 0; i+1 < len(list); i += 2 {
		k, ok1 := list[i].(string)
		v, ok2 := list[i+1].(string)
		if ok1 && ok2 {
			out[k] = v
		}
	}
	return out
}

func endpointOf(f map[string]string) Endpoint { return Endpoint{f["ip"], number(f["port"], 0)} }

// isReply reports whether an error is an error reply of the process.
func isReply(err error) bool {
	_, ok := errors.AsType[redis.Error](err)
	return ok
}

// reasonOf returns the verdict's Reason for a failed query.
func reasonOf(err error) string {
	netErr, isNet := errors.AsType[net.Error](err)
	switch {
	case isReply(err) && (redis.HasErrorPrefix(err, "NOAUTH") || redis.HasErrorPrefix(err, "WRONGPASS")):
		return "AccessDenied"
	case isReply(err):
		return "LookFailed"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "Refused"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), isNet && netErr.Timeout():
		return "NoAnswer"
	}
	return "Refused"
}
