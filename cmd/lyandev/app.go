package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/supervisor/ui"
)

// newApp returns the command line: the global flags and all commands. Each command is in its own file.
func newApp(st *ui.Streams) *cli.App {
	cli.HelpPrinter = printHelp
	cli.VersionFlag = &cli.BoolFlag{Name: "version", Usage: "print the version and exit"}
	app := &cli.App{
		Name:            "lyandev",
		Usage:           "Kubernetes semantics on plain Docker, without a cluster",
		Version:         version,
		Writer:          st.Out,
		ErrWriter:       st.Err,
		HideHelpCommand: true,
		// A comma in --env or --file is a part of the value.
		DisableSliceFlagSeparator: true,
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "file", Aliases: []string{"f"}, Usage: "the stack's `FILE`; repeat it to merge several in order; default: lyanna.dev.yaml or compose.yaml in this directory or a parent", EnvVars: []string{"LYANDEV_FILE"}},
			&cli.StringFlag{Name: "project-name", Aliases: []string{"p"}, Usage: "the `NAME` of the instance; default: derived from the file's name: and the directory", EnvVars: []string{"LYANDEV_PROJECT"}},
			&cli.StringSliceFlag{Name: "profile", Usage: "a `PROFILE` for this command: of Compose, default COMPOSE_PROFILES, \"\" for none; or of x-lyandev, which stays active until another is chosen or the stack is down, default the active one, else the file's", EnvVars: []string{"LYANDEV_PROFILE"}},
			&cli.StringSliceFlag{Name: "env-file", Usage: "read variables from `FILE`"},
			&cli.StringFlag{Name: "project-directory", Usage: "the `DIR` that relative paths in the file are relative to; default: the first file's directory"},
			&cli.StringFlag{Name: "ansi", Value: "auto", Usage: "colours: `auto` (on a terminal), always or never"},
			&cli.StringFlag{Name: "progress", Value: "auto", Usage: "progress: `auto` (live on a terminal), tty, plain (lines) or quiet"},
			&cli.IntFlag{Name: "parallel", Value: -1, Usage: "with pull: pull `N` images at a time; -1 is the default"},
			&cli.BoolFlag{Name: "debug", Aliases: []string{"verbose"}, Usage: "log the supervisor's decisions", EnvVars: []string{"LYANDEV_DEBUG"}},
			cli.HelpFlag, // the library adds it only where there is no command help
		},
		Commands: []*cli.Command{
			newUpCommand(st),
			newDiffCommand(st),
			newDownCommand(st),
			newPsCommand(st),
			newLogsCommand(st),
			newExecCommand(st),
			newConfigCommand(st),
			newBuildCommand(st),
			newEndpointsCommand(st),
			newEventsCommand(st),
			newStatsCommand(st),
			newTraceCommand(st),
			newTopCommand(st),
			newWaitCommand(st),
			newPortCommand(st),
			newPortForwardCommand(st),
			newImagesCommand(st),
			newPullCommand(st),
			newAttachCommand(st),
			newRunCommand(st),
			newCpCommand(st),
			newLsCommand(st),
			newProfileCommand(st),
			newSnapshotCommand(st),
			newCopyVolumeCommand(st),
			newFSGroupCommand(st),
			newDrillCommand(st),
			newWhyCommand(st),
			newDescribeCommand(st),
			newStatusCommand(st),
			newScaleCommand(st),
			newMariaDBCommand(st),
			newRedisCommand(st),
			newAutostartCommand(st),
			newTestCommand(st),
			newDfCommand(st),
			newPruneCommand(st),
			newReaperCommand(st),
			newVersionCommand(st),
			newVolumesCommand(st),
			newSchemaCommand(st),
			newHelpCommand(st),
			newCompletionCommand(st),
			newCompleteCommand(st),
			newSuperviseCommand(st),
			newAgentCommand(st),
			newSandboxCommand(st),
			newPauseProbesCommand(st),
			newResumeProbesCommand(st),
			newInitCommand(st),
			newDoctorCommand(st),
			newExamplesCommand(st),
			newCreateCommand(st),
		},
		ExitErrHandler: func(*cli.Context, error) {}, // main reports and exits
		OnUsageError:   badValue,
		Before:         func(c *cli.Context) error { return withCode(exitUsage, applyDisplay(c, st)) },
		Action:         cli.ShowAppHelp,
	}
	app.Commands = append(app.Commands, newLifecycleCommands(st)...)
	for _, cmd := range app.Commands {
		setUp(cmd)
	}
	return app
}

// applyDisplay applies --ansi, --progress and --parallel to the streams, and returns an error for a value that they cannot have.
func applyDisplay(c *cli.Context, st *ui.Streams) error {
	switch how := c.String("ansi"); how {
	case "auto":
	case "always":
		st.Color = true
	case "never":
		st.Color, st.ErrTTY = false, false
	default:
		return fmt.Errorf("cannot use --ansi %q: it must be auto, always or never", how)
	}
	switch how := c.String("progress"); how {
	case "auto", "tty":
	case "plain":
		st.ErrTTY = false
	case "quiet":
		st.Quiet = true
	case "json":
		return errors.New("cannot use --progress json: `lyandev build --progress json` and `lyandev events --json` print JSON; the others are auto, tty, plain and quiet")
	default:
		return fmt.Errorf("cannot use --progress %q: it must be auto, tty, plain or quiet", how)
	}
	if n := c.Int("parallel"); n != -1 && (n < 1 || c.Args().First() != "pull") {
		return fmt.Errorf("cannot use --parallel %d: only pull has a limit that can be set, from 1 (-1 is the default, %d); containers start when what they depend on is there",
			n, parallelPulls)
	}
	return nil
}

// setUp gives a command and those below it what all commands have.
func setUp(cmd *cli.Command) {
	cmd.OnUsageError = badValue
	cmd.HideHelpCommand = true // arrange does it; the library would take an argument "help" for a command
	for _, sub := range cmd.Subcommands {
		setUp(sub)
	}
}

// badValue is the library's error for a value that a flag cannot have.
func badValue(c *cli.Context, err error, _ bool) error {
	name := "lyandev"
	if c.Command != nil && c.Command.HelpName != "" {
		name = c.Command.HelpName
	}
	return withCode(exitUsage, fmt.Errorf("%w; see %s --help", err, name))
}
