package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/api"
	"github.com/lyandev/lyandev/supervisor/explain"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/resources"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
	"github.com/lyandev/lyandev/supervisor/ui/screen"
)

// upOptions are the options of `up`. timeout applies only with wait.
type upOptions struct {
	st      *ui.Streams
	profile string
	detach  bool
	wait    bool
	// finish also waits for the one-shots that others depend on.
	finish  bool
	timeout time.Duration
	quiet   bool
	noLogs  bool
	request api.ApplyRequest
	// progress, if not nil, is where applyAndShow shows what it does. It stays open.
	progress screen.Progress
	// accepted, if not nil, is called when the supervisor has accepted the stack.
	accepted func()
	// logs are the options of the logs that are followed.
	logs logOptions
	// quietPull and quietBuild leave pulls and builds out of the progress.
	quietPull, quietBuild bool
	// before is the state before the apply, nil if it is not known; moved are the workloads that have not stayed as they were then.
	before *state.Status
	moved  map[string]bool
	until  untilEnd
}

func newUpCommand(st *ui.Streams) *cli.Command {
	return &cli.Command{
		Name: "up", Usage: "start the stack, or apply changes of the file to a running one", ArgsUsage: "[SERVICE...]",
		Description: "Runs in the foreground. On a terminal it shows what each service waits for until the stack is ready, then the logs above a status line,\n" +
			"with a line for each edit, restart, rollout and switch; in a pipe the same as plain lines. Ctrl-C stops the stack and keeps the\n" +
			"containers of plain services for the next up (a second Ctrl-C stops it immediately); lyandev down removes them. If a supervisor is\n" +
			"already running, up applies the stack to it and attaches; Ctrl-C then only detaches.",
		Flags: upFlags(),
		Action: func(c *cli.Context) error {
			o, err := upOptionsOf(c, st)
			if err != nil {
				return withCode(exitUsage, err)
			}
			return runUp(c, o)
		},
	}
}

func runUp(c *cli.Context, o upOptions) error {
	stack, err := loadForUp(c, &o)
	if err != nil {
		return err
	}
	o.request.Began = timed(o.request.Began, "read the files")
	if err := checkApplied(c, o.st, stack); err != nil {
		return err
	}
	printHostPaths(o.st, stack.HostPaths, o.quiet)
	t, err := findTarget(c, stack)
	if err != nil {
		return err
	}
	if c.Bool("dry-run") {
		return dryRun(c, o.st, t, stack, o.request)
	}
	if text := ownInstance(instance.Open(), t.instance); text != "" && !o.quiet && c.String("project-name") == "" {
		fmt.Fprintln(o.st.Err, text)
	}
	o.request.Stack = stack
	if t.portsAuto(c) && !c.IsSet("ports") {
		o.request.PortsAuto = true // the project's main instance uses the declared ports
	}
	if err := waitStopped(c.Context, t); err != nil {
		return err
	}
	if err := takeOver(c.Context, o.st, t, stack, c.Bool("take-over")); err != nil {
		return err
	}
	if err := provide(c, o.st, t, stack, o.request.Only); err != nil {
		return err
	}
	answers, err := t.answers(c.Context)
	if err != nil {
		return err
	}
	o.request.Began = timed(o.request.Began, "look at what is there")
	if o.request.NoStart {
		return createOnly(c, t, o, answers)
	}
	if o.until.any() {
		return runUntilEnd(c, t, o, answers)
	}
	if answers {
		return attach(c, t, o)
	}
	if o.detach {
		if err := startInBackground(c, t); err != nil {
			return err
		}
		o.request.Began = timed(o.request.Began, "start the supervisor")
		return detached(c, t, o)
	}
	return foreground(c, t, o)
}

// loadForUp loads the stack as loadActive does, changed as the command line says.
func loadForUp(c *cli.Context, o *upOptions) (*services.Stack, error) {
	stack, err := loadActive(c, o.profile, o.request.Only)
	if err != nil {
		return nil, err
	}
	switch timing := c.String("timing"); timing {
	case "":
	case "fast", "strict":
		stack.Timing = timing
	default:
		return nil, withCode(exitUsage, fmt.Errorf("cannot use --timing %q: it must be fast or strict", timing))
	}
	if len(stack.Workloads)+len(stack.Providers) == 0 {
		return nil, withCode(exitUsage, errors.New("cannot start the stack: the file has no services; docker compose up says `no service selected`"))
	}
	if err := applyOverrides(c, stack); err != nil {
		return nil, withCode(exitUsage, err)
	}
	for _, name := range o.request.Only {
		if stack.Find(name) == nil {
			return nil, unknownName("service", name, stack.DisplayNames())
		}
	}
	return stack, nil
}

// startInBackground starts a supervisor process in the background and blocks until it answers, for at most 20 s.
func startInBackground(c *cli.Context, t *target) error {
	if _, err := connect(c.Context); err != nil {
		return err
	}
	if answers, err := waitUnlocked(c.Context, t); err != nil || answers { // a supervisor that is exiting, or whose socket was removed
		return err
	}
	if err := t.instance.Save(); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("cannot find the lyandev executable: %w", err)
	}
	log, err := os.OpenFile(t.instance.LogFile(), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("cannot open the supervisor's log: %w", err)
	}
	defer log.Close()
	args := []string{}
	if c.Bool("debug") {
		args = append(args, "--debug")
	}
	cmd := exec.Command(self, append(args, "supervise", t.instance.Name)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = "/", log, log, ownSession()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("cannot start the supervisor: %w", err)
	}
	died := make(chan error, 1)
	go func() { died <- cmd.Wait() }()
	deadline := time.After(20 * time.Second)
	for !t.client.Alive(c.Context) {
		select {
		case <-died:
			if otherAnswers(c.Context, t) {
				return nil // another process started one first
			}
			text, _ := os.ReadFile(t.instance.LogFile())
			return fmt.Errorf("cannot start the supervisor: %s", strings.TrimSpace(string(text)))
		case <-deadline:
			return fmt.Errorf("cannot reach the supervisor: it did not answer within 20 s; see its log %s", t.instance.LogFile())
		case <-c.Context.Done():
			return context.Cause(c.Context)
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

// detached applies the stack and blocks until it has started or, with --wait, is ready.
func detached(c *cli.Context, t *target, o upOptions) error {
	began := time.Now()
	if err := applyAndShow(c.Context, t, o); err != nil {
		return err
	}
	if !o.quiet {
		printWhereToLook(o.st, t, began)
	}
	if c.Bool("trace") {
		return printUpTrace(c, o.st, t)
	}
	return nil
}

// applyAndShow applies the stack, shows progress and blocks until the stack has started or, with o.wait, is ready. If the
// stack cannot be applied and no pods exist, it also ends the supervisor.
func applyAndShow(ctx context.Context, t *target, o upOptions) error {
	shown, endShow := context.WithCancel(ctx)
	defer endShow()
	now, err := t.client.State(ctx)
	if err != nil {
		now = nil // it may have begun a moment ago
	}
	if err := engineAway("bring up", now); err != nil {
		return err
	}
	o.before = now
	progress := o.progress
	if progress == nil {
		progress = screen.New(o.st, screen.Options{Quiet: o.quiet, Probes: t.client.ProbeAnswers})
		defer progress.Close()
		go watchEvents(shown, t, progress, resources.IsNote) // the answer to the apply has the notes
	}
	w := arrivalWatch{
		wait: o.wait, limit: timeoutOf(o), show: func(s *state.Status) { progress.Show(o.pruned(s)) },
		apply:     func() (uint64, error) { return applyAndTell(shown, t, o, now, progress) },
		snapshots: func(f func(*state.Status) bool) error { return t.client.WatchState(shown, f) },
		stays:     func(s *state.Status) bool { return stays(ctx, t, s) },
	}
	if o.finish {
		w.unfinished = unfinished(o.request.Stack)
	}
	err = w.run(shown)
	var refused *applyError
	switch {
	case errors.As(err, &refused):
		err = refused.err
		if s, e := t.client.State(ctx); e == nil && s.Engine != "" {
			err = withCode(exitNoEngine, err)
		}
	case errors.Is(err, errNotThere):
		err = notReady(ctx, t, err)
	}
	endShow()
	if o.progress == nil {
		progress.Close() // before anything else is written
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		return abandonEmpty(t, err)
	}
	return err
}

// timeoutOf is the time the stack may take to start or become ready, counted from the end of the apply.
func timeoutOf(o upOptions) time.Duration {
	if !o.wait {
		return 10 * time.Minute
	}
	return o.timeout
}

// abandonEmpty ends the supervisor if it has no workloads and no pods, because its first stack could not be applied. It
// returns err.
func abandonEmpty(t *target, err error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if s, e := t.client.State(ctx); e == nil && len(s.Pods) == 0 && len(s.Workloads) == 0 {
		_ = t.client.Stop(ctx)
		_ = t.client.WatchState(ctx, func(*state.Status) bool { return true }) // ends with the supervisor
		_, _ = waitUnlocked(ctx, t)
	}
	return err
}

// stays reports whether a ready stack is still ready a moment later. It waits only if a container may exit right after its
// start.
func stays(ctx context.Context, t *target, s *state.Status) bool {
	if !unproved(s) {
		return true
	}
	select {
	case <-ctx.Done():
		return true
	case <-time.After(moment):
	}
	now, err := t.client.State(ctx)
	return err != nil || now.Phase == state.Ready
}

// watchEvents shows the events from now on, but those with a reason that skip says, until ctx ends.
func watchEvents(ctx context.Context, t *target, p screen.Progress, skip func(reason string) bool) {
	seen := uint64(0)
	if old, err := t.client.Events(ctx, 0); err == nil && len(old) > 0 {
		seen = old[len(old)-1].Seq
	}
	_ = t.client.WatchEvents(ctx, seen, func(e state.Event) bool {
		if !skip(e.Reason) {
			p.Event(e)
		}
		return true
	})
}

// notReady is the error of a stack that is not ready: the reason, then every service that is not right, the worst first.
func notReady(ctx context.Context, t *target, err error) error {
	list := ""
	if f, e := factsOf(ctx, t); e == nil {
		if causes := explain.Lines(explain.Broken(f)); causes != "" {
			list = "\n" + causes
		}
	}
	if list == "" {
		list = "; "
	}
	return withCode(exitNotReady, fmt.Errorf("the stack is not ready: %w%sthe supervisor goes on: see `lyandev ps`, `lyandev why`, `lyandev events` and "+
		"`lyandev logs`, or stop it with `lyandev down`", err, list))
}
