package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/mattn/go-shellwords"
	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func newRunCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "run", Usage: "run a command in a new container of a service", ArgsUsage: "SERVICE [CMD [ARG...]]",
		Description: "The container has the service's image, environment, volumes and networks, and a name of its own. What the service depends\n" +
			"on is started first. No ports are published unless asked for, and nothing reaches the container under the service's\n" +
			"name unless --use-aliases is given. Its exit code is this command's. Without --rm the container stays until\n" +
			"`lyandev down`.\n\n" +
			"For a service with Kubernetes' semantics the container is one of its pod template. SERVICE may also be the name of a container of\n" +
			"the template. CMD replaces its args, --entrypoint its command. Its init containers run first, unless --no-deps is given. It has the\n" +
			"pods' claims, an emptyDir of its own, and none of their probes, hooks and sidecars.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "detach", Aliases: []string{"d"}, Usage: "start the container, print its name and return"},
			&cli.BoolFlag{Name: "rm", Usage: "remove the container when it has ended"},
			&cli.BoolFlag{Name: "interactive", Aliases: []string{"i"}, Value: true, Usage: "pass standard input on"},
			&cli.BoolFlag{Name: "tty", Aliases: []string{"t"}, Value: true, Usage: "allocate a terminal if this is one"},
			&cli.BoolFlag{Name: "no-tty", Aliases: []string{"T"}, Usage: "do not allocate a terminal"},
			&cli.StringFlag{Name: "name", Usage: "the `NAME` of the container; default: PROJECT-SERVICE-run-HEX"},
			&cli.StringSliceFlag{Name: "env", Aliases: []string{"e"}, Usage: "set `NAME=VALUE`, or NAME as it is here"},
			&cli.StringSliceFlag{Name: "env-from-file", Usage: "set the variables of `FILE`: lines of NAME=VALUE"},
			&cli.StringFlag{Name: "user", Aliases: []string{"u"}, Usage: "run as `USER`"},
			&cli.StringFlag{Name: "workdir", Aliases: []string{"w"}, Usage: "run in `DIR`"},
			&cli.StringSliceFlag{Name: "volume", Aliases: []string{"v"}, Usage: "mount `SOURCE:TARGET`, a path or a volume of the file"},
			&cli.StringSliceFlag{Name: "publish", Aliases: []string{"p"}, Usage: "publish a `PORT` as docker run -p does, on 127.0.0.1 by default"},
			&cli.BoolFlag{Name: "service-ports", Aliases: []string{"P"}, Usage: "publish the service's ports"},
			&cli.StringFlag{Name: "entrypoint", Usage: "replace the entrypoint by `COMMAND`"},
			&cli.BoolFlag{Name: "no-deps", Usage: "do not start what the service depends on, and run no init containers"},
			&cli.BoolFlag{Name: "build", Usage: "build the service's image even if nothing changed"},
			&cli.StringFlag{Name: "pull", Usage: "pull images `always`, if missing, or never, whatever the file says"},
			&cli.BoolFlag{Name: "use-aliases", Usage: "give the container the service's names in its networks"},
			&cli.StringSliceFlag{Name: "label", Aliases: []string{"l"}, Usage: "add the label `NAME=VALUE`"},
			&cli.StringSliceFlag{Name: "cap-add", Usage: "add the Linux capability `CAP`"},
			&cli.StringSliceFlag{Name: "cap-drop", Usage: "drop the Linux capability `CAP`"},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "do not show progress"},
			&cli.BoolFlag{Name: "quiet-pull", Usage: "do not show the progress of pulls"},
			&cli.BoolFlag{Name: "quiet-build", Usage: "do not show the progress of builds"},
			&cli.BoolFlag{Name: "remove-orphans", Usage: "accepted for Compose's sake: the next up removes containers of services that left the file"},
		},
		Action: func(c *cli.Context) error { return runOneOff(c, st) },
	}
}

// oneOffOptions reads the options of `run`.
func oneOffOptions(c *cli.Context, st *ui.Streams) (compose.OneOff, error) {
	o := compose.OneOff{
		Name: c.String("name"), Command: c.Args().Tail(), User: c.String("user"), WorkingDir: c.String("workdir"), Labels: map[string]string{},
		CapAdd: c.StringSlice("cap-add"), CapDrop: c.StringSlice("cap-drop"), Publish: c.StringSlice("publish"),
		ServicePorts: c.Bool("service-ports"), UseAliases: c.Bool("use-aliases"), Remove: c.Bool("rm"),
	}
	if !c.Bool("detach") {
		o.Stdin = c.Bool("interactive") && (st.InTTY || hasInput())
		o.TTY = st.InTTY && st.OutTTY && o.Stdin && c.Bool("tty") && !c.Bool("no-tty")
	}
	if o.TTY {
		o.Env = append(o.Env, "TERM="+os.Getenv("TERM"))
	}
	for _, file := range c.StringSlice("env-from-file") {
		lines, err := envFile(file)
		if err != nil {
			return o, err
		}
		o.Env = append(o.Env, lines...)
	}
	o.Env = append(o.Env, withValues(c.StringSlice("env"))...)
	for _, l := range c.StringSlice("label") {
		name, value, _ := strings.Cut(l, "=")
		o.Labels[name] = value
	}
	for _, v := range c.StringSlice("volume") {
		abs, err := absoluteSource(v)
		if err != nil {
			return o, err
		}
		o.Volumes = append(o.Volumes, abs)
	}
	if c.IsSet("entrypoint") {
		words, err := shellwords.Parse(c.String("entrypoint"))
		if err != nil {
			return o, withCode(exitUsage, fmt.Errorf("cannot use --entrypoint %q: %w", c.String("entrypoint"), err))
		}
		if o.Entrypoint = words; len(words) == 0 {
			o.Entrypoint = []string{""} // Docker's way to say: none
		}
	}
	return o, nil
}

// withValues gives variables without a value the one that they have here; those that are not set here are left out.
func withValues(list []string) []string {
	var out []string
	for _, e := range list {
		if !strings.Contains(e, "=") {
			value, set := os.LookupEnv(e)
			if !set {
				continue
			}
			e += "=" + value
		}
		out = append(out, e)
	}
	return out
}

// envFile reads a file of NAME=VALUE lines as docker run --env-file does: values are taken as they are, lines that begin with # are
// comments.
func envFile(file string) ([]string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, withCode(exitUsage, fmt.Errorf("cannot read the variables of --env-from-file: %w", err))
	}
	var out []string
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimLeft(strings.TrimRight(line, "\r\n"), " \t"); line != "" && line[0] != '#' {
			out = append(out, line)
		}
	}
	return withValues(out), nil
}

// absoluteSource makes a source that is a path relative to this directory, or to the home directory, absolute.
func absoluteSource(v string) (string, error) {
	source, rest, mounted := strings.Cut(v, ":")
	if !mounted || !strings.HasPrefix(source, ".") && !strings.HasPrefix(source, "~") {
		return v, nil
	}
	if after, home := strings.CutPrefix(source, "~"); home {
		dir, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("cannot mount %s: %w", v, err)
		}
		source = dir + after
	}
	abs, err := filepath.Abs(source)
	if err != nil {
		return "", fmt.Errorf("cannot mount %s: %w", v, err)
	}
	return abs + ":" + rest, nil
}
