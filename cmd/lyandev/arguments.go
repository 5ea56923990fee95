package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// arguments returns a command's arguments and also parses flags that follow them ("use ha --dry-run"), where the library
// stops parsing at the first argument. Anything after "--" is an argument.
func arguments(c *cli.Context) ([]string, error) {
	var out []string
	rest := c.Args().Slice()
	for len(rest) > 0 {
		arg := rest[0]
		rest = rest[1:]
		if arg == "--" {
			return append(out, rest...), nil
		}
		if !strings.HasPrefix(arg, "-") || arg == "-" {
			out = append(out, arg)
			continue
		}
		name, value, given := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		i := slices.IndexFunc(c.Command.Flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) })
		if i < 0 {
			return nil, withCode(exitUsage, fmt.Errorf("flag provided but not defined: %s; see lyandev --help", arg))
		}
		if _, isBool := c.Command.Flags[i].(*cli.BoolFlag); isBool && !given {
			value, given = "true", true
		}
		if !given {
			if len(rest) == 0 {
				return nil, withCode(exitUsage, fmt.Errorf("flag needs an argument: %s; see lyandev --help", arg))
			}
			value, rest = rest[0], rest[1:]
		}
		if err := c.Set(c.Command.Flags[i].Names()[0], value); err != nil {
			return nil, withCode(exitUsage, fmt.Errorf("cannot use %s: %w", arg, err))
		}
	}
	return out, nil
}
