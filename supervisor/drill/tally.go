package drill

import (
	"sync"
	"time"
)

// Tally holds the measurements of one client. The exported fields may be read once the drill has ended.
type Tally struct {
	// Client is the client's name: "http http://127.0.0.1:8000/", "redis redis:6379", "mysql lyanna-mariadb:3306".
	Client string `json:"client"`
	// Requests is the number of requests, Failed how many of them had an error or timed out.
	Requests int `json:"requests"`
	Failed   int `json:"failed"`
	// Acknowledged is the number of acknowledged writes, Lost how many of them were missing at the end.
	Acknowledged int `json:"acknowledged,omitempty"`
	Lost         int `json:"lost,omitempty"`
	// Outage is the longest time without a success after the fault.
	Outage time.Duration `json:"outage"`
	// Recovered is the time from the fault to the first success after the last failure; 0 when nothing failed.
	Recovered time.Duration `json:"recovered"`
	// Error is the first error.
	Error string `json:"error,omitempty"`

	mu          sync.Mutex
	faultAt     time.Time
	lastSuccess time.Time
	lastFailure time.Time
	// since is the first success after the last failure.
	since time.Time
	acked []int
}

// result records the result of a request; n is the number of the write, negative for a read.
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

// fault records when the fault was injected.
func (t *Tally) fault(at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faultAt = at
}

// calm reports whether all requests of the last for_ have succeeded, and at least one since the fault.
func (t *Tally) calm(now time.Time, for_ time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.since.IsZero() && now.Sub(t.since) >= for_ && t.lastSuccess.After(t.faultAt) && now.Sub(t.lastSuccess) < for_
}

// hurt reports whether a request has failed since the fault.
func (t *Tally) hurt() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lastFailure.After(t.faultAt)
}

// finish computes the final figures. kept holds the numbers of the stored writes, nil for a client that only reads.
func (t *Tally) finish(now time.Time, kept map[int]bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lastFailure.After(t.faultAt) {
		if t.since.IsZero() {
			t.Recovered = now.Sub(t.faultAt) // never recovered
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
