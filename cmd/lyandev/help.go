package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	helptext "github.com/lyandev/lyandev/cmd/lyandev/topics"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// helpWidth is the number of columns that help is written for.
const helpWidth = 80

// newHelpCommand prints a topic. Help of commands never reaches it: arrange makes `COMMAND --help` of `help COMMAND`.
func newHelpCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "help", Usage: "show the help of a command, a topic or a key of x-lyandev", ArgsUsage: "[COMMAND|TOPIC...]",
		Description: "Without an argument, the commands and topics are listed.",
		Action: func(c *cli.Context) error {
			text, found, err := helptext.Find(c.Args().Slice())
			switch {
			case err != nil:
				return withCode(exitUsage, err)
			case !found:
				return withCode(exitUsage, fmt.Errorf("there is no topic %q; lyandev help lists them", strings.Join(c.Args().Slice(), " ")))
			}
			_, err = fmt.Fprintln(st.Out, strings.TrimRight(text, "\n"))
			return err
		},
	}
}

// isTopic reports whether the words after help name a topic or a key of x-lyandev. A command goes before another word for a topic:
// help profile is about the command, and names the topic profiles.
func isTopic(app *cli.App, words []string) bool {
	if len(words) == 0 || commandNamed(app.Commands, words[0]) != nil && helptext.Named(words[0]) != words[0] {
		return false
	}
	_, found, _ := helptext.Find(words)
	return found
}

// commandGroup is a heading of the list of commands.
type commandGroup struct {
	title    string
	commands []string
}

// commandGroups is the order in which help lists the commands. One that is in no group is listed at the end.
var commandGroups = []commandGroup{
	{"Start and stop", []string{"up", "down", "create", "stop", "start", "restart", "run", "trigger", "scale", "profile", "wait"}},
	{"Look", []string{"status", "why", "ps", "logs", "events", "describe", "endpoints", "port", "stats", "trace", "top", "images", "volumes", "config", "ls"}},
	{"Work in containers", []string{"exec", "attach", "cp", "port-forward", "kill", "pause", "unpause", "pause-probes", "resume-probes", "rm"}},
	{"Build and change", []string{"build", "pull", "diff"}},
	{"Test", []string{"test", "drill"}},
	{"Data", []string{"snapshot", "df", "prune", "mariadb", "redis"}},
	{"Set up", []string{"init", "examples", "doctor", "schema", "completion", "autostart", "version", "help"}},
}

// printHelp takes the place of the library's printer of help texts.
func printHelp(w io.Writer, _ string, data any) {
	switch what := data.(type) {
	case *cli.App:
		appHelp(w, what)
	case *cli.Command:
		commandHelp(w, what)
	}
}

func appHelp(w io.Writer, app *cli.App) {
	fmt.Fprintf(w, "%s - %s\n\nUsage: %s [project flags] COMMAND [flags] [arguments]\n", app.Name, app.Usage, app.Name)
	listed := map[string]bool{}
	for _, group := range commandGroups {
		fmt.Fprintf(w, "\n%s\n", group.title)
		for _, name := range group.commands {
			if c := commandNamed(app.Commands, name); c != nil {
				helpRow(w, name, c.Usage)
				listed[name] = true
			}
		}
	}
	if rest := slices.DeleteFunc(slices.Clone(app.Commands), func(c *cli.Command) bool { return c.Hidden || listed[c.Name] }); len(rest) > 0 {
		fmt.Fprint(w, "\nOther commands\n")
		for _, c := range rest {
			helpRow(w, c.Name, c.Usage)
		}
	}
	fmt.Fprintf(w, "\nTopics: %s help TOPIC\n", app.Name)
	for _, t := range helptext.All() {
		helpRow(w, t.Name, t.Title)
	}
	flagHelp(w, "Project flags, before or after the command", app.Flags)
}

// helpRow prints a name and what it means, in a second column.
func helpRow(w io.Writer, name, text string) {
	const column = 18
	wrapped := helptext.Wrap(text, strings.Repeat(" ", column), helpWidth)
	fmt.Fprintf(w, "  %-*s%s", column-2, name, strings.TrimLeft(wrapped, " "))
}

func commandNamed(list []*cli.Command, name string) *cli.Command {
	if i := slices.IndexFunc(list, func(c *cli.Command) bool { return c.Name == name && !c.Hidden }); i >= 0 {
		return list[i]
	}
	return nil
}

func commandHelp(w io.Writer, c *cli.Command) {
	name := c.HelpName
	fmt.Fprint(w, helptext.Wrap(name+" - "+c.Usage, "", helpWidth))
	usage := name
	if c.Action == nil && len(c.Subcommands) > 0 {
		usage += " COMMAND"
	}
	if len(c.Flags) > 0 {
		usage += " [flags]"
	}
	fmt.Fprintf(w, "\nUsage: %s\n", strings.TrimSpace(usage+" "+c.ArgsUsage))
	if c.Description != "" {
		fmt.Fprintf(w, "\n%s", helptext.Wrap(c.Description, "", helpWidth))
	}
	if len(c.Subcommands) > 0 {
		fmt.Fprint(w, "\nCommands:\n")
		for _, sub := range c.Subcommands {
			if !sub.Hidden {
				helpRow(w, sub.Name, sub.Usage)
			}
		}
	}
	if lines := commandExamples[strings.TrimPrefix(name, "lyandev ")]; lines != "" && !strings.Contains(c.Description, "  "+name) {
		fmt.Fprint(w, "\nExamples:\n")
		for line := range strings.Lines(lines) {
			fmt.Fprint(w, "  lyandev "+line)
		}
		fmt.Fprintln(w)
	}
	flagHelp(w, "Flags", c.Flags)
	if topic := helptext.Named(c.Name); topic != "" && name == "lyandev "+c.Name {
		fmt.Fprintf(w, "\nSee also: lyandev help %s\n", topic)
	}
	fmt.Fprint(w, "\nThe project flags (--file, --project-name, --profile ...; see lyandev --help) can\n"+
		"come before or after the command, flags before or after the arguments; \"--\" ends\nthem.\n")
}

// withoutEffect begins the usage of flags that are only accepted.
const withoutEffect = "accepted "

// flagHelp lists flags, those that are accepted for the sake of Docker Compose in one line at the end.
func flagHelp(w io.Writer, title string, flags []cli.Flag) {
	var accepted []string
	began := false
	for _, f := range flags {
		names, usage, hidden := flagParts(f)
		switch {
		case hidden || f.Names()[0] == "help":
			continue
		case strings.HasPrefix(usage, withoutEffect):
			accepted = append(accepted, "--"+f.Names()[0])
			continue
		}
		if !began {
			fmt.Fprintf(w, "\n%s:\n", title)
			began = true
		}
		text := helptext.Wrap(usage, strings.Repeat(" ", 26), helpWidth)
		if len(names) <= 23 {
			text = fmt.Sprintf("  %-24s", names) + strings.TrimLeft(text, " ")
		} else {
			text = "  " + names + "\n" + text
		}
		fmt.Fprint(w, text)
	}
	if len(accepted) > 0 {
		fmt.Fprintf(w, "\n%s", helptext.Wrap("Accepted as in docker compose, and without effect here: "+strings.Join(accepted, ", "), "", helpWidth))
	}
}

// flagParts returns a flag's names with its value, "-t, --timeout SECONDS", and its usage with default and variable.
func flagParts(f cli.Flag) (names, usage string, hidden bool) {
	for _, n := range f.Names() {
		if len(n) == 1 {
			names = "-" + n + ", " + names
		} else if !strings.Contains(names, "--") {
			names += "--" + n
		} else {
			names += ", --" + n
		}
	}
	if !strings.HasPrefix(names, "-") || strings.HasPrefix(names, "--") {
		names = "    " + names
	}
	doc, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return names, "", false
	}
	value, usage := placeholder(doc.GetUsage())
	if doc.TakesValue() {
		names += " " + value
	}
	given := strings.Trim(doc.GetDefaultText(), `"`)
	if given == "" {
		given = strings.Trim(doc.GetValue(), `"`)
	}
	if doc.TakesValue() && !strings.Contains(usage, "default") && !slices.Contains([]string{"", "0", "-1", "0s", "[]", given}, value) &&
		!slices.Contains([]string{"", "0", "-1", "0s", "[]"}, given) {
		usage += " (default: " + given + ")"
	}
	if vars := doc.GetEnvVars(); len(vars) > 0 {
		usage += " [$" + vars[0] + "]"
	}
	if v, ok := f.(cli.VisibleFlag); ok {
		hidden = !v.IsVisible()
	}
	return names, usage, hidden
}

// placeholder returns the name of a flag's value, which stands in backquotes in its usage, and the usage without them. A value in
// lower case is one of several words, the usual one.
func placeholder(usage string) (value, text string) {
	before, rest, ok := strings.Cut(usage, "`")
	if !ok {
		return "VALUE", usage
	}
	value, after, _ := strings.Cut(rest, "`")
	text = before + value + after
	if value == strings.ToLower(value) {
		return "WORD", text
	}
	return value, text
}
