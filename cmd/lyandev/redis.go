package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/services/redis"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newRedisCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "redis", Usage: "show the Redis servers and sentinels or fail over to another master",
		Subcommands: []*cli.Command{
			operatorCommand(st, "redis", cli.Command{Name: "status", Usage: "roles, links, offsets, and each sentinel's view"},
				func(_ *cli.Context, s redis.Status) { printRedis(st.Out, s) }),
			operatorCommand(st, "redis", cli.Command{
				Name: "failover", Usage: "fail over to another master chosen by the sentinels; writes are paused meanwhile so that none is lost",
			}, func(_ *cli.Context, f redis.FailedOver) {
				fmt.Fprintf(st.Out, "%s is now the master (was %s); the failover took %s\n", f.To, f.From, f.Took.Round(time.Millisecond))
			}),
		},
	}
}

func printRedis(out io.Writer, s redis.Status) {
	fmt.Fprintf(out, "%s (master %s at %s)\n", s.Message, dash(s.Master), dash(s.Address))
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "SERVER\tROLE\tRIGHT\tADDRESS\tFOLLOWS\tLINK\tKEYS\tOFFSET\tBEHIND\tAOF\tVERSION\tWHY")
	for _, p := range s.Servers {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\t%s\t%s\n", p.Pod, dash(p.Role), yes(p.Right), p.Address, dash(p.Follows),
			yes(p.Link || p.Follows == ""), p.Keys, p.Offset, p.Behind, yes(p.AOF), dash(p.Version), why(p.Reason, p.Message))
	}
	_ = w.Flush()
	if len(s.Watch) == 0 {
		return
	}
	fmt.Fprintf(out, "\nsentinels of %s, quorum %d, %s\n", s.Group, s.Quorum, map[bool]string{true: "agreed", false: "not agreed"}[s.Agreed])
	w = tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "SENTINEL\tRIGHT\tADDRESS\tNAMES\tQUORUM\tREPLICAS\tOTHERS\tWHY")
	for _, p := range s.Watch {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\n", p.Pod, yes(p.Right), p.Address, dash(p.Names), dash(strings.Split(p.Check, ". ")[0]), p.Replicas, p.Others,
			why(p.Reason, p.Message))
	}
	_ = w.Flush()
}
