package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/supervisor/api"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// upFlags are the flags of up.
func upFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.BoolFlag{Name: "detach", Aliases: []string{"d"}, Usage: "run the supervisor in the background"},
		&cli.BoolFlag{Name: "wait", Usage: "return when the stack is ready (implies -d)"},
		&cli.StringFlag{Name: "timeout", Aliases: []string{"t"}, Usage: "kill containers that have not stopped after `SECONDS`, those that this up replaces and those that Ctrl-C stops; with a unit (90s) it is --wait-timeout"},
		&cli.StringFlag{Name: "wait-timeout", Value: "5m", Usage: "with --wait: give up after `TIME`, a duration or a number of seconds"},
		&cli.StringFlag{Name: "ports", Value: "fixed", Usage: "if a host port is in use: `fixed` (fail) or auto (use the next free port)"},
		&cli.StringFlag{Name: "timing", Usage: "probe timing: `fast` or strict; default: the file's"},
		&cli.BoolFlag{Name: "build", Usage: "build images even if nothing changed"},
		&cli.BoolFlag{Name: "no-build", Usage: "do not build; use the existing images"},
		&cli.BoolFlag{Name: "no-watch", Usage: "do not watch the paths in develop.watch"},
		&cli.BoolFlag{Name: "take-over", Usage: "stop and remove the containers that Docker Compose started for the project; volumes are kept and used"},
		strictFlag(),
		&cli.BoolFlag{Name: "force-recreate", Usage: "make the containers anew even if nothing changed"},
		&cli.BoolFlag{Name: "no-deps", Usage: "with SERVICE: leave what it depends on as it is"},
		&cli.StringSliceFlag{Name: "scale", Usage: "run `SERVICE=N` containers, whatever the file says"},
		&cli.BoolFlag{Name: "remove-orphans", Usage: "accepted for Compose's sake: containers of services that left the file are always removed"},
		&cli.BoolFlag{Name: "dry-run", Usage: "print what would be done, as lyandev diff does, and change nothing"},
		&cli.BoolFlag{Name: "trace", Usage: "when the stack is ready, print where the time went, as lyandev trace does"},
		&cli.BoolFlag{Name: "no-logs", Usage: "do not follow the logs"},
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "do not show progress"},
	}, append(output.Flags(output.Wide, output.Name), composeUpFlags()...)...)
}

// composeUpFlags are the flags of docker compose up that are not lyandev's own too.
func composeUpFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "abort-on-container-exit", Usage: "stop the stack when a container has ended by itself, and exit with its code; not with -d"},
		&cli.BoolFlag{Name: "abort-on-container-failure", Usage: "stop the stack when a container has failed, and exit with its code; not with -d"},
		&cli.StringFlag{Name: "exit-code-from", Usage: "stop the stack when a container has ended, and exit with the code of `SERVICE`; not with -d"},
		&cli.StringFlag{Name: "pull", Usage: "pull images `always`, if missing, or never, whatever the file says"},
		&cli.BoolFlag{Name: "quiet-pull", Usage: "do not show the progress of pulls"},
		&cli.BoolFlag{Name: "quiet-build", Usage: "do not show the progress of builds"},
		&cli.BoolFlag{Name: "no-start", Usage: "create the containers and do not start them, as lyandev create does"},
		&cli.BoolFlag{Name: "no-recreate", Usage: "leave the containers of services that run as they are, though the file has changed"},
		&cli.BoolFlag{Name: "always-recreate-deps", Usage: "with SERVICE: make the containers of what it depends on anew too"},
		&cli.BoolFlag{Name: "renew-anon-volumes", Aliases: []string{"V"}, Usage: "containers that are made anew begin with new anonymous volumes; their former ones are deleted"},
		&cli.BoolFlag{Name: "watch", Aliases: []string{"w"}, Usage: "watch the paths in develop.watch: always so, unless --no-watch is given"},
		&cli.StringSliceFlag{Name: "attach", Usage: "follow only the logs of `SERVICE`"},
		&cli.BoolFlag{Name: "attach-dependencies", Usage: "with SERVICE: follow the logs of what it depends on too: always so, unless --attach is given"},
		&cli.StringSliceFlag{Name: "no-attach", Usage: "do not follow the logs of `SERVICE`"},
		&cli.BoolFlag{Name: "no-color", Usage: "print without colours"},
		&cli.BoolFlag{Name: "no-log-prefix", Usage: "print log lines without the names of their pods"},
		&cli.BoolFlag{Name: "timestamps", Usage: "print the time of each log line"},
		&cli.BoolFlag{Name: "menu", Usage: "accepted for Compose's sake: there is no menu; the other commands work from another terminal"},
		&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "accepted for Compose's sake: lyandev does not ask"},
	}
}

// upOptionsOf reads the options of `up`.
func upOptionsOf(c *cli.Context, st *ui.Streams) (upOptions, error) {
	o := upOptions{
		st: st, profile: chosenProfile(c), detach: c.Bool("detach") || c.Bool("wait"), wait: c.Bool("wait"), finish: c.Bool("wait"),
		quiet: c.Bool("quiet"), noLogs: c.Bool("no-logs"), quietPull: c.Bool("quiet-pull"), quietBuild: c.Bool("quiet-build"),
		logs: logOptions{
			follow: true, plain: c.Bool("no-log-prefix"), timestamps: c.Bool("timestamps"), names: c.StringSlice("attach"), except: c.StringSlice("no-attach"),
		},
		until: untilEnd{exit: c.Bool("abort-on-container-exit"), failure: c.Bool("abort-on-container-failure"), from: c.String("exit-code-from")},
		request: api.ApplyRequest{
			Build: c.Bool("build"), NoBuild: c.Bool("no-build"), NoWatch: c.Bool("no-watch"), PortsAuto: c.String("ports") == "auto",
			Only: c.Args().Slice(), NoDeps: c.Bool("no-deps"),
			ApplyWay: api.ApplyWay{Pull: c.String("pull"), NoRecreate: c.Bool("no-recreate"), NewVolumes: c.Bool("renew-anon-volumes"), NoStart: c.Bool("no-start")},
		},
	}
	if c.Bool("no-color") {
		st.Color = false
	}
	return o, errors.Join(o.check(c), o.times(c))
}

// check returns an error for values and combinations of flags that make no sense.
func (o *upOptions) check(c *cli.Context) error {
	if p := c.String("ports"); p != "fixed" && p != "auto" {
		return fmt.Errorf("cannot use --ports %q: it must be fixed or auto", p)
	}
	if err := checkPull(o.request.Pull); err != nil {
		return err
	}
	for _, pair := range [][2]string{
		{"no-recreate", "force-recreate"},
		{"no-recreate", "always-recreate-deps"},
		{"watch", "no-watch"},
		{"build", "no-build"},
		{"no-start", "wait"},
		{"no-start", "abort-on-container-exit"},
		{"no-start", "abort-on-container-failure"},
		{"no-start", "exit-code-from"},
		{"abort-on-container-exit", "abort-on-container-failure"},
		{"exit-code-from", "abort-on-container-failure"},
	} {
		if given(c, pair[0]) && given(c, pair[1]) {
			return fmt.Errorf("cannot use --%s together with --%s: leave out one of them", pair[0], pair[1])
		}
	}
	for _, name := range []string{"abort-on-container-exit", "abort-on-container-failure", "exit-code-from", "attach", "no-attach"} {
		if o.detach && given(c, name) {
			return fmt.Errorf("cannot use --%s together with -d or --wait: it is about an up in the foreground; `lyandev wait SERVICE` waits for the end of a "+
				"service and `lyandev logs -f SERVICE` follows logs", name)
		}
	}
	return nil
}

// checkPull returns an error for a value that --pull cannot have; "" is none.
func checkPull(p string) error {
	if p != "" && !slices.Contains([]string{"always", "missing", "never"}, p) {
		return fmt.Errorf("cannot use --pull %q: it must be always, missing or never", p)
	}
	return nil
}

// given reports whether a flag was given, and not as false.
func given(c *cli.Context, name string) bool {
	return c.IsSet(name) && (c.Bool(name) || c.String(name) != "" && c.String(name) != "false" || len(c.StringSlice(name)) > 0)
}

// times reads --timeout and --wait-timeout.
func (o *upOptions) times(c *cli.Context) (err error) {
	if o.timeout, err = parseSeconds(cmp.Or(c.String("wait-timeout"), "0")); err != nil {
		return fmt.Errorf("cannot use --wait-timeout %q: %w", c.String("wait-timeout"), err)
	}
	text := c.String("timeout")
	if text == "" {
		return nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 {
		o.request.Grace = &n
		return nil
	}
	if o.timeout, err = parseSeconds(text); err != nil {
		return fmt.Errorf("cannot use --timeout %q: %w", text, err)
	}
	return nil
}

// parseSeconds parses a duration (90s, 5m), or a number of seconds.
func parseSeconds(text string) (time.Duration, error) {
	if n, err := strconv.ParseInt(text, 10, 32); err == nil {
		text = strconv.FormatInt(n, 10) + "s"
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, errors.New("it must be a number of seconds, or a duration such as 90s or 5m")
	}
	return d, nil
}

// cutShort calls stop again when the time of --timeout has passed, which ends the grace periods. Without --timeout it does nothing.
func (o *upOptions) cutShort(stop func()) {
	if o.request.Grace != nil {
		time.AfterFunc(max(time.Duration(*o.request.Grace)*time.Second, 100*time.Millisecond), stop)
	}
}

// stayed reports whether a workload has been right as it is since before the apply: there is nothing to tell of it.
func (o *upOptions) stayed(w state.Workload) bool {
	old, ok := o.before.Workload(w.Name)
	if ok && !o.moved[w.Name] && old.Right && w.Right && old.Revision == w.Revision && old.Want == w.Want {
		return true
	}
	if o.moved == nil {
		o.moved = map[string]bool{}
	}
	o.moved[w.Name] = true
	return false
}

// pruned is the state without what the progress is not to show.
func (o *upOptions) pruned(s *state.Status) *state.Status {
	out := *s
	if o.before != nil && o.before.Applied > 0 && !o.st.ErrTTY {
		out.Workloads = slices.DeleteFunc(slices.Clone(s.Workloads), o.stayed)
	}
	if !o.quietPull && !o.quietBuild {
		return &out
	}
	out.Builds = slices.DeleteFunc(slices.Clone(s.Builds), func(b state.Build) bool { return b.Pull && o.quietPull || !b.Pull && o.quietBuild })
	return &out
}
