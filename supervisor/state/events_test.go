package state

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// texts are events as "seq reason xcount".
func texts(list []Event) string {
	var out []string
	for _, e := range list {
		out = append(out, fmt.Sprintf("%d %s x%d", e.Seq, e.Reason, e.Count))
	}
	return strings.Join(out, ", ")
}

func TestEventsCountUp(t *testing.T) {
	l := NewEvents()
	l.Add(at, "Pod", "a", "Normal", "Pulled", "image")
	l.Add(at.Add(time.Second), "Pod", "a", "Warning", "BackOff", "again")
	l.Add(at.Add(2*time.Second), "Pod", "a", "Normal", "Pulled", "image")
	l.Add(at.Add(3*time.Second), "Pod", "b", "Normal", "Pulled", "image")
	if got, want := texts(l.Since(0)), "2 BackOff x1, 3 Pulled x2, 4 Pulled x1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := texts(l.Since(2)), "3 Pulled x2, 4 Pulled x1"; got != want {
		t.Errorf("since 2: got %s, want %s", got, want)
	}
	if l.Since(4) != nil {
		t.Error("something after the last")
	}
	if e := l.Since(2)[0]; !e.First.Equal(at) || !e.Last.Equal(at.Add(2*time.Second)) {
		t.Errorf("first %s, last %s", e.First, e.Last)
	}
	// What was handed out is a copy.
	list := l.Since(0)
	l.Add(at, "Pod", "b", "Normal", "Pulled", "image")
	if list[2].Count != 1 {
		t.Error("a listed event changed")
	}
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewEvents()
		l.Add(at, "Pod", "a", "Normal", "One", "")
		if !l.Wait(t.Context(), 0) {
			t.Error("there was one already")
		}
		began := time.Now()
		time.AfterFunc(time.Minute, func() { l.Add(at, "Pod", "a", "Normal", "One", "") })
		if !l.Wait(t.Context(), 1) || time.Since(began) != time.Minute {
			t.Errorf("waited %v", time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if l.Wait(ctx, 2) {
			t.Error("nothing came, and Wait says it did")
		}
		if n := len(l.subs); n != 0 {
			t.Errorf("%d waiters left", n)
		}
	})
}

func TestTheLogIsBounded(t *testing.T) {
	l := NewEvents()
	l.Add(at, "Pod", "kept", "Normal", "First", "")
	for i := range 10 * maxEvents {
		l.Add(at, "Pod", fmt.Sprint("p", i), "Normal", "Made", "")
		if i%100 == 0 { // what goes on happening stays
			l.Add(at, "Pod", "kept", "Normal", "First", "")
		}
		if n := len(l.byKey); n > maxEvents+1 {
			t.Fatalf("%d events after %d", n, i)
		}
	}
	list := l.Since(0)
	if len(list) < maxEvents/2 {
		t.Errorf("only %d left", len(list))
	}
	if last := list[len(list)-1]; last.Name != fmt.Sprint("p", 10*maxEvents-1) {
		t.Errorf("the newest is %s", last.Name)
	}
	found := false
	for i, e := range list {
		found = found || (e.Name == "kept" && e.Count > 100)
		if i > 0 && e.Seq <= list[i-1].Seq {
			t.Fatalf("out of order at %d", i)
		}
	}
	if !found {
		t.Error("the one that goes on happening is gone")
	}
}

func TestReadersSeeEveryEventOnce(t *testing.T) {
	l := NewEvents()
	const writers, each = 4, 200
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				l.Add(at, "Pod", fmt.Sprint(w, "-", i), "Normal", "Made", "")
			}
		})
	}
	seen := map[string]bool{}
	for since := uint64(0); len(seen) < writers*each; {
		if !l.Wait(t.Context(), since) {
			t.Fatal("gave up")
		}
		for _, e := range l.Since(since) {
			if seen[e.Name] {
				t.Errorf("%s twice", e.Name)
			}
			seen[e.Name], since = true, e.Seq
		}
	}
	wg.Wait()
}
