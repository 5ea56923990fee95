package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lyandev/lyandev/supervisor/engine"
)

// engineLimit bounds the start of a private engine, and its end.
const engineLimit = time.Minute

// PrivateEngine is a Docker engine of a test's own, for what must not be done to the machine's: killing it. It has its own
// network, process and mount namespaces, so that nothing of it meets another engine. Their first process, a shell, starts what
// the test tells it to, and when the test has ended, however it did, kills all of it and removes its files. containerd is a
// process of its own, so that only the engine dies when it is killed. It keeps no containers alive (live-restore is off, as
// by default).
//
// It needs root, dockerd, containerd, nsenter and ip; without them the test fails and says so.
type PrivateEngine struct {
	*engine.Docker
	t    *testing.T
	dir  string
	init int
	tell io.WriteCloser
}

// initScript is the first process: $1 is the engine's directory.
const initScript = `mount --make-rprivate / && mount -t proc proc /proc && ip link set lo up && echo ready || exit 1
while read -r line; do eval "$line"; done
kill -9 -1
awk '{ print $2 }' /proc/mounts | grep "^$1/" | sort -r | xargs -r umount -l
rm -rf "$1"`

// NewPrivateEngine starts one, and makes it the engine of everything in this process and of every instance to come until the
// test ends; such a test cannot be parallel.
func NewPrivateEngine(t *testing.T) *PrivateEngine {
	t.Helper()
	for _, tool := range []string{"dockerd", "containerd", "nsenter", "ip"} {
		if _, err := exec.LookPath(tool); err != nil || os.Geteuid() != 0 {
			t.Fatalf("cannot start an engine of the test's own: it takes root and %s (%v); leave the test out with -skip %s", tool, err, t.Name())
		}
	}
	dir, err := os.MkdirTemp("", "lyandev-e2e-engine-") // short: a socket's path has 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	p := &PrivateEngine{t: t, dir: dir}
	p.unshare()
	p.daemon("containerd", "--root", p.file("ctd"), "--state", p.file("ctd-run"), "--address", p.file("ctd.sock"), "--config", "/dev/null")
	p.until("containerd's socket is there", func() bool { _, err := os.Stat(p.file("ctd.sock")); return err == nil })
	t.Setenv("DOCKER_HOST", "unix://"+p.file("docker.sock"))
	if p.Docker, err = engine.NewDocker(false); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	p.Start()
	return p
}

func (p *PrivateEngine) file(name string) string { return filepath.Join(p.dir, name) }

// unshare starts the first process of new namespaces.
func (p *PrivateEngine) unshare() {
	p.t.Helper()
	cmd := exec.Command("sh", "-c", initScript, "sh", p.dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err == nil {
		p.tell, err = cmd.StdinPipe()
	}
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		p.t.Fatalf("cannot make namespaces for an engine: %v", err)
	}
	p.init = cmd.Process.Pid
	p.t.Cleanup(func() {
		p.report()
		err := errors.Join(p.tell.Close(), cmd.Wait())
		if _, left := os.Stat(p.dir); err != nil || left == nil {
			p.t.Errorf("the engine's shell has not cleaned up: %v: %s", err, errs.String())
		}
	})
	if _, err := io.ReadFull(out, make([]byte, len("ready\n"))); err != nil {
		p.t.Fatalf("cannot set up namespaces for an engine: %v: %s", err, errs.String())
	}
}

// report puts the ends of the daemons' logs into the log of a test that has failed.
func (p *PrivateEngine) report() {
	if !p.t.Failed() {
		return
	}
	for _, name := range []string{"containerd", "dockerd"} {
		text, _ := os.ReadFile(p.file(name + ".log"))
		p.t.Logf("%s's log:\n%s", name, text[max(0, len(text)-4000):])
	}
}

// do has the first process run a line.
func (p *PrivateEngine) do(line string) {
	p.t.Helper()
	if _, err := io.WriteString(p.tell, line+"\n"); err != nil {
		p.t.Fatalf("cannot have the engine's shell run %q: %v", line, err)
	}
}

// daemon starts a program in the namespaces, with a log of its name.
func (p *PrivateEngine) daemon(argv ...string) {
	p.t.Helper()
	p.do(fmt.Sprintf("%s >>%s 2>&1 &", strings.Join(argv, " "), p.file(argv[0]+".log")))
}

// Network is what runs a program where the engine publishes its ports and has its bridges.
func (p *PrivateEngine) Network() []string {
	return []string{"nsenter", "--target", strconv.Itoa(p.init), "--net", "--"}
}

// Start starts the engine, and returns when it answers.
func (p *PrivateEngine) Start() {
	p.t.Helper()
	if err := os.Remove(p.file("docker.pid")); err != nil && !errors.Is(err, os.ErrNotExist) { // a killed one left it
		p.t.Fatal(err)
	}
	p.daemon("dockerd", "--containerd", p.file("ctd.sock"), "--data-root", p.file("data"), "--exec-root", p.file("run"),
		"--host", "unix://"+p.file("docker.sock"), "--pidfile", p.file("docker.pid"))
	p.until("the engine answers", p.answers)
}

func (p *PrivateEngine) answers() bool {
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Second)
	defer cancel()
	return p.Ping(ctx) == nil
}

// Signal sends the engine a signal: KILL and TERM end it, STOP makes it hang, CONT go on.
func (p *PrivateEngine) Signal(name string) {
	p.t.Helper()
	p.do(fmt.Sprintf("kill -%s $(cat %s)", name, p.file("docker.pid")))
}

// Gone waits until the engine's process has ended.
func (p *PrivateEngine) Gone() {
	p.t.Helper()
	p.do(fmt.Sprintf("while kill -0 $(cat %s) 2>/dev/null; do sleep 0.05; done; touch %s", p.file("docker.pid"), p.file("gone")))
	p.until("the engine has ended", func() bool { return os.Remove(p.file("gone")) == nil })
}

func (p *PrivateEngine) until(what string, cond func() bool) {
	p.t.Helper()
	end := time.Now().Add(engineLimit)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		if time.Now().After(end) {
			p.t.Fatalf("waited %s in vain until %s", engineLimit, what)
		}
		<-tick.C
	}
}
