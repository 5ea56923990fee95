// Command probetrace plays a scripted container in virtual time against the product's probe workers and prints what
// happened, in the form of the recorded traces of the kubelet: {"events": [...]}.
//
//	go run ./supervisor/probe/probetrace FILE
//
// FILE is a recorded trace or a bare scenario. The program holds no rule of probing: it scripts the handler and the
// container, calls the workers as a pod worker does, and prints.
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
	w, err := open(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "probetrace:", err)
		os.Exit(1)
	}
	inVirtualTime(func(t *testing.T) {
		w.play(t.Context())
	}, func() error {
		return write(os.Stdout, w.events)
	})
}

func open(args []string) (*world, error) {
	if len(args) != 1 {
		return nil, errors.New("usage: probetrace FILE")
	}
	s, err := load(args[0])
	if err != nil {
		return nil, err
	}
	return newWorld(s)
}

// inVirtualTime runs play in a bubble of testing/synctest, which gives virtual time to the real workers, goroutines and
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
