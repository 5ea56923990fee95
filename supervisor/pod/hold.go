package pod

import "time"

// ReasonHeld is the reason by which a container waits that could be started but must not be: see Worker.Hold. Kubernetes
// has nothing of the kind.
const ReasonHeld = "Held"

// Hold keeps the worker from starting anything, with why as the message of the containers that wait ("" ends it, and what
// is due is started at once). What runs goes on and is still probed, and a deletion is carried out. A hold that is not
// followed by Resync shows at the next sync.
func (w *Worker) Hold(why string) { w.inbox.put(func(m *mail) { m.hold = &why }) }

// Excuse says that what ended between two times was ended from outside, with the engine that ran it: it is started again
// without a back-off and without making the next one longer. It still counts as a restart.
func (w *Worker) Excuse(from, to time.Time) {
	w.inbox.put(func(m *mail) { m.excuse = &span{from, to} })
}

// span is a time and all until another.
type span struct{ from, to time.Time }

func (s *span) has(t time.Time) bool {
	return s != nil && !t.Before(s.from) && !t.After(s.to)
}

// takeHold takes a hold in, and says whether what is held may be started now.
func (w *Worker) takeHold(why string) (due bool) {
	due = w.hold != "" && why == ""
	w.hold = why
	for name, r := range w.reasons {
		switch {
		case r.Reason != ReasonHeld:
		case why == "":
			delete(w.reasons, name)
		default:
			w.reasons[name] = WaitError{Reason: ReasonHeld, Message: why}
		}
	}
	return due
}

// withhold takes the starts out of the actions while the worker is held.
func (w *Worker) withhold(a *Actions) {
	if w.hold == "" {
		return
	}
	for _, s := range a.Start {
		w.reasons[s.Container.Name] = WaitError{Reason: ReasonHeld, Message: w.hold}
	}
	a.Start, a.Purge, a.CreateSandbox = nil, nil, false
}
