package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/supervisor/ui"
)

// newApp returns the command line: the global flags and all commands. Each command is in its own file.
func newApp(st *ui.Streams) *cli.App {
	cli.VersionFlag = &cli.BoolFlag{Name: "version", Usage: "print the version and exit"}
	app := &cli.App{
		Name:            "lyandev",
		Usage:           "run an application with Kubernetes semantics on plain Docker, without a cluster",
		Version:         version,
		Writer:          st.Out,
		ErrWriter:       st.Err,
		HideHelpCommand: true,
		Suggest:         true,
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "file", Aliases: []string{"f"}, Usage: "the stack's `FILE`; repeat it to merge several in order; default: lyanna.dev.yaml or compose.yaml in this directory or a parent", EnvVars: []string{"LYANDEV_FILE"}},
			&cli.StringFlag{Name: "project-name", Aliases: []string{"p"}, Usage: "the `NAME` of the instance; default: derived from the file's name: and the directory", EnvVars: []string{"LYANDEV_PROJECT"}},
			&cli.StringSliceFlag{Name: "env-file", Usage: "read variables from `FILE`"},
			&cli.BoolFlag{Name: "debug", Usage: "log the supervisor's decisions", EnvVars: []string{"LYANDEV_DEBUG"}},
		},
		Commands: []*cli.Command{
			newUpCommand(st), newDownCommand(st), newPsCommand(st), newLogsCommand(st), newExecCommand(st), newConfigCommand(st),
			newRestartCommand(st), newBuildCommand(st), newEndpointsCommand(st), newEventsCommand(st), newStatsCommand(st), newLsCommand(st),
			newProfileCommand(st), newSnapshotCommand(st), newCopyVolumeCommand(st), newDrillCommand(st), newWhyCommand(st), newDescribeCommand(st), newStatusCommand(st), newScaleCommand(st), newMariaDBCommand(st), newRedisCommand(st),
			newTestCommand(st), newReaperCommand(st), newVersionCommand(st), newSuperviseCommand(st), newAgentCommand(st), newSandboxCommand(st),
		},
		ExitErrHandler: func(*cli.Context, error) {}, // main reports and exits
		OnUsageError: func(_ *cli.Context, err error, _ bool) error {
			return withCode(exitUsage, fmt.Errorf("%w; see lyandev --help", err))
		},
		CommandNotFound: func(c *cli.Context, name string) {},
	}
	app.Action = func(c *cli.Context) error {
		if name := c.Args().First(); name != "" && name != "help" {
			return withCode(exitUsage, fmt.Errorf("there is no command %q; see lyandev --help", name))
		}
		return cli.ShowAppHelp(c)
	}
	for _, cmd := range app.Commands {
		cmd.OnUsageError = app.OnUsageError
	}
	return app
}
