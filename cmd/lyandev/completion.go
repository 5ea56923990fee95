package main

import (
	"embed"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/supervisor/ui"
)

//go:embed completion
var completionScripts embed.FS

// shells are those that completion has a script for.
var shells = []string{"bash", "zsh", "fish", "powershell"}

func newCompletionCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "completion", Usage: "print the script that lets a shell complete lyandev's words", ArgsUsage: "SHELL",
		Description: "SHELL is bash, zsh, fish or powershell. Commands, flags, services, pods, profiles, snapshots, instances and topics are\n" +
			"completed; the names come from the file and from what runs. The line for the shell's start file:\n\n" +
			"  ~/.bashrc                   eval \"$(lyandev completion bash)\"\n" +
			"  ~/.zshrc, after compinit    eval \"$(lyandev completion zsh)\"\n" +
			"  ~/.config/fish/config.fish  lyandev completion fish | source\n" +
			"  $PROFILE of PowerShell      lyandev completion powershell | Out-String |\n" +
			"                              Invoke-Expression\n\n" +
			"Examples:\n" +
			"  lyandev completion bash\n" +
			"  lyandev completion zsh",
		Action: func(c *cli.Context) error {
			shell := c.Args().First()
			if !slices.Contains(shells, shell) {
				return unknownName("shell", shell, shells)
			}
			script, err := completionScripts.ReadFile("completion/" + shell)
			if err != nil {
				return fmt.Errorf("cannot read the script: %w", err)
			}
			_, err = st.Out.Write(script)
			return err
		},
	}
}

// completeCommand is the hidden command that the scripts call: `lyandev __complete -- WORD...` prints what the last word can become,
// one a line, with a tab and what it means behind it. ":files" and ":dirs" ask the shell for paths.
const completeCommand = "__complete"

func newCompleteCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: completeCommand, Hidden: true, Usage: "print completions for a shell", ArgsUsage: "[WORD...]",
		Action: func(c *cli.Context) error {
			words := c.Args().Slice()
			last := ""
			if len(words) > 0 {
				words, last = words[:len(words)-1], words[len(words)-1]
			}
			if last == `""` { // PowerShell cannot pass an empty word
				last = ""
			}
			for _, found := range newCompleter(c, words).complete(last) {
				about, _, _ := strings.Cut(found.about, ";")
				fmt.Fprintln(st.Out, strings.TrimSuffix(found.word+"\t"+about, "\t"))
			}
			return nil
		},
	}
}

// completionLine is the command line of completeCommand: it gets the project flags of the words that it completes, so that it
// finds the files and the instance that they mean.
func completionLine(app *cli.App, given []string) []string {
	words := given[2:]
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	l := &commandLine{app: app}
	if len(words) > 0 {
		l.takeAll(words[:len(words)-1])
	}
	project := &commandLine{app: app, project: slices.DeleteFunc(l.project, func(g givenFlag) bool { return g.flag == cli.HelpFlag || g.flag == cli.VersionFlag })}
	return append(append(append([]string{given[0]}, project.canonical()...), completeCommand, "--"), words...)
}

// takeAll parses words as far as they make sense. It returns the flag that still needs a value, nil if none does.
func (l *commandLine) takeAll(words []string) cli.Flag {
	for len(words) > 0 {
		n, err := l.take(words)
		if err != nil {
			name := strings.TrimLeft(words[0], "-")
			if f := l.find(name); f != nil && len(words) == 1 && strings.HasPrefix(words[0], "-") {
				return f
			}
			n = 1
		}
		words = words[n:]
	}
	return nil
}
