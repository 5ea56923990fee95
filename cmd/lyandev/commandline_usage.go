package main

import (
	"strings"

	"github.com/urfave/cli/v2"
)

// argsUsage says which arguments a command accepts. It is read from the command's ArgsUsage, so that help cannot differ from
// what is accepted: NAME is one argument, [NAME] one or none, NAME... one or more, [NAME...] any number.
type argsUsage struct {
	// required are the names of the arguments that must be given.
	required []string
	// most is the largest number of arguments, -1 if there is no limit.
	most int
	// foreign is the number of arguments before CMD, a command for a container whose flags are its own; -1 if the
	// command takes none.
	foreign int
}

// foreignWord names the argument at which flags end.
const foreignWord = "CMD"

func usageOf(c *cli.Command) argsUsage {
	u := argsUsage{foreign: -1}
	if c == nil {
		return u
	}
	depth := 0
	for i, word := range strings.Fields(c.ArgsUsage) {
		depth += strings.Count(word, "[")
		name := strings.TrimSuffix(strings.Trim(word, "[]"), "...")
		if depth == 0 {
			u.required = append(u.required, name)
		}
		if name == foreignWord {
			u.foreign = i
		}
		if strings.Contains(word, "...") {
			u.most = -1
		} else if u.most >= 0 {
			u.most++
		}
		depth -= strings.Count(word, "]")
	}
	return u
}
