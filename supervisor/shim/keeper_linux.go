package shim

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Exit codes of a shim whose command cannot be started, as in shells.
const (
	exitUsage         = 2
	exitNotExecutable = 126
	exitNotFound      = 127
)

// runShim is the main function of the shim. It returns the exit code of the container.
func runShim(args []string) int {
	if len(args) < 4 || args[2] != "--" {
		fmt.Fprintln(os.Stderr, "lyandev shim: usage: shim SOCKET SIGNAL -- COMMAND [ARG...]")
		return exitUsage
	}
	k := &keeper{argv: args[3:], stop: signalNamed(args[1]), requests: make(chan request)}
	signals := make(chan os.Signal, 64)
	signal.Notify(signals)
	becomeReaper()
	// Without the socket the container works, but its process cannot be restarted; the container is restarted instead.
	if l, err := listen(args[0]); err == nil {
		go serveSocket(l, k.requests)
	} else {
		fmt.Fprintln(os.Stderr, "lyandev shim: cannot listen for restarts:", err)
	}
	if code := k.start(); code != 0 {
		return code
	}
	return k.run(signals)
}

// request is a request to restart the child. reply is buffered for the answer.
type request struct {
	grace time.Duration
	reply chan Reply
}

// keeper runs and restarts one child process.
//
//	running --restart--> stopping --grace over--> killing
//	   ^                    |                        |
//	   +------ started -----+--------- ended --------+
//
// If the child ends by itself, the keeper ends with its exit code, or with 128 plus the signal's number.
type keeper struct {
	argv     []string
	stop     syscall.Signal
	requests chan request

	child int
	// now is the restart in progress, nil for none. later are requests that arrived during it.
	now   *request
	began time.Time
	grace *time.Timer
	dead  bool
	// ending: a stop signal arrived, so the child is not started again.
	ending bool
}

// run is the loop of the goroutine that owns the keeper.
func (k *keeper) run(signals <-chan os.Signal) int {
	k.grace = time.NewTimer(time.Hour)
	k.grace.Stop()
	for {
		requests := k.requests
		if k.now != nil {
			requests = nil // one request at a time; others wait in their connections
		}
		select {
		case s := <-signals:
			if code, ended := k.signalled(s.(syscall.Signal)); ended {
				return code
			}
		case r := <-requests:
			k.now, k.began, k.dead = &r, time.Now(), false
			_ = syscall.Kill(k.child, k.stop)
			k.grace.Reset(r.grace)
		case <-k.grace.C:
			if k.now != nil {
				k.dead = true
				_ = syscall.Kill(k.child, syscall.SIGKILL)
			}
		}
	}
}

// signalled handles a signal: SIGCHLD reaps children, other signals are forwarded to the child.
func (k *keeper) signalled(s syscall.Signal) (code int, ended bool) {
	switch s {
	case syscall.SIGCHLD:
		if status, gone := k.reap(); gone {
			return k.childEnded(status)
		}
	case syscall.SIGURG, syscall.SIGPIPE: // used by the Go runtime, and caused by a closed log
	default:
		k.ending = k.ending || s == k.stop || s == syscall.SIGTERM
		_ = syscall.Kill(k.child, s)
	}
	return 0, false
}

// reap waits for all ended children, and reports whether the keeper's child is among them.
func (k *keeper) reap() (status syscall.WaitStatus, gone bool) {
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return status, gone
		}
		if pid == k.child {
			status, gone = ws, true
		}
	}
}

// childEnded starts the child again during a restart, else ends the keeper.
func (k *keeper) childEnded(status syscall.WaitStatus) (code int, ended bool) {
	if k.now == nil || k.ending {
		return codeOf(status), true
	}
	r := k.now
	k.now = nil
	k.grace.Stop()
	killOrphans()
	reply := Reply{StopMicros: time.Since(k.began).Microseconds(), Killed: k.dead}
	from := time.Now()
	if code := k.start(); code != 0 {
		reply.Error = fmt.Sprintf("cannot restart %s", k.argv[0])
		r.reply <- reply
		return code, true
	}
	reply.StartMicros = time.Since(from).Microseconds()
	r.reply <- reply
	return 0, false
}

// codeOf is the exit code of a process as shells report it.
func codeOf(status syscall.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// start starts the child. It returns 0, or the exit code for a failure.
func (k *keeper) start() int {
	path, code := find(k.argv[0], os.Getenv("PATH"))
	if code != 0 {
		fmt.Fprintf(os.Stderr, "lyandev shim: cannot run %s: not found or not executable\n", k.argv[0])
		return code
	}
	pid, err := syscall.ForkExec(path, k.argv, &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}})
	if err != nil {
		fmt.Fprintf(os.Stderr, "lyandev shim: cannot run %s: %v\n", path, err)
		return exitNotExecutable
	}
	k.child = pid
	return 0
}
