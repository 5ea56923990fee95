package harness

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lyandev/lyandev/supervisor/agent"
	"github.com/lyandev/lyandev/supervisor/api"
	"github.com/lyandev/lyandev/supervisor/instance"
)

// Slots is how many instances of a process run at a time; New waits for one.
const Slots = 3

// runLimit bounds one run of the command line.
const runLimit = 3 * time.Minute

var slots = make(chan struct{}, Slots)

// Instance is one stack in a directory of its own, run under a name of its own.
type Instance struct {
	// Name is the -p name, Dir the directory of the stack's file.
	Name, Dir string

	t      testing.TB
	binary string
	// before is what commands are run with, before the binary.
	before []string
	home   string
	env    []string
	client *api.Client
}

// New writes the stack's file and prepares an instance; nothing runs yet. When the test ends the instance is taken down with
// its volumes, and if the test has failed its events and log are in the test's log. New waits until fewer than Slots
// instances run.
func New(t testing.TB, compose string) *Instance {
	t.Helper()
	slots <- struct{}{}
	t.Cleanup(func() { <-slots })
	i := &Instance{
		Name: "e2e-" + strings.ToLower(rand.Text()[:8]), Dir: t.TempDir(), t: t, binary: Binary(t), home: t.TempDir(),
	}
	i.env = slices.DeleteFunc(os.Environ(), func(e string) bool { // the data path is the tests' choice: LYANDEV_DATAPATH=userland go test
		return strings.HasPrefix(e, "LYANDEV_") && !strings.HasPrefix(e, agent.DatapathVariable+"=")
	})
	i.env = append(i.env, "XDG_STATE_HOME="+filepath.Join(i.home, "state"), "XDG_CACHE_HOME="+filepath.Join(i.home, "cache"),
		"LYANDEV_PROJECT="+i.Name, "NO_COLOR=1")
	at, err := (&instance.Registry{Root: filepath.Join(i.home, "state", "lyandev")}).Resolve(t.Context(), i.Name, i.Dir, i.Name)
	if err != nil {
		t.Fatal(err)
	}
	i.client = api.NewClient(at.Socket())
	i.Write("compose.yaml", compose)
	t.Cleanup(i.takeDown)
	return i
}

// Setenv sets a variable for the commands and supervisors to come.
func (i *Instance) Setenv(key, value string) { i.env = append(i.env, key+"="+value) }

// RunWith puts words before the binary in every command to come, as a program that runs it elsewhere.
func (i *Instance) RunWith(before ...string) { i.before = before }

// Write writes a file of the instance's directory; a new compose.yaml is what the next Up brings the stack to.
func (i *Instance) Write(name, text string) {
	i.t.Helper()
	path := filepath.Join(i.Dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		i.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		i.t.Fatal(err)
	}
}

// Client is a client of the instance's API.
func (i *Instance) Client() *api.Client { return i.client }

// Result is what a run of the command line gave.
type Result struct {
	Args           []string
	Out, Err       string
	Code           int
	Took           time.Duration
	notEvenStarted error
}

// Run runs the command line in the instance's directory, to its end. It fails the test only if the program cannot be run.
func (i *Instance) Run(args ...string) Result {
	i.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(i.t.Context()), runLimit)
	defer cancel()
	r := i.run(ctx, args...)
	if r.notEvenStarted != nil {
		i.t.Fatalf("cannot run lyandev %s: %v", strings.Join(args, " "), r.notEvenStarted)
	}
	return r
}

func (i *Instance) run(ctx context.Context, args ...string) Result {
	cmd := i.Command(ctx, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	began := time.Now()
	err := cmd.Run()
	r := Result{Args: args, Out: out.String(), Err: errs.String(), Code: cmd.ProcessState.ExitCode(), Took: time.Since(began)}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		r.notEvenStarted = err
	}
	return r
}

// Command is a run of the command line that has not begun, for tests that talk to it or signal it.
func (i *Instance) Command(ctx context.Context, args ...string) *exec.Cmd {
	argv := append(append(slices.Clone(i.before), i.binary), args...)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = i.Dir, i.env
	cmd.WaitDelay = 2 * time.Second
	return cmd
}

// Must is Run for commands that must succeed; it returns standard output.
func (i *Instance) Must(args ...string) string {
	i.t.Helper()
	r := i.Run(args...)
	if r.Code != 0 {
		i.t.Fatalf("lyandev %s ended with %d:\n%s%s", strings.Join(args, " "), r.Code, r.Out, r.Err)
	}
	return r.Out
}

// JSON runs a command that must succeed and decodes its standard output.
func (i *Instance) JSON(into any, args ...string) {
	i.t.Helper()
	out := i.Must(args...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		i.t.Fatalf("lyandev %s printed no JSON for %T: %v\n%s", strings.Join(args, " "), into, err, out)
	}
}

// Up runs `up -d --quiet` with more arguments, which must succeed.
func (i *Instance) Up(args ...string) {
	i.t.Helper()
	i.Must(append([]string{"up", "-d", "--quiet"}, args...)...)
}

// Begin hands the stack of compose.yaml to a supervisor in the background and returns as soon as it has been taken over:
// for stacks that never get ready. The file must differ from the one before.
func (i *Instance) Begin(args ...string) {
	i.t.Helper()
	before, _ := os.ReadFile(i.stackFile())
	ctx, cancel := context.WithTimeout(i.t.Context(), runLimit)
	defer cancel()
	var errs bytes.Buffer
	cmd := i.Command(ctx, append([]string{"up", "-d", "--quiet"}, args...)...)
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		i.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if now, err := os.ReadFile(i.stackFile()); err == nil && !bytes.Equal(now, before) {
			break
		}
		select {
		case err := <-ended:
			if err != nil {
				i.t.Fatalf("lyandev up ended: %v\n%s", err, errs.String())
			}
			return
		case <-tick.C:
		}
	}
	// The stack is written down just before it is taken over; the same once more has to wait for that.
	i.Apply(i.Stack())
	cancel()
	<-ended
}

// takeDown ends the instance, whatever state the test left it in.
func (i *Instance) takeDown() {
	if i.t.Failed() {
		i.t.Logf("instance %s:\n%s", i.Name, i.Report())
	}
	ctx, cancel := context.WithTimeout(context.Background(), runLimit)
	defer cancel()
	r := i.run(ctx, "down", "--volumes", "--quiet")
	if r.Code == 0 {
		return
	}
	i.t.Errorf("lyandev down ended with %d: %s%s", r.Code, r.Out, r.Err)
	if err := sweep(ctx, i.Name); err != nil {
		i.t.Error(fmt.Errorf("cannot clean up after it: %w", err))
	}
}

// Read reads a file of the instance's directory.
func (i *Instance) Read(name string) string {
	i.t.Helper()
	b, err := os.ReadFile(filepath.Join(i.Dir, name))
	if err != nil {
		i.t.Fatal(err)
	}
	return string(b)
}
