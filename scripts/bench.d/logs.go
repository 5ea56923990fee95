//go:build unix

package main

import (
	"context"
	"fmt"
	"strings"
)

const logLines = 1_000_000

const logFile = `services:
  web:
    image: debian:trixie-slim
    command: ["perl", "-e", "print qq(127.0.0.1 - - request $$_ of many: GET /index.html?page=$$_ 200 512\\n) for 1..%d; print qq(end\\n)"]
`

// measureLogs prints a log of a million lines with lyandev, with and without the pods' names before the lines, and with docker logs.
// CPU time is that of the command alone.
func measureLogs(ctx context.Context, b *bench) error {
	s, err := b.written("logs", map[string]string{"compose.yaml": fmt.Sprintf(logFile, logLines)})
	if err != nil {
		return err
	}
	if _, err := s.lyandev(ctx, "up", "-d", "--quiet"); err != nil {
		return err
	}
	container := s.name + "-web-1"
	if _, err := b.command(ctx, "docker", "wait", container); err != nil {
		return err
	}
	own := func(args ...string) func() (ended, error) {
		return func() (ended, error) { return s.lyandev(ctx, args...) }
	}
	for range b.runs {
		err := b.printLog(own("logs"), b.ours, "logs/time", "logs/cpu")
		if err == nil {
			err = b.printLog(own("logs", "--no-log-prefix"), b.ours, "logs/plain-time", "logs/plain-cpu")
		}
		if err == nil {
			docker := func() (ended, error) { return b.run(ctx, cmd{argv: []string{"docker", "logs", container}}) }
			both := func(key string, v float64) { b.theirs("logs/"+key, v); b.theirs("logs/plain-"+key, v) }
			err = b.printLog(docker, both, "time", "cpu")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// printLog runs a command that prints the log and adds its time and its CPU time to rows.
func (b *bench) printLog(run func() (ended, error), add func(key string, value float64), wall, cpu string) error {
	r, err := run()
	if err != nil {
		return err
	}
	if n := strings.Count(r.out, "\n"); n < logLines {
		return fmt.Errorf("only %d of %d lines were printed", n, logLines)
	}
	add(wall, r.took.Seconds())
	add(cpu, r.cpu.Seconds())
	return nil
}
