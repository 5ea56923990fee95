package watch

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestSingleSaveIsDueAfterThirtyMilliseconds(t *testing.T) {
	var d debounce
	if !d.due().IsZero() {
		t.Fatal("due without a change")
	}
	now := time.Unix(1000, 0)
	d.change(now)
	if got := d.due().Sub(now); got != 30*time.Millisecond {
		t.Fatalf("due after %s", got)
	}
	if d.take() != now || !d.due().IsZero() {
		t.Fatal("taking does not end it")
	}
}

func TestTheWaitGrowsOnlyWhileChangesKeepComing(t *testing.T) {
	var d debounce
	start := time.Unix(1000, 0)
	for i := range 80 { // a change every 10 ms for 0.8 s
		d.change(start.Add(time.Duration(i) * 10 * time.Millisecond))
	}
	if got := d.due().Sub(d.last); got < 190*time.Millisecond || got > 200*time.Millisecond {
		t.Fatalf("after a long burst it waits %s", got)
	}
	d.take()
	d.change(start)
	if got := d.due().Sub(start); got != 30*time.Millisecond {
		t.Fatalf("the next one waits %s", got)
	}
}

// Whatever comes when: a batch is due 30 ms after its last change at the earliest unless it is two seconds old, and
// never later than 200 ms after that change or two seconds after the first.
func TestDueIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var d debounce
		at := time.Unix(1000, 0)
		for _, gap := range rapid.SliceOfN(rapid.IntRange(0, 300), 1, 60).Draw(t, "gaps") {
			at = at.Add(time.Duration(gap) * time.Millisecond)
			if due := d.due(); !due.IsZero() && !at.Before(due) {
				d.take()
			}
			d.change(at)
			due := d.due()
			if due.After(d.first.Add(longest)) || due.After(d.last.Add(quietLast)) {
				t.Fatalf("due %s after the first, %s after the last", due.Sub(d.first), due.Sub(d.last))
			}
			if due.Before(d.last.Add(quietFirst)) && !due.Equal(d.first.Add(longest)) {
				t.Fatalf("due %s after the last", due.Sub(d.last))
			}
		}
	})
}
