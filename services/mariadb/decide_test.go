package mariadb

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const lineage = "aaaa"

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func position(s string) Position {
	p, err := ParsePosition(s)
	if err != nil {
		panic(err)
	}
	return p
}

// rightPair is a master and a slave with nothing wrong; edit changes that.
func rightPair(edit func(f *Facts, m, s *Server)) *Facts {
	make := func(pod string, role Role, id uint32) *Server {
		return &Server{
			Pod: pod, Declared: role, Host: "10.0.0." + string(pod[0]), Port: 3306, Reached: true, Version: "11.8.6", ServerID: id,
			LogBin: true, SlaveUpdates: true, Strict: true, HasTables: true, BinlogPos: position("0-7001-10"),
			Identity: Identity{Pod: pod, ServerID: id, Lineage: lineage, Prepared: "p"}, Wanted: "p", NewID: id + 5000,
			Topology: Topology{Master: "m", Epoch: 1, Lineage: lineage, Complete: true},
			Beat:     Beat{Seen: true, Arrived: true},
		}
	}
	m, s := make("m", Master, 7001), make("s", Slave, 7002)
	s.ReadOnly, s.SlavePos = true, position("0-7001-10")
	s.Channels = []Channel{{Host: m.Host, Port: 3306, IO: "Yes", SQL: "Yes", UsingGTID: "Slave_Pos", BehindKnown: true}}
	f := &Facts{Servers: []*Server{m, s}, MaxLag: 10 * time.Second, Now: now}
	if edit != nil {
		edit(f, m, s)
	}
	return f
}

// steps is what is decided, a line each, without the reasons.
func steps(f *Facts) string {
	var out []string
	for _, s := range Decide(f) {
		line := s.String()
		out = append(out, line[:strings.Index(line, ": ")])
	}
	return strings.Join(out, "; ")
}

func channel(edit func(c *Channel)) func(f *Facts, m, s *Server) {
	return func(_ *Facts, _, s *Server) { edit(&s.Channels[0]) }
}

// fresh makes a server as its image leaves it.
func fresh(s *Server) {
	s.ReadOnly, s.HasTables, s.BinlogPos, s.SlavePos, s.Channels = true, false, nil, nil, nil
	s.Identity, s.Topology, s.Beat = Identity{}, Topology{}, Beat{}
	s.FromStart = true
}

// TestFaults: every fault of replication, how it is named, and what is done.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		name   string
		edit   func(f *Facts, m, s *Server)
		reason string // of the slave, "" for right
		steps  string
	}{
		{"nothing", nil, "", ""},
		{"wrong password", channel(func(c *Channel) { c.IO, c.IOErrno = "Connecting", 1045 }), "ReplicationAccessDenied", `prepare m; attach s to m from "0-7001-10"`},
		{"host unknown", channel(func(c *Channel) { c.IO, c.IOErrno = "Connecting", 2005 }), "Connecting", ""},
		{"master down, says the slave", channel(func(c *Channel) { c.IO, c.IOErrno = "Connecting", 2003 }), "Connecting", ""},
		{"connecting for the first time", channel(func(c *Channel) { c.IO = "Preparing" }), "Connecting", ""},
		{"master without TLS", channel(func(c *Channel) { c.IO, c.IOErrno = "Connecting", 2026 }), "ReplicationTLS", `attach s to m from "0-7001-10" without TLS`},
		{"equal server id", func(_ *Facts, _, s *Server) {
			s.ServerID, s.Identity.ServerID = 7001, 7001
			s.Channels[0].IO, s.Channels[0].IOErrno = "No", 1593
		}, "SameServerID", "identify s as 12002; identify s as 12002"},
		{"binlog purged", channel(func(c *Channel) { c.IO, c.IOErrno = "No", 1236 }), "CannotResume", "reseed s from m"},
		{"slave ahead", func(_ *Facts, _, s *Server) { s.BinlogPos = position("0-7002-11") }, "Diverged", "reseed s from m keeping a dump"},
		{"same number from another server", func(_ *Facts, _, s *Server) { s.BinlogPos, s.SlavePos = position("0-7002-10"), nil }, "Diverged", "reseed s from m keeping a dump"},
		{"a domain of its own", func(_ *Facts, _, s *Server) { s.BinlogPos = position("0-7001-10,5-7002-1") }, "Diverged", "reseed s from m keeping a dump"},
		{"root wrote on the slave", channel(func(c *Channel) { c.SQL, c.SQLErrno = "No", 1950 }), "Diverged", "reseed s from m"},
		{"duplicate key", channel(func(c *Channel) { c.SQL, c.SQLErrno = "No", 1062 }), "Diverged", "reseed s from m"},
		{"missing row", channel(func(c *Channel) { c.SQL, c.SQLErrno = "No", 1032 }), "Diverged", "reseed s from m"},
		{"missing table", channel(func(c *Channel) { c.SQL, c.SQLErrno = "No", 1146 }), "Diverged", "reseed s from m"},
		{"broken and connecting", channel(func(c *Channel) { c.IO, c.IOErrno, c.SQL, c.SQLErrno = "Connecting", 2003, "No", 1062 }), "Diverged", "reseed s from m"},
		{"deadlock", channel(func(c *Channel) { c.SQL, c.SQLErrno = "No", 1213 }), "ReplicationStopped", "start s"},
		{"stopped by hand", channel(func(c *Channel) { c.IO, c.SQL = "No", "No" }), "ReplicationStopped", "start s"},
		{"sql thread stopped", channel(func(c *Channel) { c.SQL = "No" }), "ReplicationStopped", "start s"},
		{"stops again and again", func(_ *Facts, _, s *Server) { s.Channels[0].IO, s.Strikes = "No", strikesToAttach }, "ReplicationStopped", `attach s to m from "0-7001-10"`},
		{"stops for ever", func(_ *Facts, _, s *Server) { s.Channels[0].IO, s.Strikes = "No", strikesToReseed }, "ReplicationStopped", "reseed s from m"},
		{"not by GTID", channel(func(c *Channel) { c.UsingGTID = "No" }), "NotByGTID", `attach s to m from "0-7001-10"`},
		{"master at another address", channel(func(c *Channel) { c.Host = "10.0.0.9" }), "WrongMaster", `attach s to m from "0-7001-10"`},
		{"master by name", channel(func(c *Channel) { c.Host = "lyanna-mariadb" }), "WrongMaster", `attach s to m from "0-7001-10"`},
		{"two masters", func(_ *Facts, _, s *Server) { s.Channels = append(s.Channels, Channel{Name: "x"}) }, "WrongMaster", `attach s to m from "0-7001-10"`},
		{"reset", func(_ *Facts, _, s *Server) { s.Channels = nil }, "NotAttached", `attach s to m from "0-7001-10"`},
		{"slave writable", func(_ *Facts, _, s *Server) { s.ReadOnly = false }, "Writable", "close s"},
		{"master without binlog", func(_ *Facts, m, _ *Server) { m.LogBin = false }, "NoBinlog", ""},
		// The silent ones: the status columns are green.
		{"silent: heartbeat stops", func(_ *Facts, _, s *Server) { s.Beat = Beat{Seen: true, Lag: 25 * time.Second} }, "HeartbeatLost", `attach s to m from "0-7001-10"`},
		{"silent: heartbeat late", func(_ *Facts, _, s *Server) { s.Beat = Beat{Seen: true, Lag: 12 * time.Second} }, "Lagging", ""},
		{"slow, and it says so", func(_ *Facts, _, s *Server) {
			s.Beat, s.Channels[0].Behind = Beat{Seen: true, Lag: 60 * time.Second}, time.Minute
		}, "Lagging", ""},
		{"a little late", func(_ *Facts, _, s *Server) { s.Beat = Beat{Seen: true, Lag: 2 * time.Second} }, "", ""},
		{"no heartbeat yet", func(_ *Facts, _, s *Server) { s.Beat = Beat{} }, "NoHeartbeat", ""},
		{"silent: master's volume replaced", func(_ *Facts, m, _ *Server) {
			m.Topology.Lineage, m.Identity.Lineage = "bbbb", "bbbb"
		}, "OtherData", "reseed s from m keeping a dump"},
		{"silent: replaced by an empty one that was set up already", func(_ *Facts, m, _ *Server) {
			m.Topology.Lineage, m.Identity.Lineage, m.HasTables = "bbbb", "bbbb", false
		}, "MasterEmpty", ""},
		{"silent: an emptied master", func(_ *Facts, m, _ *Server) { fresh(m); m.Identity = Identity{Pod: "m", ServerID: 7001, Prepared: "p"} }, "MasterNotReady", ""},
		{"silent: rows differ", func(_ *Facts, _, s *Server) { s.Mismatch = []string{"`test`.`t`"} }, "Diverged", "reseed s from m keeping a dump"},
		// Seeding.
		{"seeding", func(_ *Facts, _, s *Server) { s.Job = Job{Running: true, Progress: "120 MB"}; s.Channels = nil }, "Seeding", ""},
		{"seeded by somebody else", func(_ *Facts, _, s *Server) { s.Seeding, s.Channels = true, nil }, "Seeding", ""},
		{"seeding was cut short", func(_ *Facts, _, s *Server) { s.Identity.Lineage, s.Channels = seedBegun, nil }, "NotSeeded", "reseed s from m"},
		{"seeding failed a moment ago", func(_ *Facts, _, s *Server) {
			s.Identity.Lineage, s.Job = seedBegun, Job{Err: "no space left", Tries: 2, Wait: now.Add(time.Second)}
		}, "NotSeeded", ""},
		// Joining.
		{"a new slave of a new master", func(_ *Facts, m, s *Server) {
			fresh(s)
			m.FromStart = true
			s.Identity = Identity{Pod: "s", ServerID: 7002, Prepared: "p"}
		}, "NotAttached", `attach s to m from ""`},
		{"a new slave of a master with history", func(_ *Facts, m, s *Server) {
			fresh(s)
			m.FromStart = false
			s.Identity = Identity{Pod: "s", ServerID: 7002, Prepared: "p"}
		}, "NotSeeded", "reseed s from m"},
		{"a new slave of a master with data from before its binlog", func(_ *Facts, m, s *Server) {
			fresh(s)
			m.FromStart, m.Topology.Complete = true, false
			s.Identity = Identity{Pod: "s", ServerID: 7002, Prepared: "p"}
		}, "NotSeeded", "reseed s from m"},
		{"a slave with data of its own", func(_ *Facts, _, s *Server) { s.Identity.Lineage, s.Channels = "", nil }, "NotSeeded", "reseed s from m keeping a dump"},
		{"the image attached it", func(_ *Facts, _, s *Server) { s.Identity.Lineage = "" }, "NotAttached", `attach s to m from "0-7001-10"`},
		{"the image attached it just now", func(_ *Facts, _, s *Server) {
			s.Identity.Lineage, s.Topology, s.Beat = "", Topology{}, Beat{}
		}, "CatchingUp", ""},
		{"a copied volume", func(_ *Facts, _, s *Server) { s.Identity.Pod, s.Identity.ServerID, s.ServerID = "m", 7001, 7001 }, "", "identify s as 12002"},
		// The master.
		{"master down", func(_ *Facts, m, _ *Server) { m.Reached, m.Trouble, m.Error = false, Refused, "connection refused" }, "MasterUnreachable", ""},
		{"master restarted", func(_ *Facts, m, _ *Server) { m.ReadOnly, m.Beat = true, Beat{} }, "", "open m"},
		{"slave down", func(_ *Facts, _, s *Server) { s.Reached, s.Trouble = false, NoAnswer }, "NoAnswer", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := rightPair(c.edit)
			if diff := cmp.Diff(c.steps, steps(f)); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
			v := Judge(f)
			if got := v.Pods["s"].Reason; got != c.reason {
				t.Errorf("reason %q (%s), want %q", got, v.Pods["s"].Message, c.reason)
			}
			if v.Pods["s"].Right != (c.reason == "") || v.Right && c.reason != "" {
				t.Errorf("right: pod %t, system %t", v.Pods["s"].Right, v.Right)
			}
			if v.Message == "" || v.Pods["s"].Role != "slave" {
				t.Errorf("message %q, role %q", v.Message, v.Pods["s"].Role)
			}
		})
	}
}

// TestMasters: who is master, and what the master is told.
func TestMasters(t *testing.T) {
	promoted := Topology{Master: "s", Epoch: 2, Lineage: lineage}
	for _, c := range []struct {
		name   string
		edit   func(f *Facts, m, s *Server)
		master string
		reason string // of pod m
		steps  string
	}{
		{"declared", nil, "m", "", ""},
		{
			"first start", func(_ *Facts, m, s *Server) { fresh(m); fresh(s) }, "m", "NotSetUp",
			"identify m as 7001; prepare m; identify s as 7002; prepare s; init m epoch 1; open m",
		},
		{
			"first start of official images: both have id 1", func(_ *Facts, m, s *Server) { fresh(m); fresh(s); m.ServerID, s.ServerID = 1, 1 }, "m", "NotSetUp",
			"identify m as 12001; prepare m; identify s as 12002; prepare s; init m epoch 1; open m",
		},
		{"promoted", func(_ *Facts, m, s *Server) {
			s.Topology, s.Channels, s.ReadOnly = promoted, nil, false
			m.ReadOnly, m.SlavePos = true, m.BinlogPos
			m.Channels = []Channel{{Host: s.Host, Port: 3306, IO: "Yes", SQL: "Yes", UsingGTID: "Slave_Pos"}}
			m.Topology = promoted
		}, "s", "", ""},
		{"promoted, and the old master comes back writable", func(_ *Facts, m, s *Server) {
			s.Topology, s.Channels, s.ReadOnly, s.BinlogPos = promoted, nil, false, position("0-7002-20")
		}, "s", "NotAttached", `close m; attach m to s from "0-7001-10"`},
		{"promoted, and the old master wrote more", func(_ *Facts, m, s *Server) {
			s.Topology, s.Channels, s.ReadOnly, s.BinlogPos = promoted, nil, false, position("0-7002-20")
			m.BinlogPos, m.ReadOnly = position("0-7001-25"), true
		}, "s", "Diverged", "reseed m from s keeping a dump"},
		{"promotion cut short before it was opened", func(_ *Facts, m, s *Server) {
			s.Topology, s.Channels = promoted, nil
			m.ReadOnly = true
		}, "s", "NotAttached", `open s; attach m to s from "0-7001-10"`},
		{"the promoted is away, and was seen before", func(f *Facts, m, s *Server) {
			s.Reached, s.Trouble, m.ReadOnly, f.Remembered = false, Refused, true, promoted
		}, "s", "MasterUnreachable", ""},
		{"the promoted was emptied since", func(f *Facts, m, s *Server) {
			fresh(s)
			f.Remembered, m.FromStart = promoted, true
			s.Identity = Identity{Pod: "s", ServerID: 7002, Prepared: "p"}
		}, "m", "", `attach s to m from ""`},
		{"the promoted is not part of the stack", func(f *Facts, m, s *Server) {
			f.Servers, m.Topology = []*Server{m}, promoted
		}, "", "MasterGone", "close m"},
		{"two declared", func(_ *Facts, m, s *Server) {
			s.Declared, m.Topology, s.Topology = Master, Topology{}, Topology{}
			m.ReadOnly = true
		}, "", "TwoMasters", ""},
		{"none declared, one server", func(f *Facts, m, _ *Server) { f.Servers, m.Declared, m.Topology = []*Server{m}, "", Topology{} }, "m", "NotSetUp", "init m epoch 1"},
		{"only a slave", func(f *Facts, m, _ *Server) {
			f.Servers, m.Declared, m.Topology, m.ReadOnly = []*Server{m}, Slave, Topology{}, true
		}, "", "NoMaster", ""},
		{
			"emptied, and a slave holds its data", func(_ *Facts, m, s *Server) {
				fresh(m)
				m.Identity = s.Identity
				m.Identity.Pod, m.Identity.ServerID = "m", 7001
			},
			"m", "MasterEmpty", "",
		},
		{
			"emptied, and so is the slave", func(_ *Facts, m, s *Server) { fresh(m); s.HasTables = false }, "m", "NotSetUp",
			"identify m as 7001; prepare m; init m epoch 2; open m",
		},
		{"replaced by other data", func(_ *Facts, m, s *Server) { m.Topology, m.Identity.Lineage = Topology{}, "" }, "m", "NotSetUp", "init m epoch 2"},
		{"restarted while another may know better", func(f *Facts, m, s *Server) {
			m.ReadOnly, s.Reached, s.Trouble, f.Since = true, false, Refused, now.Add(-time.Second)
		}, "m", "ReadOnly", ""},
		{"restarted while another is down for good", func(f *Facts, m, s *Server) {
			m.ReadOnly, s.Reached, s.Trouble, f.Since = true, false, Refused, now.Add(-time.Minute)
		}, "m", "ReadOnly", "open m"},
		{"disk full", func(_ *Facts, m, _ *Server) { m.Beat = Beat{Err: "Error 1114: The table is full"} }, "m", "CannotWrite", ""},
		{"still replicates", func(_ *Facts, m, _ *Server) { m.Channels = []Channel{{Host: "10.0.0.9"}} }, "m", "StillSlave", "detach m"},
		{"accounts changed", func(_ *Facts, m, _ *Server) { m.Wanted = "q" }, "m", "", "prepare m"},
		{"not strict", func(_ *Facts, m, _ *Server) { m.Strict = false }, "m", "", "tune m"},
		{"server id changed by a restart", func(_ *Facts, m, _ *Server) { m.ServerID = 123 }, "m", "", "identify m as 7001"},
		{"a role change is under way", func(f *Facts, m, _ *Server) { f.Busy, m.ReadOnly = "promoting s", true }, "m", "RoleChange", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := rightPair(c.edit)
			if got := elect(f); got.Master != c.master || got.Master == "" && got.Problem == "" {
				t.Errorf("elected %+v, want %q", got, c.master)
			}
			if diff := cmp.Diff(c.steps, steps(f)); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
			v := Judge(f)
			if got := v.Pods["m"]; got.Reason != c.reason || got.Right != (c.reason == "") {
				t.Errorf("m: %+v, want reason %q", got, c.reason)
			}
		})
	}
}

func TestChoose(t *testing.T) {
	down := func(_ *Facts, m, _ *Server) { m.Reached, m.Error = false, "connection refused" }
	for _, c := range []struct {
		name   string
		edit   func(f *Facts, m, s *Server)
		target string
		force  bool
		err    string // "" for possible
		lost   bool
	}{
		{"the slave", nil, "s", false, "", false},
		{"the only slave", nil, "", false, "", false},
		{"the master already", nil, "m", false, "", false},
		{"nobody", nil, "x", false, "there is no slave", false},
		{"no slave at all", func(f *Facts, m, _ *Server) { f.Servers = []*Server{m} }, "", true, "there is no slave", false},
		{"two to choose from", func(f *Facts, _, s *Server) { other := *s; other.Pod = "z"; f.Servers = append(f.Servers, &other) }, "", false, "name it", false},
		{"master down", down, "s", false, "--force", false},
		{"master down, by force", down, "s", true, "", true},
		{"slave down", func(_ *Facts, _, s *Server) { s.Reached, s.Error = false, "no answer" }, "s", true, "no answer", false},
		{"slave being seeded", func(_ *Facts, _, s *Server) { s.Seeding = true }, "s", true, "being seeded", false},
		{"slave half seeded", func(_ *Facts, _, s *Server) { s.Identity.Lineage = seedBegun }, "s", true, "being seeded", false},
		{"slave never attached", func(_ *Facts, _, s *Server) { s.Identity.Lineage = "" }, "s", true, "never been attached", false},
		{"slave writes no binlog", func(_ *Facts, _, s *Server) { s.LogBin = false }, "s", true, "no binary log", false},
		{"slave diverged", channel(func(c *Channel) { c.SQL, c.SQLErrno = "No", 1062 }), "s", false, "Diverged", false},
		{"slave lags", func(_ *Facts, _, s *Server) { s.Beat = Beat{Seen: true, Lag: time.Hour} }, "s", false, "", false},
		{"master emptied", func(_ *Facts, m, _ *Server) { fresh(m) }, "s", false, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := choose(rightPair(c.edit), c.target, c.force)
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Fatalf("error %v, want %q", err, c.err)
			}
			if err == nil && (got.lost != "") != c.lost {
				t.Errorf("lost %q", got.lost)
			}
			if err == nil && got.slave != got.master && (got.topology.Epoch < 2 || got.topology.Lineage != lineage) {
				t.Errorf("topology %+v", got.topology)
			}
		})
	}
}
