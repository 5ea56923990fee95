package main

import (
	"io"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// printJSON prints a value for programs, indented.
func printJSON(out io.Writer, v any) error {
	return output.Object(out, v, output.Options{Format: output.JSON})
}

// outputOf returns how a command that has output.Flags with the same formats is to print. Errors have exitUsage.
func outputOf(c *cli.Context, st *ui.Streams, more ...output.Format) (output.Options, error) {
	how, err := output.Of(c, st, more...)
	return how, withCode(exitUsage, err)
}

// textOutput is how a command prints a table that has no --output: cut to the width of a terminal.
func textOutput(st *ui.Streams) output.Options {
	var how output.Options
	if st.OutTTY {
		how.Width, _ = st.Size()
	}
	return how
}

// listOutput is outputOf for a list, which can also be a wide table or names.
func listOutput(c *cli.Context, st *ui.Streams) (output.Options, error) {
	return outputOf(c, st, output.Wide, output.Name)
}

// listFlags are the flags of a command that prints a list.
func listFlags(more ...cli.Flag) []cli.Flag {
	return append(output.Flags(output.Wide, output.Name), more...)
}
