// Package fault records deliberate faults in files before they are injected, and undoes them even if the process that injected
// them was killed: containers paused while their volumes are copied, and the faults of drills.
package fault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/docker/docker/api/types/network"

	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/instance"
)

// Kind determines how a fault is undone.
type Kind string

// The kinds.
const (
	// Paused: the container is paused; undoing it unpauses it.
	Paused Kind = "paused"
	// Cut: the container is disconnected from the network; undoing it reconnects it with its address and aliases.
	Cut Kind = "cut"
)

// Fault is one fault to undo.
type Fault struct {
	Kind      Kind       `json:"kind"`
	Container string     `json:"container"`
	Network   string     `json:"network,omitempty"`
	IP        netip.Addr `json:"ip,omitzero"`
	Aliases   []string   `json:"aliases,omitempty"`
}

// record is the content of a fault file.
type record struct {
	// PID is the process that injected the faults, Until its deadline for undoing them.
	PID    int       `json:"pid"`
	Until  time.Time `json:"until"`
	Faults []Fault   `json:"faults"`
}

// prefix and suffix of the file names; the process ID in between makes them unique.
const prefix, suffix = "fault-", ".json"

// Engine is the part of engine.Engine needed to undo faults.
type Engine interface {
	UnpauseContainer(ctx context.Context, id string) error
	InspectContainer(ctx context.Context, id string) (engine.Container, error)
	ConnectNetwork(ctx context.Context, net, container string, settings network.EndpointSettings) error
}

// Remember records faults before they are injected. dir is the instance's directory, until the deadline after which Overdue
// undoes them. The caller calls forget, which deletes the record, after it has undone them.
func Remember(dir, what string, until time.Time, faults []Fault) (forget func(), err error) {
	b, err := json.Marshal(record{PID: os.Getpid(), Until: until, Faults: faults})
	if err != nil {
		return nil, fmt.Errorf("cannot record the fault: %w", err)
	}
	path := filepath.Join(dir, fmt.Sprintf("%s%s-%d%s", prefix, what, os.Getpid(), suffix))
	if err := instance.WriteFile(path, b); err != nil {
		return nil, fmt.Errorf("cannot record the fault: %w", err)
	}
	return func() { _ = os.Remove(path) }, nil
}

// Overdue undoes the faults whose process has ended or missed its deadline, and describes what it undid. alive reports whether
// a process is running; see Alive.
func Overdue(ctx context.Context, eng Engine, dir string, now time.Time, alive func(pid int) bool) (undone []string, err error) {
	var errs []error
	for p, r := range records(dir) {
		if r == nil {
			_ = os.Remove(p) // incomplete, so the fault was not injected
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
			errs = append(errs, fmt.Errorf("cannot delete the record of a fault: %w", err))
		}
	}
	return undone, errors.Join(errs...)
}

// Cuts returns the IDs of the containers that are disconnected from the network on purpose: whoever recorded it still runs and
// has not missed its deadline.
func Cuts(dir string, now time.Time, alive func(pid int) bool) map[string]bool {
	cuts := map[string]bool{}
	for _, r := range records(dir) {
		if r == nil || !alive(r.PID) || !now.Before(r.Until) {
			continue
		}
		for _, f := range r.Faults {
			if f.Kind == Cut {
				cuts[f.Container] = true
			}
		}
	}
	return cuts
}

// records yields the fault files of a directory that can be read, in the order of their names; nil for one that is incomplete.
func records(dir string) iter.Seq2[string, *record] {
	return func(yield func(string, *record) bool) {
		paths, _ := filepath.Glob(filepath.Join(dir, prefix+"*"+suffix)) // the pattern is valid; unreadable directories have no files
		for _, p := range paths {
			b, err := os.ReadFile(p)
			if err != nil {
				continue
			}
			r := new(record)
			if json.Unmarshal(b, r) != nil {
				r = nil
			}
			if !yield(p, r) {
				return
			}
		}
	}
}

// Undo undoes faults. A fault that is already undone, or whose container is gone, is no error.
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
			errs = append(errs, eng.ConnectNetwork(ctx, f.Network, f.Container, engine.EndpointAt(f.IP, f.Aliases...)))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("cannot undo the fault: %w", err)
	}
	return nil
}

// thaw unpauses a container. It does not inspect it first: Docker may block the inspection of a paused container until it is
// unpaused.
func thaw(ctx context.Context, eng Engine, id string) error {
	err := eng.UnpauseContainer(ctx, id)
	if err == nil || engine.IsNotFound(err) {
		return nil
	}
	if c, look := eng.InspectContainer(ctx, id); look != nil || c.State != engine.StatePaused {
		return known(look) // "not paused" has no error class of its own
	}
	return err
}

// known returns err, or nil if it says that the container is gone.
func known(err error) error {
	if engine.IsNotFound(err) {
		return nil
	}
	return err
}

func short(id string) string { return strings.TrimPrefix(id[:min(12, len(id))], "sha256:") }
