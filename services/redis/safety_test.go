package redis

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestNeverHarms: whatever is seen, nothing is done to what was not reached, no server with data is attached to a master
// without, nobody is made a master while another one is, and at most one sentinel forgets at a time.
func TestNeverHarms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := rightStack(func(f *Facts) {
			places := rapid.SampledFrom([]Endpoint{at("m"), at("a"), at("b"), at("77")})
			for _, s := range f.Servers {
				s.Reached = rapid.Bool().Draw(t, "reached")
				s.Role = rapid.SampledFrom([]Role{Master, Replica}).Draw(t, "role")
				s.Follows, s.LinkUp = places.Draw(t, "follows"), rapid.Bool().Draw(t, "link")
				s.Keys = rapid.Int64Range(0, 2).Draw(t, "keys")
				s.WrongFor = time.Duration(rapid.IntRange(0, 10).Draw(t, "wrong for")) * time.Second
				s.Declared = rapid.SampledFrom([]Role{Master, Replica, ""}).Draw(t, "declared")
				s.ReplID = rapid.SampledFrom([]string{"r1", "r2", "r3"}).Draw(t, "history")
				s.OldID = rapid.SampledFrom([]string{"", "r1"}).Draw(t, "old history")
			}
			for _, s := range f.Sentinels {
				s.Reached, s.Known = rapid.Bool().Draw(t, "sentinel"), rapid.Bool().Draw(t, "known")
				s.Master = places.Draw(t, "names")
				s.Tilt = rapid.Bool().Draw(t, "tilt")
				if rapid.IntRange(0, 5).Draw(t, "failing over") == 0 {
					s.Flags = []string{"failover_in_progress"}
				}
				s.WrongFor = time.Duration(rapid.IntRange(0, 10).Draw(t, "sentinel wrong for")) * time.Second
			}
		})
		masters := 0
		for _, s := range f.Servers {
			if s.Reached && s.Role == Master {
				masters++
			}
		}
		resets := 0
		for _, s := range Decide(f) {
			if srv := f.At(s.At); srv != nil && !srv.Reached {
				t.Fatalf("%s: not reached", s)
			}
			if w := f.sentinelAt(s.At); w != nil && !w.Reached {
				t.Fatalf("%s: not reached", s)
			}
			switch s.Do {
			case Follow:
				srv, m := f.At(s.At), f.At(s.To)
				if m == nil || !m.Reached || m.Role != Master || m == srv {
					t.Fatalf("%s: no master to follow", s)
				}
				if srv.Role == Master && srv.Keys > 0 && m.Keys == 0 {
					t.Fatalf("%s: it would be wiped", s)
				}
			case Lead:
				if masters > 0 {
					t.Fatalf("%s: there is a master", s)
				}
			case Watch, Rewatch:
				if m := f.At(s.To); m == nil || !m.Reached || m.Role != Master {
					t.Fatalf("%s: nothing to watch", s)
				}
			case Reset:
				resets++
			}
		}
		if resets > 1 {
			t.Fatal("more than one sentinel forgets at a time")
		}
		for pod, pv := range Judge(f).Pods {
			if s := f.server(pod); pv.Right && s != nil && !s.Reached {
				t.Fatalf("%s is right and was not reached", pod)
			}
			if !pv.Right && (pv.Reason == "" || pv.Message == "") {
				t.Fatalf("%s is not right and nobody says why: %+v", pod, pv)
			}
		}
	})
}
