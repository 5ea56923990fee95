package pod

import "time"

// ReasonHeld is the waiting reason of a container that is due to start but held back by Worker.Hold. Kubernetes has no
// equivalent.
const ReasonHeld = "Held"

// Hold prevents the worker from starting containers. why is the message of the waiting containers; "" ends the hold, and due
// containers are started at once. Running containers keep running and are probed, and a deletion is carried out. A hold without
// a following Resync becomes visible at the next sync.
func (w *Worker) Hold(why string) { w.inbox.put(func(m *mail) { m.hold = &why }) }

// Excuse records that containers that ended between two times were ended with the engine: they are restarted without back-off and
// without increasing it. It still counts as a restart.
func (w *Worker) Excuse(from, to time.Time) {
	w.inbox.put(func(m *mail) { m.excuse = &span{from, to} })
}

// span is a period of time.
type span struct{ from, to time.Time }

func (s *span) has(t time.Time) bool {
	return s != nil && !t.Before(s.from) && !t.After(s.to)
}

// takeHold sets the hold, and reports whether held containers may be started now.
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

// withhold removes the starts from the actions during a hold.
func (w *Worker) withhold(a *Actions) {
	if w.hold == "" {
		return
	}
	for _, s := range a.Start {
		w.reasons[s.Container.Name] = WaitError{Reason: ReasonHeld, Message: w.hold}
	}
	a.Start, a.Purge, a.CreateSandbox = nil, nil, false
}
