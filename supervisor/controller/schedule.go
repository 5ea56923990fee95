package controller

import (
	"time"

	"github.com/robfig/cron/v3"

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

// tooManyMissed is the number of missed times above which a CronJob warns.
const tooManyMissed = 100

// CronMemory is what is remembered of a CronJob to notice that its schedule was changed (R195).
type CronMemory struct {
	// Text is the schedule and its zone, and Next its next time, at the last look.
	Text string    `json:"text"`
	Next time.Time `json:"next,omitzero"`
	// NotBefore is the time before which a changed schedule starts nothing; zero for none.
	NotBefore time.Time `json:"notBefore,omitzero"`
}

// Due is what a schedule asks for at one moment (R197).
type Due struct {
	// Earliest is the exclusive lower bound: the last scheduled time, else the creation, but not before now minus the
	// starting deadline.
	Earliest time.Time
	// At is the most recent time after Earliest and not after now; zero if there is none.
	At time.Time
	// Missed counts the times between, roughly, as Kubernetes does.
	Missed Missed
	// TooLate says that At lies more than the deadline back.
	TooLate bool
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
	if first.IsZero() || first.After(now) {
		return d
	}
	d.At = latest(s, first, now)
	d.TooLate = deadlineSeconds != nil && d.At.Add(time.Duration(*deadlineSeconds)*time.Second).Before(now)
	d.Missed = missed(first, s.Next(first), now)
	return d
}

// NextLook is when a CronJob is to be looked at again (R195): the first time of its schedule after the most recent one that has
// come, whatever the deadline says, counted from the last run or the creation. So "@every 5m" keeps its steps however often it is
// looked at. The zero time means never.
func NextLook(s kube.Schedule, created time.Time, last *time.Time, now time.Time) time.Time {
	due := DueAt(s, created, last, nil, now)
	if due.At.IsZero() {
		return s.Next(due.Earliest)
	}
	return s.Next(due.At)
}

// missed is Kubernetes' estimate: the time since the first one over the distance of the first two.
func missed(first, second, now time.Time) Missed {
	if second.IsZero() || second.After(now) {
		return MissedNone
	}
	between := int64(second.Sub(first).Round(time.Second).Seconds())
	if between < 1 {
		return MissedNone
	}
	if int64(now.Sub(first).Seconds())/between+1 > tooManyMissed {
		return MissedMany
	}
	return MissedFew
}

// latest is the last time of the schedule that is not after now; first is one of them. It looks back from now in growing
// steps, so that years of missed minutes cost little.
func latest(s kube.Schedule, first, now time.Time) time.Time {
	if every, ok := s.(cron.ConstantDelaySchedule); ok {
		return first.Add(now.Sub(first) / every.Delay * every.Delay)
	}
	t := first
	for back := time.Minute; ; back *= 4 {
		from := now.Add(-back)
		if !from.After(first) {
			break
		}
		if n := s.Next(from); !n.IsZero() && !n.After(now) {
			t = n
			break
		}
	}
	for n := s.Next(t); !n.IsZero() && !n.After(now); n = s.Next(n) {
		t = n
	}
	return t
}
