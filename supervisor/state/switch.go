package state

import (
	"cmp"
	"time"
)

// SwitchPhase is the state of a profile switch.
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
	// SwitchPreparing: images are built, and everything that can fail before a pod is changed is checked.
	SwitchPreparing SwitchPhase = "preparing"
	// SwitchMovingRoles: master roles are moved to pods that stay.
	SwitchMovingRoles SwitchPhase = "moving roles"
	SwitchGoing       SwitchPhase = "switching"
	SwitchDone        SwitchPhase = "done"
	// SwitchRefused: the switch was aborted before anything was changed.
	SwitchRefused     SwitchPhase = "refused"
	SwitchRollingBack SwitchPhase = "rolling back"
	SwitchRolledBack  SwitchPhase = "rolled back"
	// SwitchFailed: the rollback did not finish in time; the supervisor keeps trying to restore the old profile.
	SwitchFailed SwitchPhase = "failed"
)

// Switch is a switch from one profile to another, in progress or ended.
type Switch struct {
	From  string      `json:"from"`
	To    string      `json:"to"`
	Phase SwitchPhase `json:"phase"`
	// Ended is zero while the switch is in progress.
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"`
	// Waiting is what the switch is waiting for, one line.
	Waiting string `json:"waiting,omitempty"`
	// Moved are the pods that became masters during the switch.
	Moved []string `json:"moved,omitempty"`
	// Error is why the switch was refused, rolled back or failed.
	Error string `json:"error,omitempty"`
}

// Over reports whether the switch has ended, successfully or not. A nil switch has.
func (s *Switch) Over() bool { return s == nil || !s.Ended.IsZero() }

// ShownProfile is the name of a profile for people: "no profile" for "".
func ShownProfile(name string) string { return cmp.Or(name, "no profile") }

// FromTo is the begin and the end of the way of a switch for people: "from profile small to profile big", "from no profile to profile big".
func FromTo(from, to string) string {
	named := func(name string) string {
		if name == "" {
			return ShownProfile(name)
		}
		return "profile " + name
	}
	return "from " + named(from) + " to " + named(to)
}
