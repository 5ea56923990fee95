package controller

import (
	"errors"
	"time"

	"github.com/lyandev/lyandev/services/kube"
)

// Missed is how many start times passed by since the last one that was kept.
type Missed string

// The classes of Missed. Only many has a consequence, the event TooManyMissedTimes (R197).
const (
	MissedNone Missed = "none"
	MissedFew  Missed = "few"
	MissedMany Missed = "many"
)

// errNever is Kubernetes' way of saying that a schedule has no times.
var errNever = errors.New("time difference between two schedules is less than 1 second")

// tooManyMissed is the number of missed times above which a CronJob warns.
const tooManyMissed = 100

// CronMemory is what is remembered of a CronJob to notice that its schedule was changed (R195).
type CronMemory struct {
	// Text is the schedule and its zone, and Next its next time, at the last look.
	Text string    `json:"text"`
	Next time.Time `json:"next,omitzero"`
	// NotBefore is the time before which a changed schedule starts nothing, as long as all else is as in Seen; zero for none.
	Seen      string    `json:"seen,omitempty"`
	NotBefore time.Time `json:"notBefore,omitzero"`
}

// Due is what a schedule asks for at one moment (R197).
type Due struct {
	// Earliest is the exclusive lower bound: the last scheduled time, else the creation, but not before now minus the
	// starting deadline.
	Earliest time.Time
	// At is the most recent time after Earliest and not after now; zero if there is none, or if Kubernetes would not find it.
	At time.Time
	// Missed counts the times between, roughly, as Kubernetes does.
	Missed Missed
	// TooLate says that At lies more than the deadline back.
	TooLate bool
	// Err says that the schedule never comes ("0 0 31 2 *").
	Err error
}

// Start reports whether a job is to be made.
func (d Due) Start() bool { return !d.At.IsZero() && !d.TooLate }

// DueAt finds the one start time that matters at now (R197): the most recent one, never several. last is nil before the
// first run; deadlineSeconds nil means none.
func DueAt(s kube.Schedule, created time.Time, last *time.Time, deadlineSeconds *int64, now time.Time) Due {
	d := Due{Earliest: created, Missed: MissedNone}
	if last != nil {
		d.Earliest = *last
	}
	if deadlineSeconds != nil {
		if bound := now.Add(-time.Duration(*deadlineSeconds) * time.Second); bound.After(d.Earliest) {
			d.Earliest = bound
		}
	}
	first := s.Next(d.Earliest)
	second := s.Next(first)
	switch {
	case first.IsZero():
		d.Err = errNever
		return d
	case first.After(now):
		return d
	case second.IsZero() || second.After(now):
		d.At = first
	default:
		d.At, d.Missed = latest(s, first, second, now)
	}
	d.TooLate = deadlineSeconds != nil && !d.At.IsZero() && d.At.Add(time.Duration(*deadlineSeconds)*time.Second).Before(now)
	return d
}

// NextLook is when a CronJob is to be looked at again (R195): the first time of its schedule after the most recent one that has
// come, whatever the deadline says, counted from the last run or the creation. So "@every 5m" keeps its steps however often it is
// looked at. The zero time means never.
func NextLook(s kube.Schedule, created time.Time, last *time.Time, now time.Time) time.Time {
	due := DueAt(s, created, last, nil, now)
	switch {
	case !due.At.IsZero():
		return s.Next(due.At)
	case due.Missed == MissedNone:
		return s.Next(due.Earliest)
	}
	return s.Next(now)
}

// latest is the last time of the schedule that is not after now, and how many there were since first. As in Kubernetes it is an
// estimate: the distance of the first two is taken for that of all, and the search begins one distance before the last of them.
// Where the distances differ (times on work days only) it can find nothing, and the zero time is returned.
func latest(s kube.Schedule, first, second, now time.Time) (time.Time, Missed) {
	between := int64(second.Sub(first).Round(time.Second).Seconds())
	count := int64(now.Sub(first).Seconds())/between + 1
	var found time.Time
	for t := s.Next(first.Add(time.Duration((count-2)*between) * time.Second)); !t.IsZero() && !t.After(now); t = s.Next(t) {
		found = t
	}
	if count > tooManyMissed {
		return found, MissedMany
	}
	return found, MissedFew
}
