package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	helptext "github.com/lyandev/lyandev/cmd/lyandev/topics"
)

// A command line is parsed here for all commands, by these rules, and handed to the library in the one order that it accepts:
// project flags, command, flags, "--", arguments.
//
//   - Flags may come before and after arguments. Project flags (the app's own: --file, --profile ...) may come before and after
//     the command. A command's own flag wins over a project flag of the same name, but only after the command, as in Docker
//     Compose: `-f x logs -f`.
//   - "--" ends the flags. In commands that run a command in a container (CMD in ArgsUsage), the flags end at CMD.
//   - Short flags can be joined (-it), and a value can be joined to its flag (-n5, --tail=5).
//   - A command accepts the arguments that its ArgsUsage shows, no more and no fewer.
//   - `help COMMAND` is `COMMAND --help`; what is no command but a topic goes to the command help.
//
// Errors have exitUsage.

// commandLine is a command line while it is parsed.
type commandLine struct {
	app *cli.App
	// path is the command that was found, below its group: snapshot, save.
	path []*cli.Command
	// project are the app's flags, flags those of the last command of path.
	project, flags []givenFlag
	args           []string
	help           bool
	// words is set when all that follows are arguments.
	words bool
}

// givenFlag is a flag with its value.
type givenFlag struct {
	flag  cli.Flag
	value string
}

// arrange parses a command line and returns it in the order that the library accepts.
func arrange(app *cli.App, given []string) ([]string, error) {
	l := &commandLine{app: app}
	rest := given[1:]
	if len(rest) > 0 && rest[0] == completeCommand {
		return completionLine(app, given), nil
	}
	if len(rest) > 0 && rest[0] == "help" {
		if isTopic(app, rest[1:]) {
			return append([]string{given[0], "help", "--"}, rest[1:]...), nil
		}
		l.help, rest = true, rest[1:]
	}
	for len(rest) > 0 {
		n, err := l.take(rest)
		if err != nil {
			return nil, withCode(exitUsage, err)
		}
		rest = rest[n:]
	}
	l.giveToCommand()
	if err := l.check(); err != nil {
		return nil, withCode(exitUsage, err)
	}
	return append([]string{given[0]}, l.canonical()...), nil
}

// take parses the first word of rest and returns how many words belong to it.
func (l *commandLine) take(rest []string) (int, error) {
	word := rest[0]
	switch {
	case l.words:
		l.args = append(l.args, word)
		return 1, nil
	case word == "--":
		l.words = true
		return 1, nil
	case len(word) > 1 && word[0] == '-':
		return l.takeFlag(rest)
	}
	if found, err := l.takeCommand(word); found || err != nil {
		return 1, err
	}
	l.args = append(l.args, word)
	if at := usageOf(l.command()).foreign; at >= 0 && len(l.args) >= at {
		l.words = true
		if len(rest) > 1 && rest[1] == "--" && len(l.args) == at { // exec web -- ls
			return 2, nil
		}
	}
	return 1, nil
}

// takeCommand takes a word as the name of a command, if one can stand here.
func (l *commandLine) takeCommand(word string) (found bool, err error) {
	list := l.app.Commands
	if c := l.command(); c != nil {
		list = c.Subcommands
		if len(list) == 0 || len(l.args) > 0 {
			return false, nil
		}
	}
	if i := slices.IndexFunc(list, func(c *cli.Command) bool { return c.HasName(word) }); i >= 0 {
		l.path = append(l.path, list[i])
		return true, nil
	}
	if c := l.command(); c != nil && c.Action != nil {
		return false, nil // the group is a command itself, and this is its argument
	}
	return false, l.noCommand(word, list)
}

// noCommand is the error for a word that is no command of a list.
func (l *commandLine) noCommand(word string, list []*cli.Command) error {
	var known []string
	for _, c := range list {
		if !c.Hidden {
			known = append(known, c.Names()...)
		}
	}
	if l.help && len(l.path) == 0 {
		for _, t := range helptext.All() {
			known = append(known, t.Name)
		}
	}
	name := l.name()
	hint := nearest(word, known)
	if other := otherWords[word]; len(l.path) == 0 && other != "" {
		hint = "did you mean " + other + "?"
	}
	if why := notHere[word]; len(l.path) == 0 && why != "" {
		return fmt.Errorf("there is no command %q: %s", word, why)
	}
	where := name + " --help"
	if len(l.path) > 0 {
		word = l.command().Name + " " + word
	}
	return fmt.Errorf("there is no command %q; %ssee %s", word, sentence(hint), where)
}

// otherWords are other tools' words for commands.
var otherWords = map[string]string{
	"apply": "up", "delete": "down", "destroy": "down", "get": "ps", "inspect": "describe", "list": "ls",
	"remove": "down", "rollout": "restart", "shell": "exec", "sh": "exec",
}

// command is the command that was found last, nil before the first.
func (l *commandLine) command() *cli.Command {
	if len(l.path) == 0 {
		return nil
	}
	return l.path[len(l.path)-1]
}

// name is the command line up to the command: lyandev snapshot save.
func (l *commandLine) name() string {
	name := l.app.Name
	for _, c := range l.path {
		name += " " + c.Name
	}
	return name
}

// giveToCommand gives project flags to a command that has one of the same name: `--profile ha test` is `test --profile ha`.
func (l *commandLine) giveToCommand() {
	if l.command() == nil {
		return
	}
	var project []givenFlag
	for _, g := range l.project {
		if own := flagNamed(l.command().Flags, g.flag.Names()[0]); own != nil && own.Names()[0] == g.flag.Names()[0] {
			l.flags = append(l.flags, givenFlag{own, g.value})
			continue
		}
		project = append(project, g)
	}
	l.project = project
}

// check checks the arguments against the command's ArgsUsage.
func (l *commandLine) check() error {
	c := l.command()
	if l.help || c == nil || c.Action == nil && len(c.Subcommands) > 0 {
		return nil
	}
	u := usageOf(c)
	short := strings.TrimPrefix(l.name(), l.app.Name+" ")
	line := strings.TrimSpace(l.name()+" "+c.ArgsUsage) + "; see " + l.name() + " --help"
	switch {
	case len(l.args) < len(u.required):
		return fmt.Errorf("%s requires %s: %s", short, strings.Join(u.required[len(l.args):], " and "), line)
	case u.most == 0 && len(l.args) > 0:
		return fmt.Errorf("%s accepts no arguments, got %q: %s", short, l.args[0], line)
	case u.most >= 0 && len(l.args) > u.most:
		return fmt.Errorf("%s accepts at most %d %s, got %d: %s", short, u.most, plural(u.most, "argument"), len(l.args), line)
	}
	return nil
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// canonical is the command line in the order that the library accepts.
func (l *commandLine) canonical() []string {
	var out []string
	add := func(list []givenFlag) {
		for _, g := range list {
			out = append(out, "--"+g.flag.Names()[0]+"="+g.value)
		}
	}
	add(l.project)
	for _, c := range l.path {
		out = append(out, c.Name)
	}
	if l.help {
		return append(out, "--help")
	}
	add(l.flags)
	if l.command() != nil {
		out = append(append(out, "--"), l.args...)
	}
	return out
}
