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
		// A comma in --env or --file is a part of the value.
		DisableSliceFlagSeparator: true,
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "file", Aliases: []string{"f"}, Usage: "the stack's `FILE`; repeat it to merge several in order; default: lyanna.dev.yaml or compose.yaml in this directory or a parent", EnvVars: []string{"LYANDEV_FILE"}},
			&cli.StringFlag{Name: "project-name", Aliases: []string{"p"}, Usage: "the `NAME` of the instance; default: derived from the file's name: and the directory", EnvVars: []string{"LYANDEV_PROJECT"}},
			&cli.StringSliceFlag{Name: "profile", Usage: "a `PROFILE` for this command: of Compose, default COMPOSE_PROFILES, \"\" for none; or of x-lyandev, which stays active until another is chosen, default the active one, else the file's", EnvVars: []string{"LYANDEV_PROFILE"}},
			&cli.StringSliceFlag{Name: "env-file", Usage: "read variables from `FILE`"},
			&cli.StringFlag{Name: "project-directory", Usage: "the `DIR` that relative paths in the file are relative to; default: the first file's directory"},
			&cli.BoolFlag{Name: "debug", Usage: "log the supervisor's decisions", EnvVars: []string{"LYANDEV_DEBUG"}},
		},
		Commands: []*cli.Command{
			newUpCommand(st), newDownCommand(st), newPsCommand(st), newLogsCommand(st), newExecCommand(st), newConfigCommand(st),
			newBuildCommand(st), newEndpointsCommand(st), newEventsCommand(st), newStatsCommand(st), newTopCommand(st), newWaitCommand(st), newPortCommand(st), newPortForwardCommand(st), newImagesCommand(st), newPullCommand(st), newAttachCommand(st), newRunCommand(st), newCpCommand(st), newLsCommand(st),
			newProfileCommand(st), newSnapshotCommand(st), newCopyVolumeCommand(st), newFSGroupCommand(st), newDrillCommand(st), newWhyCommand(st), newDescribeCommand(st), newStatusCommand(st), newScaleCommand(st), newMariaDBCommand(st), newRedisCommand(st),
			newAutostartCommand(st), newTestCommand(st), newReaperCommand(st), newVersionCommand(st), newSuperviseCommand(st), newAgentCommand(st), newSandboxCommand(st),
		},
		ExitErrHandler: func(*cli.Context, error) {}, // main reports and exits
		OnUsageError:   badValue,
		Action:         cli.ShowAppHelp,
	}
	app.Commands = append(app.Commands, newLifecycleCommands(st)...)
	for _, cmd := range app.Commands {
		setUp(cmd)
	}
	return app
}

// setUp gives a command and those below it what all commands have.
func setUp(cmd *cli.Command) {
	cmd.OnUsageError = badValue
	cmd.HideHelpCommand = true // arrange does it; the library would take an argument "help" for a command
	cmd.CustomHelpTemplate = cli.CommandHelpTemplate + projectFlagsHelp
	if len(cmd.Subcommands) > 0 {
		cmd.CustomHelpTemplate = cli.SubcommandHelpTemplate
	}
	for _, sub := range cmd.Subcommands {
		setUp(sub)
	}
}

// projectFlagsHelp ends the help of every command.
const projectFlagsHelp = `
The project flags (--file, --project-name, --profile, --env-file ...; see lyandev --help) can come before or after the command.
Flags can come before or after the arguments; "--" ends them.
`

// badValue is the library's error for a value that a flag cannot have.
func badValue(c *cli.Context, err error, _ bool) error {
	name := "lyandev"
	if c.Command != nil && c.Command.HelpName != "" {
		name = c.Command.HelpName
	}
	return withCode(exitUsage, fmt.Errorf("%w; see %s --help", err, name))
}
