package watch

import "time"

// The bounds of a batch. A single save is complete 30 ms after its last event. While changes keep coming the wait grows
// with the time they have been coming for, so that a checkout is one batch; but no change waits longer than two seconds.
const (
	quietFirst = 30 * time.Millisecond
	quietLast  = 200 * time.Millisecond
	longest    = 2 * time.Second
	// A batch waits for a file that is being written, settleGap and again, until settleWait. Then it goes without the file,
	// which follows when it is finished, has not changed for settleWait (an open log), or after settleLimit.
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

// change notes that something changed.
func (d *debounce) change(now time.Time) {
	if d.first.IsZero() {
		d.first = now
	}
	d.last = now
}

// due is when the batch is complete if nothing else changes; zero while there is none.
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

// take ends the batch and tells when its first change was seen.
func (d *debounce) take() time.Time {
	first := d.first
	*d = debounce{}
	return first
}
