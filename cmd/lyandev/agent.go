package main

import (
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/supervisor/agent"
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

// newSandboxCommand is the entry point of a pod's sandbox container: it idles until it gets a stop signal.
func newSandboxCommand(*ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "sandbox", Hidden: true, Usage: "hold a pod's network namespace",
		Action: func(*cli.Context) error {
			ch := make(chan os.Signal, 1)
			signal.Notify(ch, syscall.SIGTERM, syscall.SIGINT)
			<-ch
			return nil
		},
	}
}
