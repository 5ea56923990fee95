package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/services/mariadb"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newMariaDBCommand(st *ui.Streams) *cli.Command {
	changed := func(_ *cli.Context, p mariadb.Promoted) { printPromoted(st.Out, p) }
	return &cli.Command{
		Name: "mariadb", Usage: "show the MariaDB servers or change the master",
		Subcommands: []*cli.Command{
			operatorCommand(st, "mariadb", cli.Command{Name: "status", Usage: "roles, positions, replication threads and lag"},
				func(_ *cli.Context, s mariadb.Status) { printMariaDB(st.Out, s) }),
			operatorCommand(st, "mariadb", cli.Command{
				Name: "promote", Usage: "promote a slave to master without losing writes; the old master becomes a slave", ArgsUsage: "[POD]",
				Flags: []cli.Flag{&cli.BoolFlag{Name: "force", Usage: "promote even if the slave lacks writes, which are lost; prints their GTIDs"}},
			}, changed),
			operatorCommand(st, "mariadb", cli.Command{Name: "switchback", Usage: "promote the declared master again"}, changed),
		},
	}
}

func printMariaDB(out io.Writer, s mariadb.Status) {
	fmt.Fprintf(out, "%s (master %s, epoch %d)\n", s.Message, dash(s.Master), s.Epoch)
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "POD\tROLE\tDECLARED\tRIGHT\tREAD-ONLY\tIO\tSQL\tLAG\tBEHIND\tGTID\tVERSION\tWHY")
	for _, p := range s.Servers {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", p.Pod, dash(p.Role), dash(p.Declared), yes(p.Right), yes(p.ReadOnly),
			dash(p.IO), dash(p.SQL), dash(p.LagSeconds), p.Behind, dash(p.GTID), dash(p.Version), why(p.Reason, cmp.Or(p.Message, p.Seeding)))
	}
	_ = w.Flush()
}

func printPromoted(out io.Writer, p mariadb.Promoted) {
	if p.From == "" && p.Closed == 0 {
		fmt.Fprintf(out, "%s is already the master; nothing was changed\n", p.To)
		return
	}
	fmt.Fprintf(out, "%s is now the master (was %s); writes were blocked for %s\n", p.To, dash(p.From), p.Closed.Round(time.Millisecond))
	if p.Lost != "" {
		fmt.Fprintf(out, "lost writes: %s\n", p.Lost)
	}
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// why joins a reason and a message into one line.
func why(reason, message string) string {
	return strings.Trim(reason+": "+strings.ReplaceAll(message, "\n", " "), ": ")
}
