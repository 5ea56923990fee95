package supervisor

import (
	"context"
	"testing"

	"github.com/lyandev/lyandev/supervisor/state"
)

// TestApplyIsNumbered: a status with the number that Apply returned reflects the stack that was applied.
func TestApplyIsNumbered(t *testing.T) {
	onRig(t, starting(t), func(r *rig) {
		before := r.phase(state.Ready)
		changed := prepared(t, ofKind("Deployment", "web", "true"))
		applied, err := ask(r.t.Context(), r.s, "apply", func() (uint64, error) { return r.s.takeApplied(changed) })
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(r.t.Context())
		defer cancel()
		for snap := range r.s.Store().Subscribe(ctx) {
			if snap.Applied < applied {
				continue
			}
			w, ok := snap.Workload("web")
			if snap.Applied != before.Applied+1 || !ok || w.Revision == "" || snap.Phase != state.Starting {
				t.Errorf("apply %d, phase %s, workload %+v", snap.Applied, snap.Phase, w)
			}
			if old, ok := snap.Workload("db"); !ok || !old.Leaving {
				t.Errorf("db, which the stack does not have, is %+v", old)
			}
			return
		}
	})
}
