package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	helptext "github.com/lyandev/lyandev/cmd/lyandev/topics"
	"github.com/lyandev/lyandev/profiles"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// helpTexts are the topics by name, and README.md.
func helpTexts(t *testing.T) map[string]string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{"README.md": string(readme)}
	for _, topic := range helptext.All() {
		text, found, err := helptext.Find([]string{topic.Name})
		if err != nil || !found || topic.Title == "" || len(text) < 200 {
			t.Errorf("topic %s (%q): found %v, %d characters, %v", topic.Name, topic.Title, found, len(text), err)
		}
		out[topic.Name] = text
	}
	return out
}

// TestHelpListsEverything: every command is in a group, each group's heading and each topic is there, and no line is too wide.
func TestHelpListsEverything(t *testing.T) {
	app := newApp(ui.System())
	var out strings.Builder
	appHelp(&out, app)
	text := out.String()
	for _, c := range app.Commands {
		if listed := regexp.MustCompile(`(?m)^  ` + regexp.QuoteMeta(c.Name) + ` `).MatchString(text); listed == c.Hidden {
			t.Errorf("command %s: listed %v", c.Name, listed)
		}
	}
	if strings.Contains(text, "Other commands") {
		t.Error("a command is in no group of commandGroups")
	}
	for _, topic := range helptext.All() {
		if !strings.Contains(text, "\n  "+topic.Name+" ") {
			t.Errorf("topic %s is not listed", topic.Name)
		}
	}
	checkWidth(t, "lyandev help", text)
}

func checkWidth(t *testing.T, name, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > helpWidth {
			t.Errorf("%s: %d columns: %s", name, n, line)
		}
	}
}

// TestTopicsFitATerminal: the text of a topic has no line of more than 80 columns, but for examples of the reference.
func TestTopicsFitATerminal(t *testing.T) {
	for name, text := range helpTexts(t) {
		if name == "README.md" || name == helptext.ReferenceName {
			continue
		}
		checkWidth(t, name, text)
	}
}

// eachCommand calls f for every command that help lists, and for those below it.
func eachCommand(list []*cli.Command, prefix string, f func(name string, c *cli.Command)) {
	for _, c := range list {
		if c.Hidden {
			continue
		}
		f(prefix+c.Name, c)
		eachCommand(c.Subcommands, prefix+c.Name+" ", f)
	}
}

// TestCommandHelp: every command has a short first line, a text that fits a terminal, and examples that can be typed.
func TestCommandHelp(t *testing.T) {
	app := newApp(ui.System())
	eachCommand(app.Commands, "", func(name string, c *cli.Command) {
		if n := len(c.Usage); n == 0 || n > 110 || strings.HasSuffix(c.Usage, ".") {
			t.Errorf("%s: its first line has %d characters: %q", name, n, c.Usage)
		}
		c.HelpName = "lyandev " + name
		var out strings.Builder
		commandHelp(&out, c)
		if !regexp.MustCompile(`(?m)^ {2,}lyandev ` + regexp.QuoteMeta(name)).MatchString(out.String()) {
			t.Errorf("%s: its help has no example", name)
		}
	})
	for name, lines := range commandExamples {
		for line := range strings.Lines(lines) {
			if err := typed("lyandev " + line); err != nil {
				t.Errorf("example of %s: %s: %v", name, strings.TrimSpace(line), err)
			}
		}
	}
	for _, words := range [][]string{{"up", "--help"}, {"help", "up"}, {"help", "snapshot", "save"}} {
		if got, err := arrange(newApp(ui.System()), append([]string{"lyandev"}, words...)); err != nil || got[len(got)-1] != "--help" {
			t.Errorf("%v: %v, %v", words, got, err)
		}
	}
}

// typed parses a command line of a text as if it was typed, and returns why it is refused. What stands for any number of arguments
// is left out, and one of several words is chosen.
func typed(line string) error {
	line, _, _ = strings.Cut(line, " #")
	line, _, _ = strings.Cut(line, "&&")
	line, _, _ = strings.Cut(line, " || ")
	line, _, _ = strings.Cut(line, " >")
	line, _, _ = strings.Cut(strings.ReplaceAll(line, `\|`, "|"), " | ")
	line = strings.NewReplacer(`""`, "x", "...", "", "[", "", "]", "").Replace(line)
	words := strings.Fields(line)
	for i, w := range words {
		words[i], _, _ = strings.Cut(w, "|")
	}
	_, err := arrange(newApp(ui.System()), words)
	return err
}

var (
	codeSpan   = regexp.MustCompile("(?s)`([^`]+)`")
	typedLine  = regexp.MustCompile(`(?m)^ *(?:[A-Z_]+=\S+ )?(lyandev [^\n]*)$`)
	flagInText = regexp.MustCompile(`^--[a-z][a-z-]+`)
)

// TestTextsNameWhatExists: every command line, command and flag in a topic or in README.md is accepted by this lyandev.
func TestTextsNameWhatExists(t *testing.T) {
	app := newApp(ui.System())
	flags := map[string]bool{"--help": true}
	add := func(list []cli.Flag) {
		for _, f := range list {
			for _, n := range f.Names() {
				flags["--"+n] = true
			}
		}
	}
	add(app.Flags)
	eachCommand(app.Commands, "", func(_ string, c *cli.Command) { add(c.Flags) })
	lines := 0
	for name, text := range helpTexts(t) {
		check := func(line string) {
			lines++
			if err := typed(strings.Join(strings.Fields(line), " ")); err != nil && !onlyLacksArguments(err) {
				t.Errorf("%s: %s: %v", name, line, err)
			}
		}
		prose := regexp.MustCompile("(?s)```.*?```").ReplaceAllStringFunc(text, func(block string) string {
			for _, m := range typedLine.FindAllStringSubmatch(block, -1) {
				check(columns.Split(m[1], 2)[0])
			}
			return ""
		})
		if name != "README.md" {
			for _, m := range typedLine.FindAllStringSubmatch(text, -1) {
				if strings.HasPrefix(m[0], "    ") {
					check(columns.Split(m[1], 2)[0])
				}
			}
		}
		for _, m := range codeSpan.FindAllStringSubmatch(prose, -1) {
			span := strings.Join(strings.Fields(m[1]), " ")
			if strings.HasPrefix(span, "lyandev ") {
				check(span)
			} else if f := flagInText.FindString(span); f != "" && !flags[f] {
				t.Errorf("%s: there is no flag %s", name, span)
			}
		}
	}
	if lines < 100 {
		t.Errorf("only %d command lines were found", lines)
	}
}

// columns separate a command line from what is said about it beside it.
var columns = regexp.MustCompile(` {2,}`)

// onlyLacksArguments reports whether a command line is only not complete, as `lyandev exec` in a sentence.
func onlyLacksArguments(err error) bool { return strings.Contains(err.Error(), " requires ") }

var yamlStart = regexp.MustCompile(`^(name|services|x-lyandev|include|volumes):`)

// TestTextsHaveFilesThatLoad: every example of a file in a topic or in README.md loads, in every profile.
func TestTextsHaveFilesThatLoad(t *testing.T) {
	found := 0
	for name, text := range helpTexts(t) {
		for _, block := range yamlBlocks(text) {
			found++
			dir := t.TempDir()
			for file, content := range map[string]string{
				"compose.yaml": block, "Dockerfile": "FROM scratch\n", "nginx.conf": "", "src/x": "", "pages/x": "", "conf/x": "", "requirements.txt": "",
			} {
				if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			o := profiles.Options{WorkDir: dir, Env: []string{"HOME=/root", "PATH=/bin"}}
			if _, err := profiles.Load(t.Context(), o); err != nil {
				t.Errorf("%s: %v\n%s", name, err, block)
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d files were found", found)
	}
}

// yamlBlocks returns the files in a text: indented blocks, and fenced ones, that begin with a key of a Compose file.
func yamlBlocks(text string) []string {
	var out []string
	var block []string
	end := func() {
		if len(block) > 0 && yamlStart.MatchString(block[0]) {
			out = append(out, strings.Join(block, "\n")+"\n")
		}
		block = nil
	}
	fenced := false
	for _, line := range append(strings.Split(text, "\n"), "end") {
		switch {
		case strings.HasPrefix(line, "```"):
			end()
			fenced = line == "```yaml"
		case fenced:
			block = append(block, line)
		case strings.HasPrefix(line, "    "):
			block = append(block, line[4:])
		default:
			end()
		}
	}
	return out
}

// TestKeysOfTheReference: one key of x-lyandev in each form in which people ask for it.
func TestKeysOfTheReference(t *testing.T) {
	for _, typed := range []string{
		"x-lyandev.probes.readiness", "x-lyandev probes readiness", "x-lyandev probes.readiness",
		"services.web.x-lyandev.probes.readiness", "x-lyandev.probes.readiness.httpGet.path",
	} {
		words := strings.Fields(typed)
		got, err := arrange(newApp(ui.System()), append([]string{"lyandev", "help"}, words...))
		if want := append([]string{"lyandev", "help", "--"}, words...); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v", typed, got, err)
		}
		text, found, err := helptext.Find(words)
		if err != nil || !found || !strings.Contains(text, "services.NAME.x-lyandev.probes.readiness") || !strings.Contains(text, "periodSeconds (number): How often") ||
			strings.Contains(text, "liveness\n  Probe") {
			t.Errorf("%s: %v\n%s", typed, err, text)
		}
	}
	if _, _, err := helptext.Find([]string{"x-lyandev.bootstrap.run"}); err != nil {
		t.Error(err)
	}
	if _, _, err := helptext.Find([]string{"x-lyandev.porbes"}); err == nil || !strings.Contains(err.Error(), "did you mean probes?") {
		t.Errorf("got %v", err)
	}
}
