package main

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/lyandev/lyandev/supervisor/ui"
)

// TestArrange: what a person types, and the order in which the library gets it.
func TestArrange(t *testing.T) {
	for _, c := range []struct{ typed, want string }{
		{"", ""},
		{"up", "up --"},
		{"up -d", "up --detach=true --"},
		{"up web -d", "up --detach=true -- web"},
		{"up web --timeout 20s db", "up --timeout=20s -- web db"},
		{"up -f x.yaml", "--file=x.yaml up --"},
		{"-f a.yaml -f b.yaml up", "--file=a.yaml --file=b.yaml up --"},
		{"up -f -", "--file=- up --"},
		{"up --profile ha", "--profile=ha up --"},
		{"--profile ha up --env-file=.env.x", "--profile=ha --env-file=.env.x up --"},
		{"ps -p X", "--project-name=X ps --"},
		{"ps worker --json", "ps --json=true -- worker"},
		{"scale api=2 --wait", "scale --wait=true -- api=2"},

		// -f after logs is follow, before it the file.
		{"logs worker -f", "logs --follow=true -- worker"},
		{"-f x.yaml logs worker -f", "--file=x.yaml logs --follow=true -- worker"},
		{"logs worker --file x.yaml", "--file=x.yaml logs -- worker"},
		{"logs -fn5 worker", "logs --follow=true --tail=5 -- worker"},
		{"logs -fn 5 worker", "logs --follow=true --tail=5 -- worker"},
		{"logs -n=5", "logs --tail=5 --"},
		{"logs --tail 5 worker", "logs --tail=5 -- worker"},

		// "--" ends the flags.
		{"logs -- -f", "logs -- -f"},
		{"logs web -- --follow", "logs -- web --follow"},
		{"logs help", "logs -- help"},

		// A container's command keeps its flags.
		{"exec web ls -l", "exec -- web ls -l"},
		{"exec web -- ls -l", "exec -- web ls -l"},
		{"exec -T web ls -- -l", "exec --no-tty=true -- web ls -- -l"},
		{"exec -e A=1,2 web env", "exec --env=A=1,2 -- web env"},
		{"exec -- web ls -l", "exec -- web ls -l"},
		{"exec web ls -p X --help", "exec -- web ls -p X --help"},
		{"-p X exec web ls", "--project-name=X exec -- web ls"},
		{"exec web -T ls", "exec -- web -T ls"},
		{"test pytest -k x", "test -- pytest -k x"},
		{"test --host -- pytest -k x", "test --host=true -- pytest -k x"},
		{"test pytest -- x", "test -- pytest -- x"},

		// A command's flag of the same name gets what came before the command.
		{"--profile a,b test", "test --profile=a,b --"},

		// Groups.
		{"snapshot", "snapshot --"},
		{"snapshot save a db --replace", "snapshot save --replace=true -- a db"},
		{"snapshot -p X ls", "--project-name=X snapshot ls --"},
		{"stats loop --json", "stats loop --json=true --"},
		{"drill db-crash --max-failed -1", "drill --max-failed=-1 -- db-crash"},

		// Help.
		{"help", "--help"},
		{"help up", "up --help"},
		{"help snapshot save", "snapshot save --help"},
		{"up web --help", "up --help"},
		{"-h", "--help"},
		{"snapshot ls -h", "snapshot ls --help"},
		{"--version", "--version=true"},
	} {
		got, err := arrange(newApp(ui.System()), append([]string{"lyandev"}, strings.Fields(c.typed)...))
		if want := append([]string{"lyandev"}, strings.Fields(c.want)...); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %q (%v), want %q", c.typed, got, err, want)
		}
	}
}

// TestArrangeRefuses: what is refused, always with exitUsage, and what the error says to do.
func TestArrangeRefuses(t *testing.T) {
	for typed, want := range map[string]string{
		"frobnicate":           `there is no command "frobnicate"; see lyandev --help`,
		"lgos":                 `there is no command "lgos"; did you mean logs? see lyandev --help`,
		"delete":               `there is no command "delete"; did you mean down? see lyandev --help`,
		"help pss":             `there is no command "pss"; did you mean ps? see lyandev --help`,
		"snapshot sav x":       `there is no command "snapshot sav"; did you mean save? see lyandev snapshot --help`,
		"logs --folow":         `unknown flag --folow; did you mean --follow? see lyandev logs --help`,
		"up web --waitt":       `unknown flag --waitt; did you mean --wait? see lyandev up --help`,
		"ps --projct-name x":   `unknown flag --projct-name; did you mean --project-name? see lyandev ps --help`,
		"logs -fx":             `unknown flag -fx; see lyandev logs --help`,
		"--json ps":            `unknown flag --json: a command's flag comes after the command: lyandev COMMAND --json; see lyandev --help`,
		"up --timeout":         `flag --timeout requires a value; see lyandev up --help`,
		"logs -n":              `flag -n requires a value; see lyandev logs --help`,
		"status web":           `status accepts no arguments, got "web": lyandev status; see lyandev status --help`,
		"version web":          `version accepts no arguments, got "web": lyandev version; see lyandev version --help`,
		"snapshot ls web":      `snapshot ls accepts no arguments, got "web": lyandev snapshot ls; see lyandev snapshot ls --help`,
		"why a b":              `why accepts at most 1 argument, got 2: lyandev why [SERVICE|POD]; see lyandev why --help`,
		"profile diff a":       `profile diff requires B: lyandev profile diff A B; see lyandev profile diff --help`,
		"exec":                 `exec requires SERVICE|POD and CMD: lyandev exec SERVICE|POD CMD [ARG...]; see lyandev exec --help`,
		"exec web --":          `exec requires CMD: lyandev exec SERVICE|POD CMD [ARG...]; see lyandev exec --help`,
		"scale --":             `scale requires SERVICE=N: lyandev scale SERVICE=N...; see lyandev scale --help`,
		"stats loop surplus":   `stats loop accepts no arguments, got "surplus": lyandev stats loop; see lyandev stats loop --help`,
		"version now":          `version accepts no arguments, got "now": lyandev version; see lyandev version --help`,
		"redis failover redis": `redis failover accepts no arguments, got "redis": lyandev redis failover; see lyandev redis failover --help`,
	} {
		_, err := arrange(newApp(ui.System()), append([]string{"lyandev"}, strings.Fields(typed)...))
		var coded *codedError
		if !errors.As(err, &coded) || coded.code != exitUsage || err.Error() != want {
			t.Errorf("%s: got %v, want %s", typed, err, want)
		}
	}
}
