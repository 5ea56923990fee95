package supervisor

import (
	"context"
	"time"

	"github.com/lyandev/lyandev/supervisor/switchplan"
)

const (
	// approvalFresh is how long an operator's approval that pods may leave stays valid: a master may move again.
	approvalFresh = 2 * time.Second
	// handoverLimit bounds one round of asking all operators, handoverRetry is the pause after a refusal.
	handoverLimit = time.Minute
	handoverRetry = time.Second
)

// handover is what the loop knows of asking operators to move their roles away from pods that are about to leave.
type handover struct {
	// able are the operators that must be asked.
	able map[string]bool
	// needed: pods wait for an approval. running: the operators are being asked.
	needed, running bool
	// approvedUntil is when the last approval expires; the zero time is no approval.
	approvedUntil time.Time
	// refusal is why the operators refused last, "" if they did not.
	refusal string
}

// reset drops the approval: another stack is wanted.
func (h *handover) reset() { h.approvedUntil, h.refusal = time.Time{}, "" }

// blocks reports whether pods must not leave yet, given whether some of them belong to an operator that must be asked.
func (h *handover) blocks(asked bool, now time.Time) bool {
	h.needed = asked && !now.Before(h.approvedUntil)
	return h.needed
}

// ended takes the operators' answer. An approval counts only for the stack that they were asked about.
func (h *handover) ended(err error, sameStack bool, now time.Time) {
	h.running, h.refusal = false, ""
	if err != nil {
		h.refusal = err.Error()
	} else if sameStack {
		h.approvedUntil = now.Add(approvalFresh)
	}
}

// handoverBlocks reports whether workloads must not leave yet because an operator has not approved it lately.
func (w *world) handoverBlocks(leaving []string, now time.Time) bool {
	asked := false
	for _, name := range leaving {
		if x := w.released[name]; x != nil && w.handover.able[x.Operator] && len(w.podsOf(name)) > 0 {
			asked = true
		}
	}
	return w.handover.blocks(asked, now)
}

// beginHandover asks the operators in the background, if it is needed and not going on already. Called by the loop.
func (s *Supervisor) beginHandover(ctx context.Context) {
	w := s.world
	if !w.handover.needed || w.handover.running {
		return
	}
	w.handover.running = true
	stack, pods := w.stack, sorted(w.pods)
	s.background.Go(func() {
		ask, cancel := context.WithTimeout(ctx, handoverLimit)
		defer cancel()
		moved, err := s.ops.Handover(ask, switchplan.Stays(stack, pods))
		for _, pod := range moved {
			s.event("Pod", pod, "Normal", "BroughtHome", "is the master now, because the pod that was leaves")
		}
		if err != nil && ctx.Err() == nil {
			s.log.Warn("pods cannot leave yet", "error", err)
			select {
			case <-time.After(handoverRetry):
			case <-ctx.Done():
			}
		}
		s.post(func() { w.handover.ended(err, w.stack == stack, time.Now()) })
	})
}
