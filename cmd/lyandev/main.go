// Command lyandev runs a Kubernetes-shaped application on plain Docker, without a cluster.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/lyandev/lyandev/cmd/lyandev/startup"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// Exit codes.
const (
	exitOK = 0
	// exitFailed: the command failed.
	exitFailed = 1
	// exitUsage: the command line or the stack's file is invalid; nothing was changed.
	exitUsage = 2
	// exitNotReady: the stack runs but did not become ready in time, or cannot without intervention.
	exitNotReady = 3
	// exitNoEngine: the Docker engine does not answer.
	exitNoEngine = 4
	// exitInterrupted: interrupted by Ctrl-C or SIGTERM.
	exitInterrupted = 130
)

// unsetVersion is the version of a binary of which nothing is known.
const unsetVersion = "dev"

// version is set by the linker (make build, make release), else by main.
var version = unsetVersion

// ownVersion returns the version that the linker has set, else that of the module, which go install records.
func ownVersion(linked string, info *debug.BuildInfo) string {
	if linked != unsetVersion || info == nil || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return linked
	}
	return info.Main.Version
}

func main() {
	startup.Done()
	info, _ := debug.ReadBuildInfo()
	version = ownVersion(version, info)
	os.Exit(run(os.Args))
}

// run runs one command line and returns the process's exit code. It blocks until the command has ended.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	streams := ui.System()
	app := newApp(streams)
	args, err := arrange(app, args)
	if err == nil {
		err = app.RunContext(ctx, args)
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = withCode(exitInterrupted, fmt.Errorf("interrupted: %w", context.Cause(ctx)))
	}
	return report(streams, err)
}

// codedError is an error with an exit code. If err is nil, nothing is printed.
type codedError struct {
	err  error
	code int
}

func (e *codedError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *codedError) Unwrap() error { return e.err }

func withCode(code int, err error) error {
	if err == nil {
		return nil
	}
	return &codedError{err: err, code: code}
}

// withExit is the exit code of an error.
func withExit(err error) int {
	var coded *codedError
	if errors.As(err, &coded) {
		return coded.code
	}
	return exitFailed
}

// report prints an error and returns its exit code. It is the only place that prints errors.
func report(st *ui.Streams, err error) int {
	if err == nil {
		return exitOK
	}
	code := withExit(err)
	if printMistakes(st, err) {
		return code
	}
	if msg := err.Error(); msg != "" {
		fmt.Fprintf(st.Err, "%s %s\n", st.Paint(ui.Red, "lyandev:"), msg)
	}
	return code
}

// exitCode returns an error that sets the exit code and prints nothing; nil for 0.
func exitCode(code int) error {
	if code == 0 {
		return nil
	}
	return &codedError{code: code}
}

var _ cli.ExitCoder = (*codedError)(nil)

// ExitCode keeps the CLI library from exiting by itself: see newApp's ExitErrHandler.
func (e *codedError) ExitCode() int { return e.code }
