// Package backoff is the crash-loop back-off of the kubelet as a pure tracker: it is told when something ended and when it
// is to start again, and answers "now" or "not before". It owns no timer, reads no clock and starts no goroutine.
package backoff

import "time"

// Config says how waits grow. The zero value is the kubelet's default (R71).
type Config struct {
	// Initial is the first wait that is not nothing; 0 means 10 s.
	Initial time.Duration
	// Max is the longest wait; 0 means 300 s.
	Max time.Duration
	// Expire is how long something must have lasted, counted from its last start, for the waits to begin anew; it must
	// be exceeded, not only reached. 0 means 600 s (R73).
	Expire time.Duration
}

// The kubelet's numbers (R71, R73, R75).
const (
	DefaultInitial = 10 * time.Second
	DefaultMax     = 300 * time.Second
	DefaultExpire  = 600 * time.Second
	ReducedInitial = 1 * time.Second
	ReducedMax     = 60 * time.Second
)

// Kubelet is the configuration a kubelet would use (R75): reduced is the gate ReduceDefaultCrashLoopBackOffDecay (1 s up
// to 60 s); maxRestartPeriod is crashLoopBackOff.maxContainerRestartPeriod, which sets the longest wait and, where it is
// smaller, the first one as well. 0 is for a kubelet without that setting (gate KubeletCrashLoopBackOffMax off); with it
// the setting is 300 s where nothing is said, also over the 60 s of the other gate.
func Kubelet(reduced bool, maxRestartPeriod time.Duration) Config {
	c := Config{Initial: DefaultInitial, Max: DefaultMax, Expire: DefaultExpire}
	if reduced {
		c.Initial, c.Max = ReducedInitial, ReducedMax
	}
	if maxRestartPeriod > 0 {
		c.Max = maxRestartPeriod
	}
	c.Initial = min(c.Initial, c.Max)
	return c
}

func (c Config) withDefaults() Config {
	if c.Initial <= 0 {
		c.Initial = DefaultInitial
	}
	if c.Max <= 0 {
		c.Max = DefaultMax
	}
	if c.Expire <= 0 {
		c.Expire = DefaultExpire
	}
	c.Initial = min(c.Initial, c.Max)
	return c
}

// Entry is what is remembered of one key. It is plain data so that a supervisor may write it down and hand it back to
// the tracker of its successor.
type Entry struct {
	// Wait is the time that must lie between the next exit and the start after it.
	Wait time.Duration `json:"wait"`
	// Updated is when the last start was allowed.
	Updated time.Time `json:"updated"`
}

// Decision is the answer to an attempt.
type Decision struct {
	// Start says that it may start now, and that the tracker has counted this start.
	Start bool
	// Until is the earliest time of the next attempt worth making; zero if Start is true.
	Until time.Time
	// Wait is the wait in force: the one being sat out if Start is false, else the one the next exit will meet.
	Wait time.Duration
}

// Tracker holds the entries of many keys. A key names whatever changes begin the sequence anew; for a container that is
// its pod, name, image and resources (R71). It is not safe for concurrent use: its owner serialises calls.
type Tracker struct {
	config  Config
	entries map[string]Entry
}

// New makes an empty tracker.
func New(c Config) *Tracker {
	return &Tracker{config: c.withDefaults(), entries: map[string]Entry{}}
}

// Attempt asks to start at now what ended at exit (R71, R73). The caller passes the exit it sees: after a probe kill that
// is the one before the kill (R82). Without an entry, or with an expired one, it starts at once and the next wait is
// Initial; within the wait counted from exit the answer is Until; otherwise it starts and the wait doubles up to Max.
func (t *Tracker) Attempt(key string, exit, now time.Time) Decision {
	return t.attempt(key, exit, exit, now)
}

// AttemptAgain asks to repeat at now an operation that failed at its last attempt, an image pull for instance (R62): the
// wait counts from the last attempt that was allowed and not from an exit.
func (t *Tracker) AttemptAgain(key string, now time.Time) Decision {
	e := t.entries[key]
	return t.attempt(key, now, e.Updated, now)
}

func (t *Tracker) attempt(key string, event, since, now time.Time) Decision {
	e, known := t.entries[key]
	if !known || t.expired(e, event) {
		e = Entry{Wait: t.config.Initial, Updated: now}
		t.entries[key] = e
		return Decision{Start: true, Wait: e.Wait}
	}
	if now.Sub(since) < e.Wait {
		return Decision{Until: since.Add(e.Wait), Wait: e.Wait}
	}
	e = Entry{Wait: min(2*e.Wait, t.config.Max), Updated: now}
	t.entries[key] = e
	return Decision{Start: true, Wait: e.Wait}
}

// Peek is Attempt without counting: whether a start at now would be allowed, and if not until when it is held.
func (t *Tracker) Peek(key string, exit, now time.Time) Decision {
	e, known := t.entries[key]
	if !known || t.expired(e, exit) || now.Sub(exit) >= e.Wait {
		return Decision{Start: true, Wait: e.Wait}
	}
	return Decision{Until: exit.Add(e.Wait), Wait: e.Wait}
}

// expired is R73: strictly more than Expire between the last start and the event.
func (t *Tracker) expired(e Entry, event time.Time) bool {
	return event.Sub(e.Updated) > t.config.Expire
}

// Entry is what is known of a key; false if nothing is.
func (t *Tracker) Entry(key string) (Entry, bool) {
	e, ok := t.entries[key]
	return e, ok
}

// Restore puts back what a former tracker knew of a key.
func (t *Tracker) Restore(key string, e Entry) { t.entries[key] = e }

// Forget drops a key, as when its pod is gone.
func (t *Tracker) Forget(key string) { delete(t.entries, key) }

// Len is the number of keys held.
func (t *Tracker) Len() int { return len(t.entries) }
