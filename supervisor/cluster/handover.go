package cluster

import "time"

// approvalValid is how long an operator's approval that pods may leave stays valid: a master may move again.
const approvalValid = 2 * time.Second

// Handover is what is known of asking operators to move their roles away from pods that are about to leave.
type Handover struct {
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
func (h *Handover) reset() { h.approvedUntil, h.refusal = time.Time{}, "" }

// SetAble records whether an operator can move its role.
func (h *Handover) SetAble(operator string, able bool) {
	if h.able == nil {
		h.able = map[string]bool{}
	}
	h.able[operator] = able
}

// blocks reports whether pods must not leave yet, given whether some of them belong to an operator that must be asked.
func (h *Handover) blocks(asked bool, now time.Time) bool {
	h.needed = asked && !now.Before(h.approvedUntil)
	return h.needed
}

// Begin reports whether the operators have to be asked now. The caller then asks them and calls End.
func (h *Handover) Begin() bool {
	if !h.needed || h.running {
		return false
	}
	h.running = true
	return true
}

// End takes the operators' answer. An approval counts only for the stack that they were asked about.
func (h *Handover) End(err error, sameStack bool, now time.Time) {
	h.running, h.refusal = false, ""
	if err != nil {
		h.refusal = err.Error()
	} else if sameStack {
		h.approvedUntil = now.Add(approvalValid)
	}
}

// handoverBlocks reports whether workloads must not leave yet because an operator has not approved it lately.
func (c *Cluster) handoverBlocks(leaving []string, now time.Time) bool {
	asked := false
	for _, name := range leaving {
		if r := c.released[name]; r != nil && c.Handover.able[r.from.Operator] && len(c.PodsOf(name)) > 0 {
			asked = true
		}
	}
	return c.Handover.blocks(asked, now)
}
