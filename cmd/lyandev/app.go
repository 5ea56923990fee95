package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/supervisor/ui"
)

// newApp is the command line: global flags, and a command a file.
func newApp(st *ui.Streams) *cli.App {
	cli.VersionFlag = &cli.BoolFlag{Name: "version", Usage: "print the version and exit"}
	app := &cli.App{
		Name:            "lyandev",
		Usage:           "the semantics of Kubernetes at the weight of Compose, on plain Docker",
		Version:         version,
		Writer:          st.Out,
		ErrWriter:       st.Err,
		HideHelpCommand: true,
		Suggest:         true,
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "file", Aliases: []string{"f"}, Usage: "the stack's `FILE` (again for more, merged in order); default: lyanna.dev.yaml, compose.yaml here or above", EnvVars: []string{"LYANDEV_FILE"}},
			&cli.StringFlag{Name: "project-name", Aliases: []string{"p"}, Usage: "the `NAME` of the instance; default: the file's name, one instance a directory", EnvVars: []string{"LYANDEV_PROJECT"}},
			&cli.StringSliceFlag{Name: "env-file", Usage: "read variables from `FILE`"},
			&cli.BoolFlag{Name: "debug", Usage: "log what the supervisor decides", EnvVars: []string{"LYANDEV_DEBUG"}},
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
