package redis

import (
	"testing"
	"time"
)

// TestSentinelsAreRarelyAskedToWriteTheirFile: at first, when one was started anew, often while one cannot, and else rarely.
func TestSentinelsAreRarelyAskedToWriteTheirFile(t *testing.T) {
	o := &Operator{}
	o.init()
	now := time.Now()
	// look is a look after a while; it says whether the sentinels were asked.
	look := func(after time.Duration, edit func(*Facts)) bool {
		now = now.Add(after)
		f := rightStack(edit)
		f.Now = now
		asked := o.flushDue(now)
		o.recall(f, asked)
		return asked
	}
	down := func(f *Facts) { f.watcher("x").Reached = false }
	full := func(f *Facts) { f.watcher("y").Unsaved = "No space left on device" }
	for _, c := range []struct {
		what  string
		after time.Duration
		edit  func(*Facts)
		want  bool
	}{
		{"the first look", 0, nil, true},
		{"soon after", 3 * time.Second, nil, false},
		{"minutes after", 9 * time.Minute, nil, false},
		{"one is down", 3 * time.Second, down, false},
		{"it is back", 3 * time.Second, nil, false},
		{"it is asked", 3 * time.Second, full, true},
		{"one could not", 3 * time.Second, nil, false},
		{"it is asked again", 15 * time.Second, nil, true},
		{"it could", 15 * time.Second, nil, false},
		{"at last", 10 * time.Minute, nil, true},
	} {
		if got := look(c.after, c.edit); got != c.want {
			t.Errorf("%s: asked %v, want %v", c.what, got, c.want)
		}
	}
}
