package drill

import (
	"sync"
	"time"
)

// Tally is what one client saw. It counts while the drill runs; its figures are read when it has ended.
type Tally struct {
	// Client says who: "http http://127.0.0.1:8000/", "redis redis:6379", "mysql lyanna-mariadb:3306".
	Client string `json:"client"`
	// Requests were made, Failed of them had an error or no answer in time.
	Requests int `json:"requests"`
	Failed   int `json:"failed"`
	// Acknowledged are the writes that were confirmed, Lost those of them that were not there at the end.
	Acknowledged int `json:"acknowledged,omitempty"`
	Lost         int `json:"lost,omitempty"`
	// Outage is the longest time without a success after the fault.
	Outage time.Duration `json:"outage"`
	// Recovered is how long after the fault the first success came that no failure followed; 0 when nothing failed.
	Recovered time.Duration `json:"recovered"`
	// Error is the first failure's.
	Error string `json:"error,omitempty"`

	mu          sync.Mutex
	faultAt     time.Time
	lastSuccess time.Time
	lastFailure time.Time
	// since is the first success after the last failure.
	since time.Time
	acked []int
}

// result notes how a request ended that was begun at a time; n is the write's number, or negative for a read.
func (t *Tally) result(n int, ended time.Time, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Requests++
	if err != nil {
		t.Failed++
		if t.Error == "" {
			t.Error = err.Error()
		}
		t.lastFailure, t.since = ended, time.Time{}
		return
	}
	if n >= 0 {
		t.acked = append(t.acked, n)
	}
	if !t.faultAt.IsZero() {
		from := t.lastSuccess
		if from.Before(t.faultAt) {
			from = t.faultAt
		}
		t.Outage = max(t.Outage, ended.Sub(from))
	}
	if t.since.IsZero() {
		t.since = ended
	}
	t.lastSuccess = ended
}

// fault notes when the fault was made.
func (t *Tally) fault(at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faultAt = at
}

// calm says that requests have succeeded without a failure for a time, and at least once since the fault.
func (t *Tally) calm(now time.Time, for_ time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.since.IsZero() && now.Sub(t.since) >= for_ && t.lastSuccess.After(t.faultAt) && now.Sub(t.lastSuccess) < for_
}

// hurt says that a request has failed since the fault.
func (t *Tally) hurt() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lastFailure.After(t.faultAt)
}

// finish works the figures out; kept says which of the acknowledged writes are there, nil for a client that only reads.
func (t *Tally) finish(now time.Time, kept map[int]bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lastFailure.After(t.faultAt) {
		if t.since.IsZero() {
			t.Recovered = now.Sub(t.faultAt) // it never did
			t.Outage = max(t.Outage, now.Sub(later(t.lastSuccess, t.faultAt)))
		} else {
			t.Recovered = t.since.Sub(t.faultAt)
		}
	}
	t.Acknowledged = len(t.acked)
	if kept == nil {
		return
	}
	for _, n := range t.acked {
		if !kept[n] {
			t.Lost++
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
