//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// prefix begins the names of all projects, containers, networks, volumes and directories that the benchmark makes; the process's
// number follows.
const prefix = "lyandev-bench-"

// cleanUpLimit is how long one step of the clean-up may take: a busy engine needs minutes to remove 300 containers.
const cleanUpLimit = 10 * time.Minute

// bench is one run of the benchmark.
type bench struct {
	// root is the repository, cache a directory that stays, tmp one that is removed at the end, lyandev the binary.
	root, cache, tmp, lyandev string
	// name is the prefix of this run's projects.
	name string
	runs int
	res  *Result
	// undo removes what was started, the last first.
	undo []func(ctx context.Context)
	peer peerTools
	// ha is the example in profile ha, which several programs use one after the other; nil while it does not run.
	ha *stack
	// stillRuns says that a stack could not be taken down: its supervisor may run.
	stillRuns bool
}

func cacheDir() (string, error) {
	if dir := os.Getenv("BENCH_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "lyandev-bench"), err
}

func newBench(ctx context.Context, runs int) (*bench, error) {
	if runs < 1 {
		return nil, fmt.Errorf("cannot measure %d times: --runs must be at least 1", runs)
	}
	root, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	b := &bench{root: root, runs: runs, name: fmt.Sprintf("%s%d", prefix, os.Getpid())}
	b.lyandev = os.Getenv("BENCH_LYANDEV")
	if b.lyandev == "" {
		b.lyandev = filepath.Join(root, "bin", "lyandev")
	}
	if _, err := os.Stat(b.lyandev); err != nil {
		return nil, fmt.Errorf("cannot find lyandev: %w; run `make build` first, or let BENCH_LYANDEV name the binary", err)
	}
	if b.cache, err = cacheDir(); err != nil {
		return nil, err
	}
	if b.tmp, err = os.MkdirTemp("", b.name+"-"); err != nil {
		return nil, err
	}
	b.res = &Result{
		Format: formatVersion, Date: time.Now().Truncate(time.Second), Machine: thisMachine(), Runs: runs,
		Peers: map[string]string{}, Commit: "unknown",
	}
	if out, err := b.command(ctx, "git", "describe", "--always", "--dirty"); err == nil {
		b.res.Commit = strings.TrimSpace(out)
	}
	return b, nil
}

// prepare checks the engine and makes the peers' programs and the images.
func (b *bench) prepare(ctx context.Context) error {
	out, err := b.command(ctx, "docker", "version", "--format", "{{.Server.Version}}")
	if err != nil {
		return err
	}
	b.res.Engine = strings.TrimSpace(out)
	version, err := b.command(ctx, b.lyandev, "--version")
	if err != nil {
		return err
	}
	b.res.Version = strings.TrimSpace(version)
	b.findPeers(ctx)
	return errors.Join(ctx.Err(), b.buildImages(ctx))
}

func thisMachine() Machine {
	m := Machine{OS: runtime.GOOS + "/" + runtime.GOARCH, CPUs: runtime.NumCPU()}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.OS += " " + strings.TrimSpace(string(text))
	}
	first := func(path, pattern string) string {
		text, _ := os.ReadFile(path)
		if found := regexp.MustCompile(pattern).FindSubmatch(text); found != nil {
			return string(found[1])
		}
		return ""
	}
	m.CPU = first("/proc/cpuinfo", `(?m)^model name\s*: (.*)$`)
	kB, _ := strconv.Atoi(first("/proc/meminfo", `MemTotal:\s*(\d+)`))
	m.MemoryMB = kB / 1024
	return m
}

// cmd is one command to run.
type cmd struct {
	dir  string
	env  []string
	argv []string
}

// ended is what a command gave.
type ended struct {
	out  string
	took time.Duration
	// cpu is user and system time of the process and of those that it waited for.
	cpu time.Duration
}

// run runs a command to its end in a process group of its own, so that Ctrl-C reaches only the benchmark, which ends the command by
// SIGTERM. The error has the last lines that the command printed.
func (b *bench) run(ctx context.Context, c cmd) (ended, error) {
	p := exec.CommandContext(ctx, c.argv[0], c.argv[1:]...)
	var out, errs bytes.Buffer
	p.Dir, p.Env, p.Stdout, p.Stderr = c.dir, c.env, &out, &errs
	if p.Env == nil {
		p.Env = b.env()
	}
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.Cancel = func() error { return syscall.Kill(-p.Process.Pid, syscall.SIGTERM) }
	p.WaitDelay = 20 * time.Second
	began := time.Now()
	err := p.Run()
	r := ended{out: out.String(), took: time.Since(began)}
	if p.ProcessState != nil {
		r.cpu = p.ProcessState.UserTime() + p.ProcessState.SystemTime()
	}
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", strings.Join(c.argv, " "), errors.Join(err, ctx.Err()), lastLines(errs.String()+out.String(), 8))
	}
	return r, err
}

// command runs a command in the repository's root and returns what it printed.
func (b *bench) command(ctx context.Context, argv ...string) (string, error) {
	r, err := b.run(ctx, cmd{dir: b.root, argv: argv})
	return r.out, err
}

// env is the environment of commands: without what would lead lyandev or Compose elsewhere.
func (b *bench) env(more ...string) []string {
	env := slices.DeleteFunc(os.Environ(), func(e string) bool {
		return strings.HasPrefix(e, "LYANDEV_") || strings.HasPrefix(e, "COMPOSE_") || strings.HasPrefix(e, "LYANNA_")
	})
	return append(append(env, "XDG_STATE_HOME="+filepath.Join(b.tmp, "state"), "NO_COLOR=1", "CGO_ENABLED=0"), more...)
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// onEnd adds a step of the clean-up.
func (b *bench) onEnd(f func(ctx context.Context)) { b.undo = append(b.undo, f) }

// cleanUp takes the steps of the clean-up that were added after the first n, the last first. It does so also when the run was
// interrupted.
func (b *bench) cleanUp(n int) {
	for len(b.undo) > n {
		last := len(b.undo) - 1
		f := b.undo[last]
		b.undo = b.undo[:last]
		ctx, cancel := context.WithTimeout(context.Background(), cleanUpLimit)
		f(ctx)
		cancel()
	}
}

// ours and theirs add a value to a row.
func (b *bench) ours(key string, value float64) { b.add(key, value, true) }

func (b *bench) theirs(key string, value float64) { b.add(key, value, false) }

func (b *bench) add(key string, value float64, ours bool) {
	r := b.res.row(key)
	if ours {
		r.Ours = append(r.Ours, value)
	} else {
		r.Theirs = append(r.Theirs, value)
	}
}

// noPeer notes why rows have no peer in this run, or fewer values of it than they should have.
func (b *bench) noPeer(why error, keys ...string) {
	for _, key := range keys {
		b.res.row(key).Error = fmt.Sprintf("the peer failed: %v", why)
	}
}

// sleep waits, or returns ctx's error.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
