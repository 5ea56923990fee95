package switcher

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/state"
)

// Pending is a switch in progress as it is saved for the next supervisor: both stacks, prepared, and which of them is wanted
// now. Its JSON is read by other versions; fields may only be added.
type Pending struct {
	From *services.Stack `json:"from"`
	To   *services.Stack `json:"to"`
	// Back says that it is being rolled back, Reason why.
	Back    bool          `json:"back,omitempty"`
	Reason  string        `json:"reason,omitempty"`
	Started time.Time     `json:"started"`
	Limit   time.Duration `json:"limit"`
}

// Wanted is the stack that the switch leads to now: To or, if it is being rolled back, From.
func (p *Pending) Wanted() *services.Stack {
	if p.Back {
		return p.From
	}
	return p.To
}

// Other is the stack that the switch leaves.
func (p *Pending) Other() *services.Stack {
	if p.Back {
		return p.To
	}
	return p.From
}

// Status is how a switch that a former supervisor began is published; nil for nil.
func (p *Pending) Status() *state.Switch {
	if p == nil {
		return nil
	}
	t := &state.Switch{From: p.From.Profile, To: p.To.Profile, Phase: state.SwitchGoing, Started: p.Started, Error: p.Reason}
	if p.Back {
		t.Phase = state.SwitchRollingBack
	}
	return t
}

// Saved reads the switch that a former supervisor had begun; nil if there is none. A file that cannot be read is removed.
func (s *Switcher) Saved() *Pending {
	b, err := os.ReadFile(s.cfg.File)
	if err != nil {
		return nil
	}
	p := new(Pending)
	if err := json.Unmarshal(b, p); err != nil || p.From == nil || p.To == nil {
		s.cfg.Log.Warn("cannot read the switch that was in progress; the saved stack counts", "file", s.cfg.File, "error", err)
		s.forget()
		return nil
	}
	return p
}

// save writes a switch down. It is called before what the file says is done.
func (s *Switcher) save(p *Pending) error {
	b, err := json.Marshal(p)
	if err == nil {
		err = instance.WriteFile(s.cfg.File, b)
	}
	if err != nil {
		return fmt.Errorf("cannot save the switch: %w", err)
	}
	return nil
}

// forget removes the saved switch.
func (s *Switcher) forget() {
	if err := os.Remove(s.cfg.File); err != nil && !errors.Is(err, os.ErrNotExist) {
		s.cfg.Log.Warn("cannot remove the saved switch; the next supervisor would continue it", "error", err)
	}
}
