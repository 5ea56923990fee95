package innerloop

import (
	"errors"
	"slices"

	"github.com/lyandev/lyandev/supervisor/state"
)

// failure is an edit that failed.
type failure struct {
	actions []string
	text    string
}

// deliveryError is a failed delivery of files. It is a warning of its container, until a later delivery succeeds.
type deliveryError struct{ error }

func (e deliveryError) Unwrap() error { return e.error }

// withoutDeliveries is a joined error without those of deliveries.
func withoutDeliveries(err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var kept []error
		for _, e := range joined.Unwrap() {
			kept = append(kept, withoutDeliveries(e))
		}
		return errors.Join(kept...)
	}
	var d deliveryError
	if errors.As(err, &d) {
		return nil
	}
	return err
}

// noteResult keeps the error of an edit for Warnings, until an edit of the same workload or build does the same actions with
// success, or a new image or stack replaces the pods.
func (l *Loop) noteResult(r *Record, err error) {
	before := l.Warnings()
	other := withoutDeliveries(err)
	l.mu.Lock()
	switch {
	case other != nil:
		l.failed[r.Workload] = failure{slices.Clone(r.Actions), other.Error()}
	case err == nil && covers(r.Actions, l.failed[r.Workload].actions):
		delete(l.failed, r.Workload)
	}
	l.mu.Unlock()
	if !slices.Equal(before, l.Warnings()) {
		l.cfg.Changed()
	}
}

// covers reports whether a list has all of others.
func covers(list, others []string) bool {
	return !slices.ContainsFunc(others, func(o string) bool { return !slices.Contains(list, o) })
}

// replaced forgets the failed edits of workloads whose pods are replaced.
func (l *Loop) replaced(workloads []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, name := range workloads {
		delete(l.failed, name)
	}
}

// Warnings are the edits that are not in the containers, sorted: files whose last delivery to a container failed, and commands,
// restarts and builds that failed. Each begins with state.EditFailed.
func (l *Loop) Warnings() []string {
	var out []string
	l.files.mu.Lock()
	for _, d := range l.files.containers {
		if d.failure != "" {
			out = append(out, state.EditFailed(d.workload)+d.failure)
		}
	}
	l.files.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, f := range l.failed {
		out = append(out, state.EditFailed(name)+f.text)
	}
	slices.Sort(out)
	return out
}
