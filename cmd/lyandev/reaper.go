package main

import (
	"cmp"
	"fmt"
	"log/slog"
	"net"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/supervisor/reaper"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// newReaperCommand is the entry point of the reaper's container, which removes the objects of killed test runs.
func newReaperCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: reaper.Command, Hidden: true, Usage: "remove the Docker objects of killed test runs",
		Action: func(c *cli.Context) error {
			conf, err := reaper.ConfigFromEnv(os.Getenv)
			if err != nil {
				return withCode(exitUsage, err)
			}
			eng, err := connect(c.Context)
			if err != nil {
				return err
			}
			defer eng.Close()
			conf.Engine, conf.Log = eng, slog.New(slog.NewTextHandler(st.Err, nil))
			port := cmp.Or(os.Getenv("RYUK_PORT"), "8080")
			l, err := net.Listen("tcp", ":"+port)
			if err != nil {
				return fmt.Errorf("cannot listen on port %s: %w", port, err)
			}
			conf.Log.Info("waiting for clients", "address", l.Addr().String())
			return reaper.Run(c.Context, conf, l)
		},
	}
}
