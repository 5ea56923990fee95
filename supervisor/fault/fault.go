// Package fault remembers what was done to containers on purpose and has to be undone, whatever happens to the process that
// did it: containers that are frozen while their volumes are copied, and what drills break.
package fault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/instance"
)

// Kind says how a fault is undone.
type Kind string

// The kinds.
const (
	// Paused: the container is frozen, and is to go on.
	Paused Kind = "paused"
	// Cut: the container was taken off the network, and is to be put back under its address.
	Cut Kind = "cut"
)

// Fault is one thing to undo.
type Fault struct {
	Kind      Kind       `json:"kind"`
	Container string     `json:"container"`
	Network   string     `json:"network,omitempty"`
	IP        netip.Addr `json:"ip,omitzero"`
	Aliases   []string   `json:"aliases,omitempty"`
}

// record is a file of faults.
type record struct {
	// PID is the process that made them, Until the time by which it was going to undo them.
	PID    int       `json:"pid"`
	Until  time.Time `json:"until"`
	Faults []Fault   `json:"faults"`
}

// prefix and suffix are those of the files' names; the process has its own.
const prefix, suffix = "fault-", ".json"

// Engine is what faults are undone with.
type Engine interface {
	UnpauseContainer(ctx context.Context, id string) error
	InspectContainer(ctx context.Context, id string) (engine.Container, error)
	ConnectNetwork(ctx context.Context, network, container string, ip netip.Addr, aliases []string) error
}

// Remember writes faults down before they are made. dir is the instance's directory. forget removes the record, after they
// were undone.
func Remember(dir, what string, until time.Time, faults []Fault) (forget func(), err error) {
	b, err := json.Marshal(record{PID: os.Getpid(), Until: until, Faults: faults})
	if err != nil {
		return nil, fmt.Errorf("cannot remember what has to be undone: %w", err)
	}
	path := filepath.Join(dir, fmt.Sprintf("%s%s-%d%s", prefix, what, os.Getpid(), suffix))
	if err := instance.WriteFile(path, b); err != nil {
		return nil, fmt.Errorf("cannot remember what has to be undone: %w", err)
	}
	return func() { _ = os.Remove(path) }, nil
}

// Overdue undoes the faults whose process is gone or has let its time pass, and says what it undid. alive tells of a
// process ID whether it runs.
func Overdue(ctx context.Context, eng Engine, dir string, now time.Time, alive func(pid int) bool) (undone []string, err error) {
	paths, err := filepath.Glob(filepath.Join(dir, prefix+"*"+suffix))
	if err != nil {
		return nil, fmt.Errorf("cannot look for what has to be undone: %w", err)
	}
	var errs []error
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			continue
		}
		var r record
		if json.Unmarshal(b, &r) != nil {
			_ = os.Remove(p) // it was never whole, so nothing was done
			continue
		}
		if alive(r.PID) && now.Before(r.Until) {
			continue
		}
		if err := Undo(ctx, eng, r.Faults); err != nil {
			errs = append(errs, err)
			continue
		}
		for _, f := range r.Faults {
			undone = append(undone, fmt.Sprintf("%s %s", f.Kind, short(f.Container)))
		}
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("cannot forget a fault: %w", err))
		}
	}
	return undone, errors.Join(errs...)
}

// Undo undoes faults. What is not broken, or not there any more, is no error.
func Undo(ctx context.Context, eng Engine, faults []Fault) error {
	var errs []error
	for _, f := range faults {
		if f.Kind == Paused {
			errs = append(errs, thaw(ctx, eng, f.Container))
			continue
		}
		c, err := eng.InspectContainer(ctx, f.Container)
		if err != nil {
			errs = append(errs, known(err))
		} else if _, on := c.IPs[f.Network]; !on {
			errs = append(errs, eng.ConnectNetwork(ctx, f.Network, f.Container, f.IP, f.Aliases))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("cannot undo what was done on purpose: %w", err)
	}
	return nil
}

// thaw lets a container go on. It does not look first: an inspection of a frozen container can wait until it is thawed.
func thaw(ctx context.Context, eng Engine, id string) error {
	err := eng.UnpauseContainer(ctx, id)
	if err == nil || engine.IsNotFound(err) {
		return nil
	}
	if c, look := eng.InspectContainer(ctx, id); look != nil || c.State != engine.StatePaused {
		return known(look) // engines give "it is not paused" no class of its own
	}
	return err
}

// known is the error, but for that of a container that is gone.
func known(err error) error {
	if engine.IsNotFound(err) {
		return nil
	}
	return err
}

func short(id string) string { return strings.TrimPrefix(id[:min(12, len(id))], "sha256:") }
