package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/supervisor/instance"
)

// unitVariables are the variables of the environment that a unit has too, if they are set: they say where Docker, lyandev's state and the
// stack's files are.
var unitVariables = []string{
	"COMPOSE_ENV_FILES", "COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME", "DOCKER_CERT_PATH", "DOCKER_CONFIG", "DOCKER_CONTEXT",
	"DOCKER_HOST", "DOCKER_TLS_VERIFY", "LYANDEV_ALLOW_REMOTE", "LYANNA_SRC", "XDG_CACHE_HOME", "XDG_STATE_HOME",
}

// unitText is the unit that starts an instance. up -d leaves its supervisor in the unit's control group; when the unit is stopped, the
// supervisor ends and the containers go on. Only a missing engine (exit code 4) is tried again: units of a user cannot be ordered
// after Docker's.
func unitText(c *cli.Context, i *instance.Instance) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("cannot find the lyandev executable: %w", err)
	}
	args, err := unitArgs(c)
	if err != nil {
		return "", err
	}
	var env strings.Builder
	for _, name := range unitVariables {
		if v, set := os.LookupEnv(name); set {
			fmt.Fprintf(&env, "Environment=%s\n", unitQuoted(name+"="+v, false))
		}
	}
	if path := os.Getenv("PATH"); path != "" {
		fmt.Fprintf(&env, "Environment=%s\n", unitQuoted("PATH="+path, false))
	}
	var words []string
	for n, a := range append([]string{self}, args...) {
		words = append(words, unitQuoted(a, n > 0))
	}
	return fmt.Sprintf(`# Written by lyandev autostart enable; lyandev autostart disable removes it.
[Unit]
Description=lyandev stack %s

[Service]
Type=oneshot
RemainAfterExit=yes
WorkingDirectory=%s
%sExecStart=%s
Restart=on-failure
RestartPreventExitStatus=1 2 3
RestartSec=10

[Install]
WantedBy=default.target
`, strings.ReplaceAll(i.Name, "%", "%%"), strings.ReplaceAll(i.Dir, "%", "%%"), env.String(), strings.Join(words, " ")), nil
}

// unitArgs are the arguments of the unit's command: the project flags of this command line, with absolute paths.
func unitArgs(c *cli.Context) ([]string, error) {
	var out []string
	path := func(flag, value string) error {
		abs, err := filepath.Abs(value)
		out = append(out, flag, abs)
		return err
	}
	var errs []error
	for _, f := range c.StringSlice("file") {
		if f == "-" {
			return nil, withCode(exitUsage, errors.New("cannot enable autostart of a file that is read from standard input: save it first"))
		}
		errs = append(errs, path("--file", f))
	}
	if p := c.String("project-name"); p != "" {
		out = append(out, "--project-name", p)
	}
	for _, f := range c.StringSlice("env-file") {
		errs = append(errs, path("--env-file", f))
	}
	if d := c.String("project-directory"); d != "" {
		errs = append(errs, path("--project-directory", d))
	}
	for _, p := range c.StringSlice("profile") {
		out = append(out, "--profile", p)
	}
	return append(out, "up", "--detach", "--quiet"), errors.Join(errs...)
}

// unitQuoted is a word of a unit's file: quoted if it needs to be, without a meaning of its % and, in an argument, of its $.
func unitQuoted(word string, argument bool) string {
	word = strings.ReplaceAll(word, "%", "%%")
	if argument {
		word = strings.ReplaceAll(word, "$", "$$")
	}
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_=./:,@+%$", r)
	}
	if word != "" && !slices.ContainsFunc([]rune(word), func(r rune) bool { return !plain(r) }) {
		return word
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(word) + `"`
}
