package state

import "time"

// SwitchPhase is where a switch of profiles stands.
type SwitchPhase string

// The phases of a switch. Their transitions:
//
//	preparing -> moving roles -> switching -> done
//	    |             |              |
//	    v             v              v
//	  refused      refused      rolling back -> rolled back
//	                                 |
//	                                 v
//	                               failed
const (
	// SwitchPreparing: images are made and everything is checked that can fail before a pod is touched.
	SwitchPreparing SwitchPhase = "preparing"
	// SwitchMovingRoles: masters move to pods that stay.
	SwitchMovingRoles SwitchPhase = "moving roles"
	SwitchGoing       SwitchPhase = "switching"
	SwitchDone        SwitchPhase = "done"
	// SwitchRefused: it was given up before anything was changed.
	SwitchRefused     SwitchPhase = "refused"
	SwitchRollingBack SwitchPhase = "rolling back"
	SwitchRolledBack  SwitchPhase = "rolled back"
	// SwitchFailed: it could not be rolled back in time either; the supervisor goes on trying to get the old profile right.
	SwitchFailed SwitchPhase = "failed"
)

// Switch is a change from one profile to another, going on or ended.
type Switch struct {
	From  string      `json:"from"`
	To    string      `json:"to"`
	Phase SwitchPhase `json:"phase"`
	// Started and Ended frame it; Ended is zero while it goes on.
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"`
	// Waiting says what it waits for now, in one line.
	Waiting string `json:"waiting,omitempty"`
	// Moved are the pods that became masters on the way.
	Moved []string `json:"moved,omitempty"`
	// Error says why it was refused, rolled back or failed.
	Error string `json:"error,omitempty"`
}

// Over says that the switch has ended, in whatever way.
func (s *Switch) Over() bool { return s == nil || !s.Ended.IsZero() }
