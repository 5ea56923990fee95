package shim

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Exit codes of a shim whose command cannot be started, as shells have them.
const (
	exitUsage         = 2
	exitNotExecutable = 126
	exitNotFound      = 127
)

// runShim is the shim's main: it returns the exit code of the container.
func runShim(args []string) int {
	if len(args) < 4 || args[2] != "--" {
		fmt.Fprintln(os.Stderr, "lyandev shim: usage: shim SOCKET SIGNAL -- COMMAND [ARG...]")
		return exitUsage
	}
	k := &keeper{argv: args[3:], stop: signalNamed(args[1]), requests: make(chan request)}
	signals := make(chan os.Signal, 64)
	signal.Notify(signals)
	becomeReaper()
	// Without the socket the pod runs as well; its process cannot be restarted then, and the container is instead.
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

// request is a wish to restart the child; the answer goes to reply, which has room for it.
type request struct {
	grace time.Duration
	reply chan Reply
}

// keeper looks after one child.
//
//	running --restart--> stopping --grace over--> killing
//	   ^                    |                        |
//	   +------ started -----+--------- ended --------+
//
// A child that ends by itself ends the keeper with its code; one that a signal ended, with 128 and the signal's number.
type keeper struct {
	argv     []string
	stop     syscall.Signal
	requests chan request

	child int
	// now is the restart that is going on, nil for none; later are those that came meanwhile.
	now   *request
	began time.Time
	grace *time.Timer
	dead  bool
	// ending: a stop signal came from outside, so the child is not started again.
	ending bool
}

// run is the one goroutine that owns the keeper.
func (k *keeper) run(signals <-chan os.Signal) int {
	k.grace = time.NewTimer(time.Hour)
	k.grace.Stop()
	for {
		requests := k.requests
		if k.now != nil {
			requests = nil // one at a time; the next waits in its connection
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

// signalled takes a signal: the end of a child is looked at, everything else is passed on.
func (k *keeper) signalled(s syscall.Signal) (code int, ended bool) {
	switch s {
	case syscall.SIGCHLD:
		if status, gone := k.reap(); gone {
			return k.childEnded(status)
		}
	case syscall.SIGURG, syscall.SIGPIPE: // the runtime's own, and a log that nobody reads
	default:
		k.ending = k.ending || s == k.stop || s == syscall.SIGTERM
		_ = syscall.Kill(k.child, s)
	}
	return 0, false
}

// reap collects what has ended, and says whether the child has.
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

// childEnded starts the child again if that was the purpose, else ends the keeper.
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
		reply.Error = fmt.Sprintf("cannot start %s again", k.argv[0])
		r.reply <- reply
		return code, true
	}
	reply.StartMicros = time.Since(from).Microseconds()
	r.reply <- reply
	return 0, false
}

// codeOf is the exit code by which a shell tells how a process ended.
func codeOf(status syscall.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// start starts the child; a code other than 0 says why it could not.
func (k *keeper) start() int {
	path, code := find(k.argv[0], os.Getenv("PATH"))
	if code != 0 {
		fmt.Fprintf(os.Stderr, "lyandev shim: cannot run %s: it is not there, or not executable\n", k.argv[0])
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
