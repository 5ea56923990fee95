// Command ctltrace runs a scenario of workloads and scripted pods on the product's controllers in virtual time and prints
// what happened in the form of the recorded traces: {"events": [{"t": seconds, "event": name, "text": text}]}.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/lyandev/lyandev/supervisor/probe/replay"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: ctltrace FILE")
		os.Exit(2)
	}
	if err := trace(os.Args[1], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// trace runs the scenario of a file and writes its events.
func trace(path string, out io.Writer) error {
	s, err := readScenario(path)
	if err != nil {
		return err
	}
	r := newRun(s)
	if err := r.play(); err != nil {
		return fmt.Errorf("cannot run %s: %w", path, err)
	}
	return replay.Write(out, r.events)
}
