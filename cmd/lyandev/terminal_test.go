package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/explain"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// hostile is what a container may say to change what a terminal shows: OSC, CSI, C1 controls, a carriage return.
const hostile = "\x1b]0;owned\a\x1b[2J\u009d0;t\u009c\u009b31m\rall is well\b\x7f"

// hostileFacts are those of a pod that says so wherever it can say anything.
func hostileFacts() explain.Facts {
	p := &corev1.Pod{}
	p.Name, p.Labels = "web-0", map[string]string{services.WorkloadLabel: "web"}
	p.Spec.Containers = []corev1.Container{{Name: "web", Image: "i", Env: []corev1.EnvVar{{Name: "A", Value: hostile}}, Args: []string{hostile}}}
	p.Status.Phase = corev1.PodRunning
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "web", State: corev1.ContainerState{
		Terminated: &corev1.ContainerStateTerminated{ExitCode: 1, Message: hostile},
	}}}
	return explain.Facts{
		Now:    time.Now(),
		Events: []state.Event{{Kind: "Pod", Name: "web-0", Container: "web", Type: "Warning", Reason: "Unhealthy", Message: hostile, Count: 1}},
		Snapshot: &state.Status{
			Project: "shop", Phase: state.Starting, Pods: []*corev1.Pod{p}, Warnings: []string{hostile}, Advice: []string{hostile},
			Workloads: []state.Workload{{Name: "web", Kind: "Deployment", Want: 1, Have: 1}},
		},
	}
}

func TestNoContainerControlsTheTerminal(t *testing.T) {
	f := hostileFacts()
	for name, show := range map[string]func(st *ui.Streams) error{
		"events": func(st *ui.Streams) error { return eventList.Print(st.Out, f.Events, output.Options{}) },
		"why": func(st *ui.Streams) error {
			a, err := explain.Why(f, "web-0")
			fmt.Fprint(st.Out, a.Text(f.Now))
			return err
		},
		"describe": func(st *ui.Streams) error {
			d, err := explain.Pod(f, "web-0")
			fmt.Fprint(st.Out, d.Text(f))
			return err
		},
		"errors": func(st *ui.Streams) error { report(st, errors.New("cannot start "+hostile)); return nil },
		"log":    func(st *ui.Streams) error { fmt.Fprint(st.Out, printable(st, hostile)); return nil },
	} {
		var out bytes.Buffer
		st := (&ui.Streams{Out: &out, Err: &out, OutTTY: true, ErrTTY: true}).Protect()
		if err := show(st); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), "all is well") {
			t.Errorf("%s does not show the text: %q", name, out.String())
		}
		for _, r := range out.String() {
			if unicode.IsControl(r) && r != '\n' && r != '\t' {
				t.Errorf("%s has %U: %q", name, r, out.String())
				break
			}
		}
	}
}

func TestJSONStaysWhole(t *testing.T) {
	var out bytes.Buffer
	st := (&ui.Streams{Out: &out, Err: &out}).Protect()
	if err := printJSON(st.Out, hostileFacts().Events[0]); err != nil {
		t.Fatal(err)
	}
	for _, r := range out.String() {
		if unicode.IsControl(r) && r != '\n' {
			t.Errorf("JSON has %U: %q", r, out.String())
		}
	}
	var e state.Event
	if err := json.Unmarshal(out.Bytes(), &e); err != nil || e.Message != hostile {
		t.Errorf("read back: %q, %v", e.Message, err)
	}
}

func TestLogsKeepTheirColours(t *testing.T) {
	var out bytes.Buffer
	st := (&ui.Streams{Out: &out, Err: &out, OutTTY: true, Color: true}).Protect()
	fmt.Fprint(st.Out, printable(st, "\x1b[1;31mred\x1b[0m \x1b[2Kplain"))
	if want := "\x1b[1;31mred\x1b[0m plain"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
