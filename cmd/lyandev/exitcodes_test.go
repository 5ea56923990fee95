package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/supervisor/ui"
)

// TestUsageErrorsOfAllCommands: every command refuses a flag that it does not have, and arguments that it does not take, with exit code 2,
// and names them.
func TestUsageErrorsOfAllCommands(t *testing.T) {
	app := newApp(ui.System())
	var walk func(path []string, list []*cli.Command)
	walk = func(path []string, list []*cli.Command) {
		for _, cmd := range list {
			if cmd.Hidden {
				continue
			}
			at := append(append([]string{}, path...), cmd.Name)
			refused(t, app, append(at, "--no-such-flag"), "--no-such-flag")
			if len(cmd.Subcommands) == 0 && cmd.ArgsUsage == "" {
				refused(t, app, append(at, "no-such-argument"), "no-such-argument")
			}
			walk(at, cmd.Subcommands)
		}
	}
	walk(nil, app.Commands)
}

func refused(t *testing.T, app *cli.App, args []string, word string) {
	t.Helper()
	_, err := arrange(app, append([]string{"lyandev"}, args...))
	var coded *codedError
	if !errors.As(err, &coded) || coded.code != exitUsage || !strings.Contains(err.Error(), word) {
		t.Errorf("lyandev %s: %v", strings.Join(args, " "), err)
	}
}
