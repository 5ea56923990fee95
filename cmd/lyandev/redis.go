package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/services/redis"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newRedisCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "redis", Usage: "show the Redis servers and sentinels or fail over to another master",
		Subcommands: []*cli.Command{
			operatorCommand(st, "redis", cli.Command{Name: "status", Usage: "roles, links, offsets, and each sentinel's view"},
				func(s redis.Status, how output.Options) error { return printRedis(st, s, how) }),
			operatorCommand(st, "redis", cli.Command{
				Name: "failover", Usage: "fail over to another master chosen by the sentinels; writes are paused meanwhile so that none is lost",
			}, func(f redis.FailedOver, _ output.Options) error {
				_, err := fmt.Fprintf(st.Out, "%s is now the master (was %s); the failover took %s\n", f.To, f.From, f.Took.Round(time.Millisecond))
				return err
			}),
		},
	}
}

// words is a List's column of a text, numbers one of a number.
func words[T any](title string, of func(T) string) output.Column[T] {
	return output.Column[T]{Title: title, Cell: of}
}

func numbers[T any, N int | int64](title string, of func(T) N) output.Column[T] {
	return output.Column[T]{Title: title, Cell: func(v T) string { return strconv.FormatInt(int64(of(v)), 10) }}
}

var redisServers = output.List[redis.ServerStatus]{Columns: []output.Column[redis.ServerStatus]{
	words("SERVER", func(p redis.ServerStatus) string { return p.Pod }),
	words("ROLE", func(p redis.ServerStatus) string { return p.Role }),
	words("HEALTHY", func(p redis.ServerStatus) string { return yes(p.Right) }),
	words("ADDRESS", func(p redis.ServerStatus) string { return p.Address }),
	words("FOLLOWS", func(p redis.ServerStatus) string { return p.Follows }),
	words("LINK", func(p redis.ServerStatus) string { return yes(p.Link || p.Follows == "") }),
	numbers("KEYS", func(p redis.ServerStatus) int64 { return int64(p.Keys) }),
	numbers("OFFSET", func(p redis.ServerStatus) int64 { return int64(p.Offset) }),
	numbers("BEHIND", func(p redis.ServerStatus) int64 { return int64(p.Behind) }),
	words("AOF", func(p redis.ServerStatus) string { return yes(p.AOF) }),
	words("VERSION", func(p redis.ServerStatus) string { return p.Version }),
	words("WHY", func(p redis.ServerStatus) string { return why(p.Reason, p.Message) }),
}}

var redisSentinels = output.List[redis.WatcherStatus]{Columns: []output.Column[redis.WatcherStatus]{
	words("SENTINEL", func(p redis.WatcherStatus) string { return p.Pod }),
	words("HEALTHY", func(p redis.WatcherStatus) string { return yes(p.Right) }),
	words("ADDRESS", func(p redis.WatcherStatus) string { return p.Address }),
	words("NAMES", func(p redis.WatcherStatus) string { return p.Names }),
	words("QUORUM", func(p redis.WatcherStatus) string { return strings.Split(p.Check, ". ")[0] }),
	numbers("REPLICAS", func(p redis.WatcherStatus) int64 { return int64(p.Replicas) }),
	numbers("OTHERS", func(p redis.WatcherStatus) int64 { return int64(p.Others) }),
	words("WHY", func(p redis.WatcherStatus) string { return why(p.Reason, p.Message) }),
}}

func printRedis(st *ui.Streams, s redis.Status, how output.Options) error {
	fmt.Fprintf(st.Out, "%s (master %s at %s)\n", s.Message, dash(s.Master), dash(s.Address))
	if err := redisServers.Print(st.Out, s.Servers, how); err != nil || len(s.Watch) == 0 {
		return err
	}
	fmt.Fprintf(st.Out, "\nsentinels of %s, quorum %d, %s\n", s.Group, s.Quorum, map[bool]string{true: "agreed", false: "not agreed"}[s.Agreed])
	return redisSentinels.Print(st.Out, s.Watch, how)
}
