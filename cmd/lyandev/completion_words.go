package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/assets"
	helptext "github.com/lyandev/lyandev/cmd/lyandev/topics"
	"github.com/lyandev/lyandev/profiles"
	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/drill"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/state"
)

// candidate is a word that can be typed, with what it means.
type candidate struct{ word, about string }

// What the shell is asked to complete itself.
var (
	anyFile      = candidate{word: ":files"}
	anyDirectory = candidate{word: ":dirs"}
)

// askLimit bounds each question to a supervisor or to the engine: completion must not stall a shell.
const askLimit = 300 * time.Millisecond

// completer finds the candidates for the word after others. It changes nothing, starts nothing and says nothing of errors.
type completer struct {
	c *cli.Context
	l *commandLine
	// flag is the flag whose value the word is, nil if it is none.
	flag cli.Flag
}

func newCompleter(c *cli.Context, words []string) *completer {
	l := &commandLine{app: c.App}
	if len(words) > 0 && words[0] == "help" {
		l.help, words = true, words[1:]
	}
	return &completer{c: c, l: l, flag: l.takeAll(words)}
}

// complete returns the candidates that begin with a word.
func (m *completer) complete(word string) []candidate {
	prefix := ""
	var all []candidate
	name, value, joined := strings.Cut(word, "=")
	switch {
	case m.flag != nil:
		all = m.flagValues(m.flag)
	case strings.HasPrefix(word, "-") && !m.l.words && joined:
		f := m.l.find(strings.TrimLeft(name, "-"))
		if f == nil || isBool(f) {
			return nil
		}
		prefix, word, all = name+"=", value, m.flagValues(f)
	case strings.HasPrefix(word, "-") && !m.l.words:
		all = m.flagNames(word)
	default:
		all = m.arguments()
	}
	var out []candidate
	for _, found := range all {
		switch {
		case found == anyFile || found == anyDirectory:
			out = append(out, found)
		case strings.HasPrefix(found.word, word):
			out = append(out, candidate{prefix + found.word, found.about})
		}
	}
	return out
}

// flagNames are the flags that can stand here, the short ones only where a short one was begun.
func (m *completer) flagNames(word string) []candidate {
	var out []candidate
	var flags []cli.Flag
	if c := m.l.command(); c != nil {
		flags = append(flags, c.Flags...)
	}
	for _, f := range append(flags, m.l.projectFlags()...) {
		_, usage, hidden := flagParts(f)
		if hidden || f == cli.VersionFlag && m.l.command() != nil {
			continue
		}
		for _, name := range f.Names() {
			dashed := "--" + name
			if len(name) == 1 {
				dashed = "-" + name
			}
			if (len(name) == 1) == (len(word) == 2 && word != "--") && !slices.ContainsFunc(out, func(c candidate) bool { return c.word == dashed }) {
				out = append(out, candidate{dashed, usage})
			}
		}
	}
	return out
}

// flagWords are the values of flags that have one of some words, by "COMMAND FLAG" or by the flag alone.
var flagWords = map[string]string{
	"ansi": "auto always never", "progress": "auto tty plain quiet", "build progress": "plain json quiet", "ports": "fixed auto",
	"timing": "fast strict", "pull policy": "always missing", "pull": "always missing never", "rmi": "local all", "prepared": "auto always never",
	"config format": "yaml json", "format": "table json", "version format": "pretty json", "output": "json yaml wide name", "protocol": "tcp udp",
	"ps status": strings.Join(composeStates, " "),
}

// flagValues are the values of a flag.
func (m *completer) flagValues(f cli.Flag) []candidate {
	name := f.Names()[0]
	command := ""
	if c := m.l.command(); c != nil {
		command = c.Name + " "
	}
	value := ""
	if doc, ok := f.(cli.DocGenerationFlag); ok {
		value, _ = placeholder(doc.GetUsage())
	}
	if command == "config " && name == "output" {
		return []candidate{anyFile}
	}
	for _, key := range []string{command + name, name} {
		if words := flagWords[key]; words != "" {
			return plainWords(strings.Fields(words))
		}
	}
	switch name {
	case "project-name":
		return m.instances()
	case "snapshot":
		return m.snapshots()
	}
	switch value {
	case "PROFILE", "PROFILES":
		return m.profileNames()
	case "SERVICE":
		return m.serviceNames("")
	case "SERVICE=N":
		return m.serviceNames("=")
	case "FILE":
		return []candidate{anyFile}
	case "DIR":
		if name == "workdir" { // a directory in the container
			return nil
		}
		return []candidate{anyDirectory}
	case "SIGNAL":
		return plainWords([]string{"SIGHUP", "SIGINT", "SIGKILL", "SIGTERM", "SIGUSR1", "SIGUSR2"})
	}
	return nil
}

func plainWords(words []string) []candidate {
	out := make([]candidate, len(words))
	for i, w := range words {
		out[i] = candidate{word: w}
	}
	return out
}

// arguments are the candidates for a word that is no flag.
func (m *completer) arguments() []candidate {
	c := m.l.command()
	if c == nil {
		return m.commands()
	}
	if len(c.Subcommands) > 0 && len(m.l.args) == 0 {
		return commandWords(c.Subcommands)
	}
	if m.l.help {
		return nil
	}
	given := map[string]bool{}
	for _, a := range m.l.args {
		given[a] = true
	}
	return slices.DeleteFunc(m.argument(c, usageWord(c, len(m.l.args))), func(c candidate) bool { return given[c.word] })
}

// commands are those that can come first; after help, topics and keys of x-lyandev too.
func (m *completer) commands() []candidate {
	out := commandWords(m.l.app.Commands)
	if !m.l.help {
		return out
	}
	for _, t := range helptext.All() {
		out = append(out, candidate{t.Name, t.Title})
	}
	keys, err := profiles.Reference()
	if err != nil {
		return out
	}
	for _, k := range keys {
		if !strings.ContainsAny(k.Path, ".[") {
			about, _, _ := strings.Cut(k.Description, ".")
			if w := helptext.ReferenceName + "." + k.Path; !slices.ContainsFunc(out, func(c candidate) bool { return c.word == w }) {
				out = append(out, candidate{w, about})
			}
		}
	}
	return out
}

func commandWords(list []*cli.Command) []candidate {
	var out []candidate
	for _, c := range list {
		if !c.Hidden {
			out = append(out, candidate{c.Name, c.Usage})
		}
	}
	return out
}

// usageWord is the word of a command's ArgsUsage for its nth argument: the last one for all that follow "...", "" if there is none.
func usageWord(c *cli.Command, n int) string {
	words := strings.Fields(c.ArgsUsage)
	for i, w := range words {
		if i == n || strings.Contains(w, "...") {
			return strings.Trim(strings.ReplaceAll(w, "...", ""), "[]")
		}
	}
	return ""
}

// argument returns what can stand for a word of a command's ArgsUsage.
func (m *completer) argument(c *cli.Command, usage string) []candidate {
	var out []candidate
	for _, kind := range strings.Split(usage, "|") {
		switch kind {
		case "SERVICE", "CRONJOB", "JOB":
			out = append(out, m.serviceNames("")...)
		case "SERVICE=N":
			out = append(out, m.serviceNames("=")...)
		case "POD":
			out = append(out, m.pods("")...)
		case "SRC", "DEST":
			out = append(append(out, m.serviceNames(":")...), append(m.pods(":"), anyFile)...)
		case "DRILL":
			for _, d := range drill.Names() {
				out = append(out, candidate{d[0], d[1]})
			}
		case "SHELL":
			out = append(out, plainWords(shells)...)
		case "A", "B":
			out = append(out, m.profileNames()...)
		case "NAME":
			out = append(out, m.named(c)...)
		}
	}
	return out
}

// named returns the names that the argument NAME of a command of a group can be.
func (m *completer) named(c *cli.Command) []candidate {
	switch m.l.path[0].Name {
	case "profile":
		return m.profileNames()
	case "snapshot":
		if c.Name != "save" {
			return m.snapshots()
		}
	case "examples":
		return exampleNames()
	}
	return nil
}

func exampleNames() (out []candidate) {
	list, err := allExamples(assets.Examples())
	if err != nil {
		return nil // it is the binary's own fault, which `lyandev examples` tells
	}
	for _, e := range list {
		out = append(out, candidate{e.Name, e.About})
	}
	return out
}

// serviceNames are the services of the file and those that run, with an end such as "=".
func (m *completer) serviceNames(end string) []candidate {
	names := profiles.ReadOutline(m.c.Context, m.options()).Services
	if s := m.running(); s != nil {
		for _, w := range s.Workloads {
			name := w.Service
			if name == "" {
				name = w.Name
			}
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return endedWords(slices.Compact(names), end)
}

func endedWords(words []string, end string) []candidate {
	out := make([]candidate, len(words))
	for i, w := range words {
		out[i] = candidate{word: w + end}
	}
	return out
}

func (m *completer) pods(end string) []candidate {
	s := m.running()
	if s == nil {
		return nil
	}
	var names []string
	for _, p := range s.Pods {
		names = append(names, services.ShownPod(p))
	}
	slices.Sort(names)
	return endedWords(slices.Compact(names), end)
}

func (m *completer) profileNames() []candidate {
	return plainWords(profiles.ReadOutline(m.c.Context, m.options()).Profiles)
}

func (m *completer) options() profiles.Options {
	o := loadOptions(m.c, "", nil)
	o.Stdin = func() ([]byte, error) { return nil, nil } // the shell's, not ours
	return o
}

// target finds the instance, nil if there is none.
func (m *completer) target() *target {
	reg := instance.Open()
	i, err := reg.Get(m.c.String("project-name"))
	if m.c.String("project-name") == "" {
		i, err = knownInstance(m.c, reg)
	}
	if err != nil || i == nil {
		return nil
	}
	return newTarget(i)
}

// running returns the state of the stack that runs, nil if none does.
func (m *completer) running() *state.Status {
	t := m.target()
	if t == nil || !hasSocket(t.instance) {
		return nil
	}
	ctx, cancel := context.WithTimeout(m.c.Context, askLimit)
	defer cancel()
	s, err := t.client.State(ctx)
	if err != nil {
		return nil
	}
	return s
}

func (m *completer) instances() []candidate {
	all, err := instance.Open().List()
	if err != nil {
		return nil
	}
	var out []candidate
	for _, i := range all {
		out = append(out, candidate{i.Name, i.Dir})
	}
	return out
}

// snapshots are those of the instance. The engine knows them.
func (m *completer) snapshots() []candidate {
	t := m.target()
	if t == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(m.c.Context, askLimit)
	defer cancel()
	list, err := snapshotsOf(ctx, t)
	if err != nil {
		return nil
	}
	var out []candidate
	for _, s := range list {
		out = append(out, candidate{s.Name, dash(s.Profile)})
	}
	return out
}
