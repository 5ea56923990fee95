package redis

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func at(last string) Endpoint      { return Endpoint{"10.0.0." + last, 6379} }
func watchAt(last string) Endpoint { return Endpoint{"10.0.0." + last, 26379} }

// rightStack is a master m, replicas a and b, and sentinels in m's pod and in pods x and y, with nothing wrong.
func rightStack(edit func(f *Facts)) *Facts {
	f := &Facts{Settings: Settings{
		Group: "mymaster", Quorum: 2, QuorumDeclared: true, Declared: map[string]string{"down-after-milliseconds": "5000"},
	}}
	for _, pod := range []string{"m", "a", "b"} {
		s := &Server{
			Process:  Process{Pod: pod, Container: "redis", At: at(pod), Reached: true, Version: "8.0.2"},
			Declared: Replica, Role: Replica, Follows: at("m"), LinkUp: true, Keys: 5, Offset: 100, ReplID: "r1", MasterAuth: true, AOF: true,
		}
		if pod == "m" {
			s.Declared, s.Role, s.Follows, s.LinkUp = Master, Master, Endpoint{}, false
		}
		f.Servers = append(f.Servers, s)
	}
	for _, pod := range []string{"m", "x", "y"} {
		w := &Sentinel{
			Process: Process{Pod: pod, Container: "sentinel", At: watchAt(pod), Reached: true},
			Known:   true, Master: at("m"), Flags: []string{"master"}, Quorum: 2, CheckOK: true, Check: "OK 3 usable Sentinels.",
			Settings: map[string]string{"down-after-milliseconds": "5000"}, Periods: map[string]string{infoPeriod: "1000", pingPeriod: "300", askPeriod: "100"},
			Replicas: []Peer{{At: at("a")}, {At: at("b")}},
		}
		for _, other := range []string{"m", "x", "y"} {
			if other != pod {
				w.Peers = append(w.Peers, Peer{At: watchAt(other)})
			}
		}
		f.Sentinels = append(f.Sentinels, w)
	}
	if edit != nil {
		edit(f)
	}
	return f
}

func (f *Facts) server(pod string) *Server { return f.At(at(pod)) }

func (f *Facts) watcher(pod string) *Sentinel { return f.sentinelAt(watchAt(pod)) }

func (f *Facts) down(pod string) {
	if s := f.server(pod); s != nil {
		s.Reached, s.Reason, s.Error = false, "Refused", "connection refused"
	}
}

// named makes all sentinels name that server, as after a failover.
func (f *Facts) named(pod string) {
	for _, s := range f.Sentinels {
		s.Master = at(pod)
		s.Replicas = nil
		for _, o := range f.Servers {
			if o.At != at(pod) {
				s.Replicas = append(s.Replicas, Peer{At: o.At})
			}
		}
	}
}

// promoted makes that server the master and the others its replicas.
func (f *Facts) promoted(pod string) {
	f.named(pod)
	for _, s := range f.Servers {
		s.Role, s.Follows, s.LinkUp = Replica, at(pod), true
	}
	m := f.server(pod)
	m.Role, m.Follows, m.LinkUp = Master, Endpoint{}, false
}

func steps(f *Facts) string {
	var out []string
	for _, s := range Decide(f) {
		line, _, _ := strings.Cut(s.String(), ": ")
		out = append(out, line)
	}
	return strings.Join(out, "; ")
}

func TestSituations(t *testing.T) {
	for _, c := range []struct {
		name   string
		edit   func(f *Facts)
		master string
		steps  string
		// wrong are the pods that are not right, with the reason; system is whether the whole is.
		wrong  string
		system bool
	}{
		{"right", nil, "m", "", "", true},
		{"single server", func(f *Facts) { f.Servers, f.Sentinels = f.Servers[:1], nil }, "m", "", "", true},
		{"single server that nobody declared", func(f *Facts) {
			f.Servers, f.Sentinels = f.Servers[:1], nil
			f.Servers[0].Declared, f.Servers[0].Keys = "", 0
		}, "m", "", "", true},
		{"single server is down", func(f *Facts) { f.Servers, f.Sentinels = f.Servers[:1], nil; f.down("m") }, "m", "", "m:Refused", false},
		{"single server loads", func(f *Facts) { f.Servers, f.Sentinels = f.Servers[:1], nil; f.Servers[0].Loading = true }, "m", "", "m:Loading", false},
		{"single server, left behind by its master", func(f *Facts) {
			f.Servers, f.Sentinels = f.Servers[1:2], nil
			f.Servers[0].LinkUp, f.Servers[0].WrongFor = false, 5*time.Second
		}, "a", "lead a/redis", "a:NotMaster", false},
		{"the same, just seen", func(f *Facts) { f.Servers, f.Sentinels = f.Servers[1:2], nil; f.Servers[0].LinkUp = false }, "a", "", "a:NotMaster", false},

		{
			"first start: nobody is attached", func(f *Facts) {
				for _, s := range f.Servers {
					s.Role, s.Follows, s.Keys = Master, Endpoint{}, 0
				}
				for _, s := range f.Sentinels {
					*s = Sentinel{Process: s.Process, Periods: s.Periods}
				}
			}, "m", "follow a/redis -> 10.0.0.m:6379; follow b/redis -> 10.0.0.m:6379; " +
				"watch m/sentinel -> 10.0.0.m:6379 down-after-milliseconds=5000 quorum=2; watch x/sentinel -> 10.0.0.m:6379 down-after-milliseconds=5000 quorum=2; " +
				"watch y/sentinel -> 10.0.0.m:6379 down-after-milliseconds=5000 quorum=2",
			"a:NotAttached b:NotAttached m:WatchesNothing x:WatchesNothing y:WatchesNothing", false,
		},
		{
			"sentinels that do not know each other yet", func(f *Facts) {
				for _, s := range f.Sentinels {
					s.ID, s.CheckOK, s.Check = s.Pod+"-id", false, "NOQUORUM"
				}
				f.watcher("x").Peers = nil
				f.watcher("y").Master = Endpoint{}
				f.watcher("m").Peers = f.watcher("m").Peers[1:]
			}, "m", "rewatch y/sentinel -> 10.0.0.m:6379 down-after-milliseconds=5000 quorum=2; " +
				"introduce m/sentinel -> 10.0.0.x:26379; introduce x/sentinel -> 10.0.0.m:26379",
			"x:NoQuorum y:WrongMaster", false,
		},
		{"from minimal: the running server has the data", func(f *Facts) {
			f.server("m").Keys = 1000
			for _, pod := range []string{"a", "b"} {
				s := f.server(pod)
				s.Role, s.Follows, s.Keys, s.LinkUp = Master, Endpoint{}, 0, false
			}
			f.Sentinels = nil
		}, "m", "follow a/redis -> 10.0.0.m:6379; follow b/redis -> 10.0.0.m:6379", "a:NotAttached b:NotAttached", false},
		{"an undeclared server has the data", func(f *Facts) {
			for _, s := range f.Servers {
				s.Role, s.Follows, s.Keys = Master, Endpoint{}, 0
			}
			f.server("b").Keys, f.Sentinels = 7, nil
		}, "b", "follow m/redis -> 10.0.0.b:6379; follow a/redis -> 10.0.0.b:6379", "a:NotAttached m:NotAttached", false},
		{"two masters hold different data", func(f *Facts) {
			f.server("a").Role, f.server("a").ReplID, f.Sentinels = Master, "r2", nil
		}, "", "", "a:TwoMasters b:TwoMasters m:TwoMasters", false},
		{"an old master whose history another continues", func(f *Facts) {
			a := f.server("a")
			a.Role, a.ReplID, a.OldID, a.Offset, f.Sentinels = Master, "r2", "r1", 200, nil
			f.server("b").Follows = at("a")
		}, "a", "", "m:NotAttached", false},
		{"none is declared", func(f *Facts) {
			for _, s := range f.Servers {
				s.Declared, s.Role, s.Keys = "", Master, 0
			}
			f.Sentinels = nil
		}, "", "", "a:NoMaster b:NoMaster m:NoMaster", false},
		{"the master came back empty and alone", func(f *Facts) {
			f.Sentinels = nil
			f.server("m").Keys, f.server("a").Role = 0, Master
		}, "a", "follow m/redis -> 10.0.0.a:6379; follow b/redis -> 10.0.0.a:6379", "b:NotAttached m:NotAttached", false},
		{"the sentinels name a master that holds nothing", func(f *Facts) {
			f.server("m").Keys, f.server("a").Role, f.server("a").ReplID = 0, Master, "r2"
		}, "m", "", "a:MasterEmpty", false},

		{"master down, sentinels wait", func(f *Facts) { f.down("m") }, "m", "", "m:Refused", false},
		{"failover under way", func(f *Facts) {
			f.down("m")
			f.watcher("x").Flags = []string{"master", "s_down", "o_down", "failover_in_progress"}
			f.server("a").Role = Master
		}, "m", "", "a:NotAttached m:Refused", false},
		{"failover seen by two of three", func(f *Facts) {
			f.promoted("a")
			f.watcher("x").Master, f.watcher("x").Flags = at("m"), []string{"failover_in_progress"}
			f.down("m")
		}, "a", "", "m:Refused", false},
		{"failed over", func(f *Facts) { f.promoted("b") }, "b", "", "", true},
		{"the old master is still away", func(f *Facts) { f.promoted("b"); f.down("m") }, "b", "", "m:Refused", false},
		{"the old master returns as a master", func(f *Facts) {
			f.promoted("b")
			f.server("m").Role, f.server("m").Follows = Master, Endpoint{}
		}, "b", "follow m/redis -> 10.0.0.b:6379", "m:NotAttached", false},
		{"it returns and a sentinel is not reached: a failover may be under way", func(f *Facts) {
			f.promoted("b")
			f.server("m").Role = Master
			f.watcher("x").Reached, f.watcher("x").Reason = false, "NoAnswer"
		}, "b", "", "m:NotAttached x:NoAnswer", false},
		{"the same for some seconds", func(f *Facts) {
			f.promoted("b")
			f.server("m").Role, f.server("m").WrongFor = Master, patience
			f.watcher("x").Reached, f.watcher("x").Reason = false, "NoAnswer"
		}, "b", "follow m/redis -> 10.0.0.b:6379", "m:NotAttached x:NoAnswer", false},
		{"sentinels disagree", func(f *Facts) { f.watcher("x").Master = at("a") }, "m", "", "x:WrongMaster", false},
		{"sentinels disagree, no quorum", func(f *Facts) {
			f.watcher("x").Master, f.watcher("y").Master, f.Settings.Quorum = at("a"), at("b"), 2
		}, "", "", "a:SentinelsDisagree b:SentinelsDisagree m:SentinelsDisagree", false},
		{"everybody follows somebody", func(f *Facts) {
			f.server("m").Role, f.server("m").Follows = Replica, at("a")
		}, "m", "", "m:NotMaster", false},
		{"the same for some seconds: the one that the sentinels name leads", func(f *Facts) {
			f.server("m").Role, f.server("m").Follows, f.server("m").WrongFor = Replica, at("a"), patience
		}, "m", "lead m/redis", "m:NotMaster", false},

		{"a replica of a replica", func(f *Facts) { f.server("b").Follows = at("a") }, "m", "follow b/redis -> 10.0.0.m:6379", "b:NotAttached", false},
		{"a replica by name", func(f *Facts) { f.server("b").Follows = Endpoint{"redis-master", 6379} }, "m", "follow b/redis -> 10.0.0.m:6379", "b:NotAttached", false},
		{"a replica without password", func(f *Facts) { f.server("b").MasterAuth = false }, "m", "follow b/redis -> 10.0.0.m:6379", "b:NotAttached", false},
		{"a replica syncs", func(f *Facts) { f.server("b").LinkUp, f.server("b").Syncing = false, true }, "m", "", "b:Syncing", false},
		{"a replica lost its link", func(f *Facts) { f.server("b").LinkUp = false }, "m", "", "b:LinkDown", false},
		{"a replica announces another address", func(f *Facts) { f.server("b").Announce = "10.0.0.9" }, "m", "announce b/redis", "", true},
		{"the disk is full", func(f *Facts) { f.server("m").Failing = "cannot be written" }, "m", "", "m:CannotPersist", false},

		{
			"a sentinel lost its state", func(f *Facts) { *f.watcher("x") = Sentinel{Process: f.watcher("x").Process} }, "m",
			"watch x/sentinel -> 10.0.0.m:6379 down-after-milliseconds=5000 quorum=2", "x:WatchesNothing", false,
		},
		{
			"a sentinel watches an address of an earlier life", func(f *Facts) { f.watcher("x").Master = at("77") }, "m",
			"rewatch x/sentinel -> 10.0.0.m:6379 down-after-milliseconds=5000 quorum=2", "x:WrongMaster", false,
		},
		{"a sentinel is behind", func(f *Facts) { f.promoted("b"); f.watcher("x").Master = at("m") }, "b", "", "x:WrongMaster", false},
		{
			"all sentinels watch an address of an earlier life", func(f *Facts) { f.named("77") }, "m",
			"rewatch m/sentinel -> 10.0.0.m:6379 down-after-milliseconds=5000 quorum=2; rewatch x/sentinel -> 10.0.0.m:6379 down-after-milliseconds=5000 quorum=2; " +
				"rewatch y/sentinel -> 10.0.0.m:6379 down-after-milliseconds=5000 quorum=2", "m:WrongMaster x:WrongMaster y:WrongMaster", false,
		},
		{
			"other settings", func(f *Facts) { f.watcher("x").Quorum, f.watcher("x").Settings["down-after-milliseconds"] = 3, "60000" }, "m",
			"set x/sentinel down-after-milliseconds=5000 quorum=2", "", true,
		},
		{"other settings that nobody declared", func(f *Facts) {
			f.Settings.QuorumDeclared, f.Settings.Declared = false, nil
			f.watcher("x").Quorum, f.watcher("x").Settings["down-after-milliseconds"] = 3, "60000"
		}, "m", "", "", true},
		{"a sentinel announces another address", func(f *Facts) { f.watcher("x").Announce = "10.0.0.9" }, "m", "announce x/sentinel", "", true},
		{"a new sentinel", func(f *Facts) { f.watcher("x").Periods = defaultPeriods() }, "m", "hurry x/sentinel ask-period=100 info-period=1000 ping-period=300", "", true},
		{"a sentinel older than 7.0", func(f *Facts) { f.watcher("x").Periods = nil }, "m", "", "", true},
		{"no quorum", func(f *Facts) {
			for _, pod := range []string{"m", "x"} {
				f.watcher(pod).CheckOK, f.watcher(pod).Check = false, "NOQUORUM 1 usable"
			}
			f.watcher("y").Reached, f.watcher("y").Reason = false, "Refused"
		}, "m", "", "x:NoQuorum y:Refused", false},
		{"tilt", func(f *Facts) { f.watcher("x").Tilt = true }, "m", "", "", false},
		{"a sentinel cannot keep its state", func(f *Facts) { f.watcher("x").Unsaved = "Device or resource busy" }, "m", "", "", false},
		{"a sentinel does not see a replica yet", func(f *Facts) { f.watcher("x").Replicas = f.watcher("x").Replicas[:1] }, "m", "", "", false},
		{"a ghost replica", func(f *Facts) {
			for _, s := range f.Sentinels {
				s.Replicas = append(s.Replicas, Peer{At: at("88"), Flags: []string{"slave", "s_down"}})
			}
		}, "m", "reset m/sentinel", "", false},
		{"a ghost sentinel", func(f *Facts) {
			f.watcher("y").Peers = append(f.watcher("y").Peers, Peer{At: watchAt("88"), Flags: []string{"sentinel", "s_down"}})
		}, "m", "reset y/sentinel", "", false},
		{"a ghost while another sentinel looks around anew", func(f *Facts) {
			f.watcher("y").Peers = append(f.watcher("y").Peers, Peer{At: watchAt("88"), Flags: []string{"s_down"}})
			f.watcher("m").Peers = nil
		}, "m", "", "", false},
		{"a stranger that is up is no ghost", func(f *Facts) {
			f.watcher("y").Replicas = append(f.watcher("y").Replicas, Peer{At: at("88")})
		}, "m", "", "", true},
		{"nothing runs yet", func(f *Facts) {
			for _, pod := range []string{"m", "a", "b"} {
				f.down(pod)
			}
			for _, s := range f.Sentinels {
				*s = Sentinel{Process: Process{Pod: s.Pod, At: s.At, Reason: "NotStarted", Error: "the pod is Pending"}}
			}
		}, "m", "", "a:Refused b:Refused m:Refused x:NotStarted y:NotStarted", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := rightStack(c.edit)
			e := elect(f)
			got := ""
			if e.Master != nil {
				got = e.Master.Pod
			}
			if got != c.master || got == "" && e.Problem == "" {
				t.Errorf("elected %q (%s %s), want %q", got, e.Reason, e.Problem, c.master)
			}
			if diff := cmp.Diff(c.steps, steps(f)); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
			v := Judge(f)
			var wrong []string
			for _, pod := range []string{"a", "b", "m", "x", "y"} {
				if pv, ok := v.Pods[pod]; ok && !pv.Right {
					wrong = append(wrong, pod+":"+pv.Reason)
				}
			}
			if diff := cmp.Diff(c.wrong, strings.Join(wrong, " ")); diff != "" {
				t.Errorf("wrong pods (-want +got):\n%s", diff)
			}
			if v.Right != c.system || v.Message == "" {
				t.Errorf("system right %t: %q", v.Right, v.Message)
			}
		})
	}
}

func TestMasterFact(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(f *Facts)
		want string
	}{
		{"right", nil, "10.0.0.m:6379"},
		{"failed over", func(f *Facts) { f.promoted("a") }, "10.0.0.a:6379"},
		{"named, but does not answer", func(f *Facts) { f.down("m") }, ""},
		{"named, but not a master yet", func(f *Facts) { f.named("a") }, ""},
		{"nobody", func(f *Facts) { f.server("a").Role, f.server("a").ReplID, f.Sentinels = Master, "r2", nil }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Judge(rightStack(c.edit)).Facts[MasterFact]; got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestCanFailOver(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(f *Facts)
		err  string
	}{
		{"right", nil, ""},
		{"one replica is enough", func(f *Facts) { f.down("a") }, ""},
		{"no sentinels", func(f *Facts) { f.Sentinels = nil }, "do not agree"},
		{"master down", func(f *Facts) { f.down("m") }, "does not answer"},
		{"no replica", func(f *Facts) { f.Servers = f.Servers[:1] }, "no replica is in sync"},
		{"replicas not in sync", func(f *Facts) { f.server("a").LinkUp, f.server("b").Syncing = false, true }, "no replica is in sync"},
		{"failover under way", func(f *Facts) { f.watcher("x").Flags = []string{"failover_in_progress"} }, "do not agree"},
		{"no quorum", func(f *Facts) {
			for _, s := range f.Sentinels {
				s.CheckOK = false
			}
		}, "no sentinel has a quorum"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := canFailOver(rightStack(c.edit))
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want %q", err, c.err)
			}
		})
	}
}
