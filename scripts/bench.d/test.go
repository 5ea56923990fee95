//go:build unix

package main

import (
	"context"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// measureTest measures how long `lyandev test` takes until the temporary stack is ready, reaper and network included, as its report
// says. The command is `true`.
func measureTest(ctx context.Context, b *bench) error {
	s, err := b.example("test")
	if err != nil {
		return err
	}
	// The program minimal may have measured the same of the peer in this run.
	before := b.res.row("minimal/up")
	if before != nil {
		row := b.res.row("test/ready")
		row.Theirs, row.Error = before.Theirs, before.Error
	}
	report := filepath.Join(b.tmp, "junit.xml")
	for range b.runs {
		if _, err := s.lyandev(ctx, "test", "--quiet", "--prepared", "never", "--junit", report, "--", "true"); err != nil {
			return err
		}
		took, err := readyAfter(report)
		if err != nil {
			return err
		}
		b.ours("test/ready", took)
		if before == nil {
			b.composeMinimal(ctx, "test/ready")
		}
	}
	return nil
}

// readyAfter reads the time of the case "the stack gets ready" of a JUnit report, in seconds.
func readyAfter(path string) (float64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	type testCase struct {
		Name string  `xml:"name,attr"`
		Time float64 `xml:"time,attr"`
	}
	var report struct {
		Cases []testCase `xml:"testsuite>testcase"`
	}
	if err := xml.Unmarshal(text, &report); err != nil {
		return 0, err
	}
	for _, c := range report.Cases {
		if c.Name == "the stack gets ready" {
			return c.Time, nil
		}
	}
	return 0, fmt.Errorf("cannot find in %s when the stack was ready:\n%s", path, text)
}

var resetTook = regexp.MustCompile(`reset took (\S+)`)

// measureReset runs the Go benchmark of Reset, which prints each one: MariaDB with a changed table, Redis, Memcached.
func measureReset(ctx context.Context, b *bench) error {
	r, err := b.run(ctx, cmd{dir: b.root, env: b.env("LYANDEV_BINARY=" + b.lyandev), argv: []string{
		"go", "test", "./supervisor/stacktest", "-run", "^$", "-bench", "^BenchmarkReset$", "-benchtime", strconv.Itoa(2*b.runs) + "x",
	}})
	if err != nil {
		return err
	}
	for _, found := range resetTook.FindAllStringSubmatch(r.out, -1) {
		took, err := time.ParseDuration(found[1])
		if err != nil {
			return err
		}
		b.ours("test/reset", took.Seconds())
	}
	if len(b.res.row("test/reset").Ours) < b.runs {
		return fmt.Errorf("BenchmarkReset printed too few times:\n%s", lastLines(r.out, 8))
	}
	return nil
}
