package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// takeFlag parses the flag, or the joined short flags, that rest begins with, and returns how many words belong to it.
func (l *commandLine) takeFlag(rest []string) (int, error) {
	word := rest[0]
	name, value, joined := strings.Cut(strings.TrimLeft(word, "-"), "=")
	if h := l.find("h"); name == "help" || word == "-h" && (h == nil || h == cli.HelpFlag) {
		l.help = true
		return 1, nil
	}
	if f := l.find(name); f != nil {
		return l.give(f, strings.TrimSuffix(word, "="+value), value, joined, rest)
	}
	if strings.HasPrefix(word, "--") {
		return 0, l.noFlag(word, name)
	}
	return l.takeJoined(rest)
}

// takeJoined parses joined short flags: -it, -n5, -fn 5.
func (l *commandLine) takeJoined(rest []string) (int, error) {
	letters := []rune(rest[0][1:])
	for i, letter := range letters {
		f := l.find(string(letter))
		if f == nil {
			return 0, l.noFlag(rest[0], strings.TrimLeft(rest[0], "-"))
		}
		if isBool(f) && (i+1 >= len(letters) || letters[i+1] != '=') {
			l.add(f, "true")
			continue
		}
		value := string(letters[i+1:])
		return l.give(f, "-"+string(letter), strings.TrimPrefix(value, "="), value != "", rest)
	}
	return 1, nil
}

// give adds a flag with its value: the one that is joined to it, or the next word.
func (l *commandLine) give(f cli.Flag, name, value string, joined bool, rest []string) (int, error) {
	switch {
	case joined:
		l.add(f, value)
		return 1, nil
	case isBool(f):
		l.add(f, "true")
		return 1, nil
	case len(rest) < 2:
		return 0, fmt.Errorf("flag %s requires a value; see %s --help", name, l.name())
	}
	l.add(f, rest[1])
	return 2, nil
}

func isBool(f cli.Flag) bool {
	_, is := f.(*cli.BoolFlag)
	return is
}

// find returns the flag of a name that can stand here: the command's, else the app's.
func (l *commandLine) find(name string) cli.Flag {
	if c := l.command(); c != nil {
		if f := flagNamed(c.Flags, name); f != nil {
			return f
		}
	}
	return flagNamed(l.projectFlags(), name)
}

// projectFlags are the app's flags, and --version before there is a command.
func (l *commandLine) projectFlags() []cli.Flag {
	if l.command() == nil {
		return append(slices.Clone(l.app.Flags), cli.VersionFlag)
	}
	return l.app.Flags
}

func (l *commandLine) add(f cli.Flag, value string) {
	if c := l.command(); c != nil && slices.Contains(c.Flags, f) {
		l.flags = append(l.flags, givenFlag{f, value})
		return
	}
	l.project = append(l.project, givenFlag{f, value})
}

func flagNamed(list []cli.Flag, name string) cli.Flag {
	if i := slices.IndexFunc(list, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) }); i >= 0 {
		return list[i]
	}
	return nil
}

// whyNot returns what notHere says of a flag, "" if it says nothing.
func (l *commandLine) whyNot(flag string) string {
	if c := l.command(); c != nil {
		if why := notHere[c.Name+" --"+flag]; why != "" {
			return why
		}
	}
	return notHere["--"+flag]
}

// noFlag is the error for a flag that is unknown here.
func (l *commandLine) noFlag(word, name string) error {
	var known []string
	flags := l.projectFlags()
	if c := l.command(); c != nil {
		flags = append(slices.Clone(c.Flags), flags...)
	}
	for _, f := range flags {
		for _, n := range f.Names() {
			if len(n) > 1 {
				known = append(known, "--"+n)
			}
		}
	}
	if why := l.whyNot(name); why != "" {
		return fmt.Errorf("there is no flag %s here: %s", word, why)
	}
	if l.command() == nil && slices.ContainsFunc(l.app.Commands, func(c *cli.Command) bool { return flagNamed(c.Flags, name) != nil }) {
		return fmt.Errorf("unknown flag %s: a command's flag comes after the command: %s COMMAND %s; see %s --help", word, l.app.Name, word, l.name())
	}
	return fmt.Errorf("unknown flag %s; %ssee %s --help", word, sentence(nearest("--"+name, known)), l.name())
}
