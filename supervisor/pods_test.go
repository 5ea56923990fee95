package supervisor

import (
	"context"
	"testing"
	"time"

	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
)

// TestAPodThatIsGoneIsForgotten: nothing of it is kept.
func TestAPodThatIsGoneIsForgotten(t *testing.T) {
	onRig(t, starting(t), func(r *rig) {
		for range 3 {
			r.s.pods.delete(r.s.Store().Latest().PodsOf("api")[0].Name)
			r.pass(2 * time.Minute)
		}
		r.s.pods.mu.Lock()
		defer r.s.pods.mu.Unlock()
		if workers, uids := len(r.s.pods.workers), len(r.s.pods.uids); workers != 4 || uids != 4 {
			t.Errorf("4 pods run; %d workers and %d UIDs are kept", workers, uids)
		}
	})
}

// TestHurryEndsWithTheWorkers: nothing is done to containers any more once the workers have ended.
func TestHurryEndsWithTheWorkers(t *testing.T) {
	onRig(t, starting(t), func(r *rig) {
		over := false
		r.Inject(func(f *enginefake.Faults) {
			f.ListContainers = func(ctx context.Context, _ enginefake.Call) error {
				<-ctx.Done()
				time.Sleep(time.Second)
				over = true
				return ctx.Err()
			}
		})
		r.s.pods.hurry()
		r.pass(0)
		r.s.pods.wait()
		if !over {
			t.Error("the kill of what is being stopped goes on after the workers have ended")
		}
	})
}
