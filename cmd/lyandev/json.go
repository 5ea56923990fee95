package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

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

// formatOf returns the --output of a command that has only the given formats and --json; "table" stands for none. Errors have exitUsage.
func formatOf(c *cli.Context, known ...output.Format) (output.Format, error) {
	format := output.Format(c.String("output"))
	switch {
	case format != output.Table && !slices.Contains(known, format):
		words := make([]string, len(known))
		for i, k := range known {
			words[i] = string(k)
		}
		return "", withCode(exitUsage, fmt.Errorf("cannot use --output %q: it must be %s", format, strings.Join(words, " or ")))
	case c.Bool("json"):
		return output.JSON, nil
	case format == "table":
		return output.Table, nil
	}
	return format, nil
}

// listOutput is outputOf for a list, which can also be a wide table or names.
func listOutput(c *cli.Context, st *ui.Streams) (output.Options, error) {
	return outputOf(c, st, output.Wide, output.Name)
}

// listFlags are the flags of a command that prints a list.
func listFlags(more ...cli.Flag) []cli.Flag {
	return append(output.Flags(output.Wide, output.Name), more...)
}
