package mariadb

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func genServer(t *rapid.T, pod string, role Role) *Server {
	lineages := rapid.SampledFrom([]string{"", "aaaa", "bbbb", seedBegun, seedLoaded})
	id := rapid.SampledFrom([]uint32{1, 7001, 7002})
	s := &Server{
		Pod: pod, Declared: role, Host: "10.0.0." + pod, Port: 3306, Reached: rapid.Bool().Draw(t, "reached"),
		ServerID: id.Draw(t, "id"), ReadOnly: rapid.Bool().Draw(t, "ro"), LogBin: true, SlaveUpdates: true, Strict: true,
		HasTables: rapid.Bool().Draw(t, "tables"), FromStart: rapid.Bool().Draw(t, "from start"),
		BinlogPos: genPosition(t, "binlog"), SlavePos: genPosition(t, "slave"), Seeding: rapid.Bool().Draw(t, "seeding"),
		NewID: rapid.Uint32Range(8000, 9000).Draw(t, "new id"),
	}
	s.Identity = Identity{Pod: pod, ServerID: s.ServerID, Lineage: lineages.Draw(t, "lineage")}
	if epoch := rapid.Uint64Range(0, 3).Draw(t, "epoch"); epoch > 0 {
		s.Topology = Topology{
			Master: rapid.SampledFrom([]string{"a", "b", "gone"}).Draw(t, "named"), Epoch: epoch,
			Lineage: rapid.SampledFrom([]string{"aaaa", "bbbb"}).Draw(t, "data"),
		}
	}
	if rapid.Bool().Draw(t, "channel") {
		s.Channels = []Channel{{
			Host: rapid.SampledFrom([]string{"10.0.0.a", "10.0.0.b"}).Draw(t, "host"), Port: 3306, UsingGTID: "Slave_Pos",
			IO:      rapid.SampledFrom([]string{"Yes", "No", "Connecting"}).Draw(t, "io"),
			SQL:     rapid.SampledFrom([]string{"Yes", "No"}).Draw(t, "sql"),
			IOErrno: rapid.SampledFrom([]int{0, 1045, 1236, 1593, 2003}).Draw(t, "io error"),
		}}
	}
	s.Beat = Beat{Seen: rapid.Bool().Draw(t, "beat"), Arrived: rapid.Bool().Draw(t, "arrived")}
	return s
}

// TestNeverHarms: whatever is seen, at most one server is opened, the master is never overwritten, data is never replaced from
// a master that has none, and nothing is done to a server that was not reached.
func TestNeverHarms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := &Facts{
			Servers: []*Server{genServer(t, "a", Master), genServer(t, "b", Slave), genServer(t, "c", Slave)},
			MaxLag:  10 * time.Second, Now: now,
		}
		e := elect(f)
		ids := map[uint32]bool{}
		for _, step := range Decide(f) {
			s := f.Server(step.Pod)
			switch {
			case !s.Reached:
				t.Fatalf("%s: it was not reached", step)
			case step.Do == Open && step.Pod != e.Master, step.Do == Init && step.Pod != e.Master, step.Do == Detach && step.Pod != e.Master:
				t.Fatalf("%s: the master is %s", step, e.Master)
			case (step.Do == Reseed || step.Do == Attach || step.Do == Close) && step.Pod == e.Master:
				t.Fatalf("%s: it is the master", step)
			case step.Do == Reseed && s.HasTables && !f.Server(step.Master).HasTables && s.Identity.Lineage != seedBegun && s.Identity.Lineage != seedLoaded:
				t.Fatalf("%s: its data would be replaced by nothing", step)
			case step.Do == Reseed && (s.Seeding || !f.Server(step.Master).Reached):
				t.Fatalf("%s", step)
			case step.Do == Identify && step.ServerID == 0:
				t.Fatalf("%s", step)
			}
			if step.Do == Identify {
				if ids[step.ServerID] && f.Server(step.Pod).NewID != step.ServerID {
					t.Fatalf("%s: taken", step)
				}
				ids[step.ServerID] = true
			}
		}
		v := Judge(f)
		if len(v.Pods) != 3 {
			t.Fatal("a pod is not judged")
		}
		for pod, pv := range v.Pods {
			if pv.Right && !f.Server(pod).Reached {
				t.Fatalf("%s is right and was not reached", pod)
			}
			if !pv.Right && (pv.Reason == "" || pv.Message == "") {
				t.Fatalf("%s is not right and nobody says why: %+v", pod, pv)
			}
		}
	})
}
