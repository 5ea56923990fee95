package main

import (
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/agent"
	"github.com/lyandev/lyandev/supervisor/loopback"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// newAgentCommand is the entry point of the agent's container.
func newAgentCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: agent.Command, Hidden: true, Usage: "serve DNS and service addresses inside a project's network",
		Action: func(c *cli.Context) error {
			conf, err := agent.ConfigFromEnv(os.Getenv)
			if err != nil {
				return withCode(exitUsage, err)
			}
			conf.Log = slog.New(slog.NewTextHandler(st.Err, nil))
			return agent.Run(c.Context, conf)
		},
	}
}

// newSandboxCommand is the entry point of a pod's sandbox container: it idles until it gets a stop signal, or serves the ports
// of the loopback that its argument lists.
func newSandboxCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "sandbox", Hidden: true, Usage: "hold a pod's network namespace", ArgsUsage: "[PORT=HOST:PORT,...]",
		Action: func(c *cli.Context) error {
			ctx, stop := signal.NotifyContext(c.Context, syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			if c.NArg() == 0 {
				<-ctx.Done()
				return nil
			}
			ports, err := services.ParseLocalhost(c.Args().First())
			if err != nil {
				return withCode(exitUsage, err)
			}
			return loopback.Serve(ctx, ports, slog.New(slog.NewTextHandler(st.Err, nil)))
		},
	}
}
