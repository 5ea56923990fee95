package mariadb

import (
	"fmt"
	"slices"
	"time"
)

// repair is the repair of a slave's fault.
type repair string

const (
	waitFor     repair = "wait"         // it recovers by itself, or another server has to be repaired first
	refuse      repair = "refuse"       // needs a manual decision: data would be lost
	start       repair = "start"        // START SLAVE
	attach      repair = "attach"       // CHANGE MASTER from the position it has
	attachFresh repair = "attach-fresh" // CHANGE MASTER from the first transaction
	attachPlain repair = "attach-plain" // as attach, without TLS
	reseed      repair = "reseed"       // a new copy of the master's data
)

// fault is a fault of a slave; the zero value means none. Reason is CamelCase, Message one line of text.
type fault struct {
	Reason, Message string
	Repair          repair
	// Keep is true if the slave has data that the master lacks: it is dumped to a file before it is deleted.
	Keep bool
	// Account is true if the master's replication account has to be recreated.
	Account bool
}

// Error numbers of Last_IO_Errno and Last_SQL_Errno that are handled differently.
const (
	errAccess      = 1045
	errAccessOther = 1698
	errPurged      = 1236 // purged, or a GTID that the master does not have
	errSameID      = 1593
	errTLS         = 2026
)

// passing are transient SQL thread errors that a restart resolves: lock waits, deadlocks, lost connections.
var passing = []int{1158, 1159, 1160, 1161, 1205, 1213, 2006, 2013}

// Numbers of consecutive observations of stopped replication after which the next stronger repair is used.
const (
	strikesToAttach = 3
	strikesToReseed = 6
)

// lostBeat is the age of the last heartbeat from which the connection is considered dead although the slave reports no lag.
const lostBeat = 20 * time.Second

// diagnose returns the fault of slave s of master m. The data is checked before the replication threads, because the threads
// run without errors even on foreign data.
func diagnose(f *Facts, m, s *Server) fault {
	if s.Job.Running || s.Seeding {
		return fault{Reason: "Seeding", Message: orElse(s.Job.Progress, "a copy of the master's data is being loaded"), Repair: waitFor}
	}
	if !m.Reached {
		return fault{Reason: "MasterUnreachable", Message: fmt.Sprintf("master %s: %s", m.Pod, m.Error), Repair: waitFor}
	}
	if m.Topology.Epoch == 0 || m.Topology.Master != m.Pod {
		return fault{Reason: "MasterNotReady", Message: fmt.Sprintf("master %s has not been set up yet", m.Pod), Repair: waitFor}
	}
	if !m.LogBin {
		return fault{
			Reason: "NoBinlog", Repair: refuse,
			Message: fmt.Sprintf("master %s writes no binary log: start it with --log-bin", m.Pod),
		}
	}
	for _, check := range []func(f *Facts, m, s *Server) fault{foreignData, wrongChannel, ioFault, sqlFault, silentFault} {
		if found := check(f, m, s); found.Reason != "" {
			return found
		}
	}
	return fault{}
}

// foreignData detects data that is not the master's: never attached, of another lineage, or with additional transactions.
func foreignData(_ *Facts, m, s *Server) fault {
	var found fault
	switch lineage := s.Identity.Lineage; {
	case lineage == seedBegun || lineage == seedLoaded:
		return fault{Reason: "NotSeeded", Message: "seeding was started but not completed", Repair: reseed}
	case lineage == "" && s.untouched():
		if m.Topology.Complete && m.FromStart {
			return fault{Reason: "NotAttached", Message: "is empty; replays the master's binary log from its start", Repair: attachFresh}
		}
		return fault{Reason: "NotSeeded", Message: "is empty, but " + m.Pod + " holds data", Repair: reseed}
	case lineage == "" && s.follows(m):
		if s.Topology.Lineage == m.Topology.Lineage {
			return fault{Reason: "NotAttached", Message: "already replicates; is adopted unchanged", Repair: attach}
		}
		return fault{}
	case lineage == "":
		found = fault{Reason: "NotSeeded", Message: "holds data that was not copied from " + m.Pod, Repair: reseed, Keep: s.HasTables}
	case lineage != m.Topology.Lineage:
		found = fault{
			Reason: "OtherData", Repair: reseed, Keep: s.HasTables,
			Message: fmt.Sprintf("its data has a different lineage than that of %s: one of the volumes was replaced", m.Pod),
		}
	case m.Beat.Err != "":
		return fault{} // the master's position is older than the slave's, or unknown
	default:
		extra := s.Position().Ahead(m.BinlogPos)
		if extra.Empty() {
			return fault{}
		}
		found = fault{
			Reason: "Diverged", Repair: reseed, Keep: true,
			Message: fmt.Sprintf("has transactions that %s lacks (%s; the master is at %s)", m.Pod, extra, orElse(m.BinlogPos.String(), "none")),
		}
	}
	return neverFromEmpty(m, s, found)
}

// neverFromEmpty prevents a slave with tables from being overwritten by a master without tables.
func neverFromEmpty(m, s *Server, found fault) fault {
	if !s.HasTables || m.HasTables {
		return found
	}
	return fault{
		Reason: "MasterEmpty", Repair: refuse,
		Message: fmt.Sprintf("master %s has no tables but this slave has: 'lyandev mariadb promote %s' keeps the slave's "+
			"data, 'lyandev mariadb reseed %s' deletes it", m.Pod, s.Pod, s.Pod),
	}
}

// wrongChannel detects replication that is not set up or uses another master.
func wrongChannel(_ *Facts, m, s *Server) fault {
	switch {
	case len(s.Channels) == 0 || s.Channels[0].Host == "":
		return fault{Reason: "NotAttached", Message: "replication is not set up", Repair: attach}
	case len(s.Channels) > 1:
		return fault{Reason: "WrongMaster", Message: fmt.Sprintf("replicates from %d masters", len(s.Channels)), Repair: attach}
	}
	c := s.Channels[0]
	if c.Host != m.Host || c.Port != m.Port {
		return fault{
			Reason: "WrongMaster", Repair: attach,
			Message: fmt.Sprintf("replicates from %s:%d, but the master is %s at %s:%d", c.Host, c.Port, m.Pod, m.Host, m.Port),
		}
	}
	if c.UsingGTID != "Slave_Pos" {
		return fault{Reason: "NotByGTID", Message: "replicates with Using_Gtid " + c.UsingGTID, Repair: attach}
	}
	return fault{}
}

// ioFault returns the fault that the I/O thread reports.
func ioFault(_ *Facts, m, s *Server) fault {
	c := s.Channels[0]
	said := fmt.Sprintf("I/O thread %s: error %d: %s", c.IO, c.IOErrno, c.IOError)
	switch {
	case c.IOErrno == errPurged:
		return neverFromEmpty(m, s, fault{Reason: "CannotResume", Message: said, Repair: reseed})
	case c.IOErrno == errAccess || c.IOErrno == errAccessOther:
		return fault{Reason: "ReplicationAccessDenied", Message: said, Repair: attach, Account: true}
	case c.IOErrno == errTLS:
		return fault{Reason: "ReplicationTLS", Message: said, Repair: attachPlain}
	case c.IOErrno == errSameID:
		return fault{Reason: "SameServerID", Message: said, Repair: stronger(s, start)}
	case c.IO == "No" && c.IOErrno != 0:
		return fault{Reason: "ReplicationStopped", Message: said, Repair: stronger(s, start)}
	case c.IO == "No":
		return fault{Reason: "ReplicationStopped", Message: "the I/O thread was stopped", Repair: stronger(s, start)}
	case c.IO != "Yes":
		message := fmt.Sprintf("connecting to %s", m.Pod)
		if c.IOErrno != 0 {
			message = said
		}
		if c.SQLErrno != 0 && c.SQL == "No" {
			return fault{} // the SQL thread's error takes precedence
		}
		return fault{Reason: "Connecting", Message: message, Repair: waitFor}
	}
	return fault{}
}

// sqlFault returns the fault that the SQL thread reports.
func sqlFault(_ *Facts, m, s *Server) fault {
	c := s.Channels[0]
	switch {
	case c.SQL == "Yes":
		return fault{}
	case c.SQLErrno == 0:
		return fault{Reason: "ReplicationStopped", Message: "the SQL thread was stopped", Repair: stronger(s, start)}
	}
	said := fmt.Sprintf("SQL thread: error %d: %s", c.SQLErrno, c.SQLError)
	if slices.Contains(passing, c.SQLErrno) {
		return fault{Reason: "ReplicationStopped", Message: said, Repair: stronger(s, start)}
	}
	return neverFromEmpty(m, s, fault{Reason: "Diverged", Message: said, Repair: reseed})
}

// silentFault detects faults that the status columns do not show: rows that do not arrive or differ.
func silentFault(f *Facts, m, s *Server) fault {
	c := s.Channels[0]
	switch {
	case len(s.Mismatch) > 0:
		return fault{Reason: "Diverged", Message: fmt.Sprintf("the checksum of %v differs from the master's", s.Mismatch), Repair: reseed, Keep: true}
	case m.Beat.Err != "":
		return fault{} // the master's verdict reports it
	case !s.Beat.Seen && s.Identity.Lineage == "":
		return fault{Reason: "CatchingUp", Message: "the master's record has not arrived yet", Repair: waitFor}
	case !s.Beat.Seen:
		return fault{Reason: "NoHeartbeat", Message: "no heartbeat row has arrived yet", Repair: waitFor}
	case s.Beat.Arrived || s.Beat.Lag <= f.MaxLag:
		return fault{}
	case c.BehindKnown && c.Behind == 0 && s.Beat.Lag > lostBeat:
		return fault{
			Reason: "HeartbeatLost", Repair: attach,
			Message: fmt.Sprintf("reports no lag, but the last heartbeat is %s old", s.Beat.Lag.Round(time.Second)),
		}
	}
	return fault{Reason: "Lagging", Message: fmt.Sprintf("%s behind the master", s.Beat.Lag.Round(100*time.Millisecond)), Repair: waitFor}
}

// stronger returns the next stronger repair if a restart of replication did not last.
func stronger(s *Server, first repair) repair {
	switch {
	case s.Strikes >= strikesToReseed:
		return reseed
	case s.Strikes >= strikesToAttach:
		return attach
	}
	return first
}

// untouched reports whether a server is in its initial state: no tables, no transactions, no replication.
func (s *Server) untouched() bool {
	return !s.HasTables && s.Position().Empty() && len(s.Channels) == 0
}

// follows reports whether the server replicates from m's address with both threads running.
func (s *Server) follows(m *Server) bool {
	if len(s.Channels) != 1 {
		return false
	}
	c := s.Channels[0]
	return c.Host == m.Host && c.Port == m.Port && c.IO == "Yes" && c.SQL == "Yes"
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
