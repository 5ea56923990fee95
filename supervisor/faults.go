package supervisor

import (
	"context"
	"time"

	"github.com/lyandev/lyandev/supervisor/fault"
)

// faultWatch is how often the supervisor looks for faults that somebody made on purpose and did not undo.
const faultWatch = time.Second

// rejoin reconnects the containers that are outside their networks, except those that a drill or a test disconnected.
func (s *Supervisor) rejoin(ctx context.Context) (pods []string, err error) {
	return s.pods.Rejoin(ctx, fault.Cuts(s.cfg.Instance.Home(), time.Now(), fault.Alive))
}

// undoFaults undoes what a drill or a snapshot did to containers when its process has gone, until ctx ends.
func (s *Supervisor) undoFaults(ctx context.Context) error {
	tick := time.NewTicker(faultWatch)
	defer tick.Stop()
	for {
		undone, err := fault.Overdue(ctx, s.cfg.Engine, s.cfg.Instance.Home(), time.Now(), fault.Alive)
		for _, what := range undone {
			s.event("Stack", s.cfg.Instance.Name, "Warning", "FaultUndone", "%s: whoever made it on purpose is gone", what)
		}
		if err != nil && ctx.Err() == nil {
			s.log.Warn("cannot undo a fault", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
