package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/services/mariadb"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newMariaDBCommand(st *ui.Streams) *cli.Command {
	changed := func(p mariadb.Promoted, _ output.Options) error { printPromoted(st.Out, p); return nil }
	return &cli.Command{
		Name: "mariadb", Usage: "show the MariaDB servers or change the master",
		Subcommands: []*cli.Command{
			operatorCommand(st, "mariadb", cli.Command{Name: "status", Usage: "roles, positions, replication threads and lag"},
				func(s mariadb.Status, how output.Options) error { return printMariaDB(st, s, how) }),
			operatorCommand(st, "mariadb", cli.Command{
				Name: "promote", Usage: "promote a slave to master without losing writes; the old master becomes a slave", ArgsUsage: "[POD]",
				Flags: []cli.Flag{&cli.BoolFlag{Name: "force", Usage: "promote even if the slave lacks writes, which are lost; prints their GTIDs"}},
			}, changed),
			operatorCommand(st, "mariadb", cli.Command{Name: "switchback", Usage: "promote the declared master again"}, changed),
		},
	}
}

var mariaDBServers = output.List[mariadb.ServerStatus]{Columns: []output.Column[mariadb.ServerStatus]{
	words("POD", func(p mariadb.ServerStatus) string { return p.Pod }),
	words("ROLE", func(p mariadb.ServerStatus) string { return p.Role }),
	words("DECLARED", func(p mariadb.ServerStatus) string { return p.Declared }),
	words("HEALTHY", func(p mariadb.ServerStatus) string { return yes(p.Right) }),
	words("READ-ONLY", func(p mariadb.ServerStatus) string { return yes(p.ReadOnly) }),
	words("IO", func(p mariadb.ServerStatus) string { return p.IO }),
	words("SQL", func(p mariadb.ServerStatus) string { return p.SQL }),
	words("LAG", func(p mariadb.ServerStatus) string { return p.LagSeconds }),
	numbers("BEHIND", func(p mariadb.ServerStatus) int64 { return int64(p.Behind) }),
	words("GTID", func(p mariadb.ServerStatus) string { return p.GTID }),
	words("VERSION", func(p mariadb.ServerStatus) string { return p.Version }),
	words("WHY", func(p mariadb.ServerStatus) string { return why(p.Reason, cmp.Or(p.Message, p.Seeding)) }),
}}

func printMariaDB(st *ui.Streams, s mariadb.Status, how output.Options) error {
	fmt.Fprintf(st.Out, "%s (master %s, epoch %d)\n", s.Message, dash(s.Master), s.Epoch)
	return mariaDBServers.Print(st.Out, s.Servers, how)
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
