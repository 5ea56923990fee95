//go:build unix

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	// settled is how long a stack is left alone before its rest is measured.
	settled = 15 * time.Second
	// restWindow is how long the use of the processor is measured for one value.
	restWindow = 10 * time.Second
)

// measureRest measures supervisor and agent while the example in profile ha has nothing to do but to answer probes.
func measureRest(ctx context.Context, b *bench) error {
	pid, err := b.ha.supervisor()
	if err != nil {
		return err
	}
	agent, err := b.ha.agent(ctx)
	if err != nil {
		return err
	}
	if err := sleep(ctx, settled); err != nil {
		return err
	}
	for range b.runs {
		percent, memory, err := atRest(ctx, pid, restWindow)
		if err != nil {
			return err
		}
		b.ours("rest/cpu", percent)
		b.ours("rest/memory", memory)
		if memory, err = anonymousMemory(agent); err != nil {
			return err
		}
		b.ours("rest/agent", memory)
	}
	return nil
}

// atRest returns the part of a core that a process uses, in percent, and its anonymous memory afterwards, in MiB.
func atRest(ctx context.Context, pid int, window time.Duration) (percent, memory float64, err error) {
	before, err := cpuTime(pid)
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	if err := sleep(ctx, window); err != nil {
		return 0, 0, err
	}
	after, err := cpuTime(pid)
	if err != nil {
		return 0, 0, err
	}
	memory, err = anonymousMemory(pid)
	return 100 * (after - before) / time.Since(began).Seconds(), memory, err
}

// supervisor returns the process of the stack's supervisor, from its instance directory.
func (s *stack) supervisor() (int, error) {
	text, err := os.ReadFile(filepath.Join(s.b.tmp, "state", "lyandev", s.name, "pid"))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// agent returns the process of the stack's agent.
func (s *stack) agent(ctx context.Context) (int, error) {
	out, err := s.b.command(ctx, "docker", "inspect", "--format", "{{.State.Pid}}", s.name+"-agent")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(out))
}

// anonymousMemory returns the resident anonymous memory of a process, in MiB. It needs /proc.
func anonymousMemory(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "RssAnon:" {
			kB, err := strconv.ParseFloat(fields[1], 64)
			return kB / 1024, err
		}
	}
	return 0, fmt.Errorf("cannot find RssAnon in /proc/%d/status", pid)
}

// ticks is how many clock ticks a second /proc counts in.
const ticks = 100

// cpuTime returns the processor time that a process has used, in seconds. It needs /proc. The scheduler's own counter is exact to the
// nanosecond; where the kernel has none, the ticks of /proc/PID/stat are used.
func cpuTime(pid int) (float64, error) {
	if total, err := scheduled(pid); err == nil {
		return total, nil
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("cannot read /proc/%d/stat: %s", pid, text)
	}
	user, err := strconv.ParseFloat(fields[11], 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseFloat(fields[12], 64)
	return (user + system) / ticks, err
}

// scheduled sums the schedstat of a process's threads.
func scheduled(pid int) (float64, error) {
	dir := fmt.Sprintf("/proc/%d/task", pid)
	threads, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	total := 0.0
	for _, t := range threads {
		text, err := os.ReadFile(dir + "/" + t.Name() + "/schedstat")
		if err != nil {
			return 0, err
		}
		ns, err := strconv.ParseFloat(strings.Fields(string(text))[0], 64)
		if err != nil {
			return 0, err
		}
		total += ns / 1e9
	}
	return total, nil
}
