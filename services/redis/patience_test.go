package redis

import (
	"testing"
	"time"
)

// TestPatience: a process that did not answer in time delays the next two looks less, and gets its full time in every third one,
// so that a slow one is heard again. One that answers is trusted at once.
func TestPatience(t *testing.T) {
	o := New()
	o.turn.Do(o.init)
	p := Process{Pod: "m", Container: "redis"}
	for i, c := range []struct {
		reason string // of the look before
		want   time.Duration
	}{
		{"", lookDeadline},
		{"NoAnswer", silentDeadline},
		{"NoAnswer", silentDeadline},
		{"NoAnswer", lookDeadline},
		{"NoAnswer", silentDeadline},
		{"", lookDeadline},
		{"Refused", lookDeadline},
	} {
		p.Reason = c.reason
		o.memory.listen(p)
		if got := o.patience(p); got != c.want {
			t.Errorf("look %d: waits %s, want %s", i, got, c.want)
		}
	}
}
