package watch

import "time"

// Limits of a batch. A single save is complete 30 ms after its last event. While changes continue, the quiet period grows with
// their duration, so that a checkout is one batch, but no change waits longer than two seconds.
const (
	quietFirst = 30 * time.Millisecond
	quietLast  = 200 * time.Millisecond
	longest    = 2 * time.Second
	// A batch waits for a file that is being written, checking every settleGap, up to settleWait. Then it is sent without the
	// file, which follows when it is closed, has not changed for settleWait (an open log), or after settleLimit.
	settleGap   = 15 * time.Millisecond
	settleWait  = 100 * time.Millisecond
	settleLimit = 3 * time.Second
)

// debounce decides when a batch is complete. It is pure: times come from the caller.
//
//	idle --change--> open --quiet for long enough, or open for the longest--> due --take--> idle
type debounce struct {
	first, last time.Time
}

// change records a change.
func (d *debounce) change(now time.Time) {
	if d.first.IsZero() {
		d.first = now
	}
	d.last = now
}

// due returns when the batch is complete if nothing else changes, zero if there is no batch.
func (d *debounce) due() time.Time {
	if d.first.IsZero() {
		return time.Time{}
	}
	quiet := min(max(quietFirst, d.last.Sub(d.first)/4), quietLast)
	at := d.last.Add(quiet)
	if end := d.first.Add(longest); end.Before(at) {
		return end
	}
	return at
}

// take ends the batch and returns when its first change was seen.
func (d *debounce) take() time.Time {
	first := d.first
	*d = debounce{}
	return first
}
