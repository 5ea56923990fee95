package harness

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// Snapshot is the supervisor's latest snapshot.
func (i *Instance) Snapshot() *state.Status {
	i.t.Helper()
	s, err := i.client.State(i.t.Context())
	if err != nil {
		i.t.Fatal(err)
	}
	return s
}

// Until waits for a snapshot that satisfies cond, and returns it. Every snapshot is looked at unless they come faster than
// cond decides. It fails the test after limit.
func (i *Instance) Until(limit time.Duration, what string, cond func(*state.Status) bool) *state.Status {
	i.t.Helper()
	ctx, cancel := context.WithTimeout(i.t.Context(), limit)
	defer cancel()
	var found *state.Status
	err := i.client.WatchState(ctx, func(s *state.Status) bool {
		if cond(s) {
			found = s
		}
		return found == nil
	})
	if found == nil {
		i.t.Fatalf("waited %s in vain until %s: %v\n%s", limit, what, err, i.Report())
	}
	return found
}

// UntilPod waits until a pod of that name satisfies cond, and returns it.
func (i *Instance) UntilPod(limit time.Duration, name, what string, cond func(*corev1.Pod) bool) *corev1.Pod {
	i.t.Helper()
	s := i.Until(limit, "pod "+name+" "+what, func(s *state.Status) bool {
		p := s.Pod(name)
		return p != nil && cond(p)
	})
	return s.Pod(name)
}

// Ready waits until the whole stack is.
func (i *Instance) Ready(limit time.Duration) *state.Status {
	i.t.Helper()
	return i.Until(limit, "the stack is ready", func(s *state.Status) bool { return s.Phase == state.Ready })
}

// UntilEvent waits for an event that satisfies cond, in the past or to come, and returns it.
func (i *Instance) UntilEvent(limit time.Duration, what string, cond func(state.Event) bool) state.Event {
	i.t.Helper()
	ctx, cancel := context.WithTimeout(i.t.Context(), limit)
	defer cancel()
	var found *state.Event
	err := i.client.WatchEvents(ctx, 0, func(e state.Event) bool {
		if cond(e) {
			found = &e
		}
		return found == nil
	})
	if found == nil {
		i.t.Fatalf("waited %s in vain for the event: %s: %v\n%s", limit, what, err, i.Report())
	}
	return *found
}

// Eventually tries cond every 50 ms until it is true. Prefer Until where the supervisor knows.
func (i *Instance) Eventually(limit time.Duration, what string, cond func() bool) {
	i.t.Helper()
	end := time.Now().Add(limit)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		if time.Now().After(end) {
			i.t.Fatalf("waited %s in vain until %s\n%s", limit, what, i.Report())
		}
		<-tick.C
	}
}

// Events are the events of an object, oldest first.
func (i *Instance) Events(name string) []state.Event {
	i.t.Helper()
	list, err := i.client.Events(i.t.Context(), 0)
	if err != nil {
		i.t.Fatal(err)
	}
	return slices.DeleteFunc(list, func(e state.Event) bool { return e.Name != name })
}

// Report is what the supervisor knows, for the message of a failure.
func (i *Instance) Report() string {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	var b strings.Builder
	if s, err := i.client.State(ctx); err == nil {
		fmt.Fprintf(&b, "phase %s: %s\n", s.Phase, s.Message)
		for _, p := range s.Pods {
			fmt.Fprintf(&b, "  %s %s %s, %d restarts\n", p.Name, ui.ReadyContainers(p), ui.PodStatus(p), ui.Restarts(p))
		}
	}
	if list, err := i.client.Events(ctx, 0); err == nil {
		for _, e := range list {
			fmt.Fprintf(&b, "  %s %s %s/%s %s (x%d)\n", e.Last.Format("15:04:05.000"), e.Reason, e.Kind, e.Name, e.Message, e.Count)
		}
	}
	if log, err := os.ReadFile(filepath.Join(i.home, "state", "lyandev", i.Name, "supervisor.log")); err == nil && len(log) > 0 {
		fmt.Fprintf(&b, "supervisor's log:\n%s", log[max(0, len(log)-8000):])
	}
	return b.String()
}
