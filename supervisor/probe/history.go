package probe

import (
	"strings"
	"sync"
	"time"
)

const (
	// historyLength is how many answers of each probe are kept.
	historyLength = 10
	// maxKept bounds the kept output of one answer, in bytes.
	maxKept = 1024
)

// Answer is the recorded result of one try, for display only: no decision depends on it.
type Answer struct {
	Container   string `json:"container"`
	ContainerID string `json:"containerID"`
	Type        Type   `json:"type"`
	// At is when the try started, Took its duration (nanoseconds in JSON).
	At   time.Time     `json:"at"`
	Took time.Duration `json:"took"`
	// Verdict is "success", "warning", "failure", or "unknown" for an error of the try itself (R13).
	Verdict Verdict `json:"verdict"`
	// Output is the handler's text, trimmed and truncated to 1024 bytes.
	Output string `json:"output,omitempty"`
	// Early marks an early try of Fast, whose failure does not count.
	Early bool `json:"early,omitempty"`
}

// Good reports whether the try counts as a success.
func (a Answer) Good() bool { return a.Verdict == Passed || a.Verdict == Warned }

// history keeps the last answers of one worker's probe.
type history struct {
	mu   sync.Mutex
	ring [historyLength]Answer
	n    int
}

func (h *history) add(a Answer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ring[h.n%historyLength] = a
	h.n++
}

// list returns a copy, oldest first.
func (h *history) list() []Answer {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.n <= historyLength {
		return append([]Answer(nil), h.ring[:h.n]...)
	}
	at := h.n % historyLength
	return append(append([]Answer(nil), h.ring[at:]...), h.ring[:at]...)
}

// remember records the answer of a try that started at began.
func (w *worker) remember(t Target, o Outcome, began time.Time, early bool) {
	a := Answer{
		Container: w.machine.container.Name, ContainerID: t.ContainerID, Type: w.machine.typ,
		At: began, Took: time.Since(began), Verdict: o.Verdict, Output: o.Output, Early: early,
	}
	if o.Err != nil {
		a.Verdict, a.Output = Undecided, o.Err.Error()
	}
	a.Output = strings.TrimSpace(a.Output)
	if len(a.Output) > maxKept {
		a.Output = strings.ToValidUTF8(a.Output[:maxKept], "") + " ..."
	}
	w.history.add(a)
}

// Answers returns the last ten answers of every probe, in the worker order of New, the oldest of each first.
func (p *Pod) Answers() []Answer {
	var out []Answer
	for _, w := range p.workers {
		out = append(out, w.history.list()...)
	}
	return out
}
