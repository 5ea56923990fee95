package supervisor

import (
	"context"
	"testing"
	"time"

	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
)

// TestGraceOfStopsByHand: `stop` and `rm --stop` kill pods that ignore the stop signal after the grace period that was asked for;
// the next stop after `start` has the file's again.
func TestGraceOfStopsByHand(t *testing.T) {
	onRig(t, starting(t), func(r *rig) {
		r.OnEach("s-api-*", func(int, engine.ContainerSpec) enginefake.Script { return enginefake.Script{IgnoreStop: true} })
		ctx, cancel := context.WithCancel(r.t.Context())
		pushed := make(chan error, 1)
		go func() { pushed <- r.s.podnet.Run(ctx) }()
		ask := func(c Control) {
			c.Services = []string{"api"}
			if err := r.s.Control(ctx, c); err != nil {
				r.t.Fatal(err)
			}
		}
		left := func() (n int) {
			for _, p := range r.s.Store().Latest().Pods {
				if p.Labels["dev.lyandev.workload"] == "api" {
					n++
				}
			}
			return n
		}
		ask(Control{Verb: "restart"})
		r.pass(2 * time.Minute)
		began := time.Now()
		ask(Control{Verb: "rm", Stop: true, Grace: new(int64(2))})
		if n, took := left(), time.Since(began); n != 0 || took > 8*time.Second {
			r.t.Errorf("rm --stop -t 2: after %s there are %d pods", took, n)
		}
		ask(Control{Verb: "start"})
		if left() == 0 {
			r.t.Fatal("start did not bring the pods back")
		}
		began = time.Now()
		ask(Control{Verb: "stop"})
		if n, took := left(), time.Since(began); n != 0 || took < 29*time.Second {
			r.t.Errorf("stop without a grace period did not keep to the file's 30 s: after %s there are %d pods", took, n)
		}
		cancel()
		<-pushed
	})
}
