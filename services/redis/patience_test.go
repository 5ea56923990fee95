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
		if got := o.patience(p, &Facts{}); got != c.want {
			t.Errorf("look %d: waits %s, want %s", i, got, c.want)
		}
	}
}

// TestNoPatienceWithADownMaster: once a sentinel says that a silent process is down, no look waits for it, and the looks follow each
// other quickly for a while: a failover is near.
func TestNoPatienceWithADownMaster(t *testing.T) {
	o := New()
	o.turn.Do(o.init)
	begin := time.Now()
	look := func(after time.Duration, edit func(f *Facts)) (time.Duration, time.Duration) {
		f := rightStack(func(f *Facts) { f.down("m"); edit(f) })
		m := f.server("m")
		m.Reason = "NoAnswer"
		o.memory.listen(m.Process)
		v := o.conclude(Judge(f), &round{facts: *f}, begin.Add(after))
		return o.patience(m.Process, f), v.Again
	}
	flag := func(flags ...string) func(f *Facts) {
		return func(f *Facts) { f.Sentinels[0].Flags = append([]string{"master"}, flags...) }
	}
	for i, c := range []struct {
		after    time.Duration
		edit     func(f *Facts)
		patience time.Duration
		again    time.Duration
	}{
		{0, flag(), silentDeadline, againWrong},
		{time.Second, flag("s_down"), downDeadline, againDown},
		{2 * time.Second, flag("s_down", "o_down"), downDeadline, againDown}, // the third look
		{3 * time.Second, flag("s_down", "o_down", "failover_in_progress"), downDeadline, againFailing},
		{20 * time.Second, flag("s_down", "o_down"), downDeadline, againWrong},
		{21 * time.Second, func(f *Facts) {
			f.promoted("a")
			for _, s := range f.Sentinels {
				s.Replicas = []Peer{{At: f.server("m").At, Flags: []string{"slave", "s_down"}}}
			}
		}, downDeadline, againWrong},
	} {
		if patience, again := look(c.after, c.edit); patience != c.patience || again != c.again {
			t.Errorf("look %d: waits %s and looks again after %s, want %s and %s", i, patience, again, c.patience, c.again)
		}
	}
}
