package throwaway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/mask"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/probe"
	"github.com/lyandev/lyandev/supervisor/state"
)

// Bundle writes diagnostics of the copy into a new directory: the logs of all existing containers, the events (those about health
// and restarts also in a separate file), the last answers of every probe, the observed state, the stack, and the engine's
// inspection of each container. Secrets are masked. It continues after an error and returns all errors.
func (c *Copy) Bundle(ctx context.Context, dir string) error {
	b := bundle{dir: dir, mask: mask.New(c.stack)}
	if err := os.MkdirAll(filepath.Join(dir, "logs"), 0o755); err != nil {
		return fmt.Errorf("cannot make the directory of the bundle: %w", err)
	}
	stack, err := yaml.Marshal(mask.Stack(c.stack))
	b.note(err)
	b.write("stack.yaml", stack)
	events := c.Events()
	b.write("events.txt", eventLines(events, func(state.Event) bool { return true }))
	b.write("health.txt", eventLines(events, aboutHealth))
	b.write("probes.txt", probeLines(c.sup.ProbeAnswers()))
	b.json("state.json", c.State())
	b.containers(ctx, c)
	return errors.Join(b.errs...)
}

type bundle struct {
	dir  string
	mask *mask.Masker
	errs []error
}

func (b *bundle) note(err error) {
	if err != nil {
		b.errs = append(b.errs, err)
	}
}

func (b *bundle) write(name string, text []byte) {
	if err := os.WriteFile(filepath.Join(b.dir, name), b.mask.Bytes(text), 0o644); err != nil {
		b.note(fmt.Errorf("cannot write the bundle: %w", err))
	}
}

func (b *bundle) json(name string, v any) {
	text, err := json.MarshalIndent(v, "", "  ")
	b.note(err)
	b.write(name, text)
}

// containers writes the log and the inspection of every container of the copy.
func (b *bundle) containers(ctx context.Context, c *Copy) {
	list, err := c.eng.ListContainers(ctx, map[string]string{services.ProjectLabel: c.name})
	b.note(err)
	inspected := []json.RawMessage{}
	for _, x := range list {
		raw, err := c.eng.RawInspect(ctx, x.ID)
		b.note(err)
		if err == nil {
			inspected = append(inspected, raw)
		}
		b.log(ctx, c, x)
	}
	b.json("inspect.json", inspected)
}

func (b *bundle) log(ctx context.Context, c *Copy, x engine.Container) {
	r, err := c.eng.Logs(ctx, x.ID, engine.LogOptions{Tail: -1, Timestamps: true})
	if err != nil {
		b.note(err)
		return
	}
	defer r.Close()
	f, err := os.Create(filepath.Join(b.dir, "logs", strings.TrimPrefix(x.Name, c.name+"-")+".log"))
	if err != nil {
		b.note(fmt.Errorf("cannot write the bundle: %w", err))
		return
	}
	w := b.mask.Writer(f)
	_, err = io.Copy(w, r)
	b.note(errors.Join(err, w.Close(), f.Close()))
}

// aboutHealth reports whether an event is about a container's health: probes, starts, exits and restarts.
func aboutHealth(e state.Event) bool {
	switch e.Reason {
	case "Unhealthy", "ProbeWarning", "ProbeError", "Started", "Killing", "BackOff", "Ready", "NotReady", "Completed", "Failed":
		return true
	}
	return false
}

// probeLines formats the last answers of every probe, grouped by pod, the oldest of each probe first.
func probeLines(answers map[string][]probe.Answer) []byte {
	var b bytes.Buffer
	for _, pod := range slices.Sorted(maps.Keys(answers)) {
		for _, a := range answers[pod] {
			early := ""
			if a.Early {
				early = " (early)"
			}
			fmt.Fprintf(&b, "%s  %s/%s  %s%s  %s in %s  %s\n", a.At.UTC().Format(time.RFC3339Nano), pod, a.Container, a.Type, early,
				a.Verdict, a.Took.Round(time.Microsecond), strings.ReplaceAll(a.Output, "\n", "\\n"))
		}
	}
	return b.Bytes()
}

func eventLines(events []state.Event, want func(state.Event) bool) []byte {
	var b bytes.Buffer
	for _, e := range events {
		if want(e) {
			fmt.Fprintf(&b, "%s  %-7s  x%-3d  %s/%s  %s: %s\n", e.Last.UTC().Format(time.RFC3339Nano), e.Type, e.Count, e.Kind, e.Name, e.Reason, e.Message)
		}
	}
	return b.Bytes()
}
