// Command podtrace plays a whole pod on a scripted engine, in virtual time, against the product's pod worker and probe
// workers, and prints what happened in the form of the recorded traces of the kubelet: {"events": [...]}.
//
//	go run ./supervisor/pod/podtrace FILE
//
// FILE is a recorded trace or a bare scenario. The program holds no rule of a pod's life: it scripts the engine's side
// (how long things take, how containers end, what commands answer), passes the scenario's actions on, and prints.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
)

func main() {
	s, err := open(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "podtrace:", err)
		os.Exit(1)
	}
	var log *recorder
	inVirtualTime(func(t *testing.T) {
		log = play(t.Context(), s)
	}, func() error {
		return write(os.Stdout, log.events)
	})
}

func open(args []string) (*scenario, error) {
	if len(args) != 1 {
		return nil, errors.New("usage: podtrace FILE")
	}
	data, err := os.ReadFile(args[0])
	if err != nil {
		return nil, fmt.Errorf("cannot read scenario: %w", err)
	}
	return parse(data)
}

// inVirtualTime runs play in a bubble of testing/synctest, which gives virtual time to the real worker, goroutines and
// timers and all, then calls then, and exits the program. testing.Main is the way to a *testing.T outside of "go test";
// what it prints itself goes to stderr.
func inVirtualTime(play func(t *testing.T), then func() error) {
	stdout := os.Stdout
	os.Args, os.Stdout = os.Args[:1], os.Stderr
	testing.Main(func(_, _ string) (bool, error) { return true, nil }, []testing.InternalTest{{
		Name: "trace",
		F: func(t *testing.T) {
			synctest.Test(t, play)
			os.Stdout = stdout
			err := then()
			os.Stdout = os.Stderr
			if err != nil {
				t.Fatal(err)
			}
		},
	}}, nil, nil)
}

// write prints a line an event.
func write(out io.Writer, events []event) error {
	lines := make([]string, len(events))
	for i, e := range events {
		line, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("cannot print trace: %w", err)
		}
		lines[i] = "  " + string(line)
	}
	_, err := fmt.Fprintf(out, "{\"events\": [\n%s\n]}\n", strings.Join(lines, ",\n"))
	return err
}
