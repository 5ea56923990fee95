// Package replay implements the common part of the trace commands: it parses a scenario strictly, runs it in virtual time, and
// prints the events in the format of the recorded traces: {"events": [...]}.
package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
)

// Heading holds the descriptive fields of all kinds of scenarios. A run does not depend on them.
type Heading struct {
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Rules       []string `json:"rules"`
}

// Decode decodes JSON into a value. An unknown key is an error that names the key.
func Decode(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

// Scenario parses the scenario of a recorded trace, or a bare scenario. An unknown key is an error.
func Scenario[S any](data []byte) (*S, error) {
	var recorded struct {
		Scenario json.RawMessage `json:"scenario"`
	}
	if err := json.Unmarshal(data, &recorded); err != nil {
		return nil, fmt.Errorf("cannot read scenario: %w", err)
	}
	if recorded.Scenario != nil {
		data = recorded.Scenario
	}
	s := new(S)
	if err := Decode(data, s); err != nil {
		return nil, fmt.Errorf("cannot read scenario: %w", err)
	}
	return s, nil
}

// Write prints one line per event.
func Write[E any](out io.Writer, events []E) error {
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

// Main is the main function of a trace command: it reads the file given as the only argument, plays it in virtual time and prints
// the events. It exits the program, with code 1 after an error.
func Main[S, E any](command string, parse func(data []byte) (S, error), play func(context.Context, S) []E) {
	s, err := open(os.Args, command, parse)
	if err != nil {
		fmt.Fprintln(os.Stderr, command+":", err)
		os.Exit(1)
	}
	var events []E
	inVirtualTime(func(t *testing.T) { events = play(t.Context(), s) }, func() error { return Write(os.Stdout, events) })
}

func open[S any](args []string, command string, parse func(data []byte) (S, error)) (S, error) {
	var none S
	if len(args) != 2 {
		return none, fmt.Errorf("usage: %s FILE", command)
	}
	data, err := os.ReadFile(args[1])
	if err != nil {
		return none, fmt.Errorf("cannot read scenario: %w", err)
	}
	s, err := parse(data)
	if err != nil {
		return none, fmt.Errorf("%s: %w", args[1], err)
	}
	return s, nil
}

// inVirtualTime runs play in a bubble of testing/synctest, which gives virtual time to real goroutines and timers, then
// calls then, and exits the program. testing.Main is the way to a *testing.T outside of "go test"; what it prints itself
// goes to stderr.
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
