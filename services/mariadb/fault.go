package mariadb

import (
	"fmt"
	"slices"
	"time"
)

// repair is what mends a slave's fault.
type repair string

const (
	waitFor     repair = "wait"         // it mends itself, or another server's fault is in the way
	refuse      repair = "refuse"       // only a person may decide: data would be lost
	start       repair = "start"        // START SLAVE
	attach      repair = "attach"       // CHANGE MASTER from the position it has
	attachFresh repair = "attach-fresh" // CHANGE MASTER from the first transaction
	attachPlain repair = "attach-plain" // as attach, without TLS
	reseed      repair = "reseed"       // a new copy of the master's data
)

// fault is what is wrong with a slave; the zero fault is none. Reason is CamelCase, Message one line for people.
type fault struct {
	Reason, Message string
	Repair          repair
	// Keep says that the slave holds something the master lacks: it is dumped to a file before it goes.
	Keep bool
	// Account says that the master's replication account has to be made again.
	Account bool
}

// Error numbers of Last_IO_Errno and Last_SQL_Errno that are told apart.
const (
	errAccess      = 1045
	errAccessOther = 1698
	errPurged      = 1236 // purged, or a GTID that the master does not have
	errSameID      = 1593
	errTLS         = 2026
)

// passing are SQL thread errors that a new start gets over: lock waits, deadlocks, lost connections.
var passing = []int{1158, 1159, 1160, 1161, 1205, 1213, 2006, 2013}

// After so many looks in a row that saw replication stopped again, the next stronger repair is taken.
const (
	strikesToAttach = 3
	strikesToReseed = 6
)

// lostBeat is the age from which a heartbeat that does not come, though the slave claims to have everything, means that the
// connection is dead.
const lostBeat = 20 * time.Second

// diagnose tells what is wrong with slave s of master m. The order matters: what the data is comes before how
// replication does, because threads stay green over foreign data.
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

// foreignData finds data that is not the master's: never attached, attached to other data, or transactions of its own.
func foreignData(_ *Facts, m, s *Server) fault {
	var found fault
	switch lineage := s.Identity.Lineage; {
	case lineage == seedBegun || lineage == seedLoaded:
		return fault{Reason: "NotSeeded", Message: "a copy of the master's data was begun and not finished", Repair: reseed}
	case lineage == "" && s.untouched():
		if m.Topology.Complete && m.FromStart {
			return fault{Reason: "NotAttached", Message: "empty; replays the master's binary log from its start", Repair: attachFresh}
		}
		return fault{Reason: "NotSeeded", Message: "empty, and " + m.Pod + " holds data", Repair: reseed}
	case lineage == "" && s.follows(m):
		if s.Topology.Lineage == m.Topology.Lineage {
			return fault{Reason: "NotAttached", Message: "replicates already; taken over as it is", Repair: attach}
		}
		return fault{}
	case lineage == "":
		found = fault{Reason: "NotSeeded", Message: "holds data that was not copied from " + m.Pod, Repair: reseed, Keep: s.HasTables}
	case lineage != m.Topology.Lineage:
		found = fault{
			Reason: "OtherData", Repair: reseed, Keep: s.HasTables,
			Message: fmt.Sprintf("its data is of another lineage than that of %s: one of the volumes was replaced", m.Pod),
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

// neverFromEmpty keeps a slave that holds tables from being overwritten by a master that holds none.
func neverFromEmpty(m, s *Server, found fault) fault {
	if !s.HasTables || m.HasTables {
		return found
	}
	return fault{
		Reason: "MasterEmpty", Repair: refuse,
		Message: fmt.Sprintf("master %s holds no table and this slave does: 'lyandev mariadb promote %s' goes on with the slave's "+
			"data, 'lyandev mariadb reseed %s' throws it away", m.Pod, s.Pod, s.Pod),
	}
}

// wrongChannel finds replication that is not set up, or from somewhere else.
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
			Message: fmt.Sprintf("replicates from %s:%d, the master is %s at %s:%d", c.Host, c.Port, m.Pod, m.Host, m.Port),
		}
	}
	if c.UsingGTID != "Slave_Pos" {
		return fault{Reason: "NotByGTID", Message: "replicates with Using_Gtid " + c.UsingGTID, Repair: attach}
	}
	return fault{}
}

// ioFault names what the I/O thread says.
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
			return fault{} // the SQL thread's error is the worse one
		}
		return fault{Reason: "Connecting", Message: message, Repair: waitFor}
	}
	return fault{}
}

// sqlFault names what the SQL thread says.
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

// silentFault finds what the status columns do not show: rows that do not come, or differ.
func silentFault(f *Facts, m, s *Server) fault {
	c := s.Channels[0]
	switch {
	case len(s.Mismatch) > 0:
		return fault{Reason: "Diverged", Message: fmt.Sprintf("the checksum of %v differs from the master's", s.Mismatch), Repair: reseed, Keep: true}
	case m.Beat.Err != "":
		return fault{} // the master's own verdict tells
	case !s.Beat.Seen && s.Identity.Lineage == "":
		return fault{Reason: "CatchingUp", Message: "the master's record has not arrived yet", Repair: waitFor}
	case !s.Beat.Seen:
		return fault{Reason: "NoHeartbeat", Message: "no heartbeat row has arrived yet", Repair: waitFor}
	case s.Beat.Arrived || s.Beat.Lag <= f.MaxLag:
		return fault{}
	case c.BehindKnown && c.Behind == 0 && s.Beat.Lag > lostBeat:
		return fault{
			Reason: "HeartbeatLost", Repair: attach,
			Message: fmt.Sprintf("claims to be up to date, but the last heartbeat is %s old", s.Beat.Lag.Round(time.Second)),
		}
	}
	return fault{Reason: "Lagging", Message: fmt.Sprintf("%s behind the master", s.Beat.Lag.Round(100*time.Millisecond)), Repair: waitFor}
}

// stronger takes the next repair when a start did not last.
func stronger(s *Server, first repair) repair {
	switch {
	case s.Strikes >= strikesToReseed:
		return reseed
	case s.Strikes >= strikesToAttach:
		return attach
	}
	return first
}

// untouched is true for a server as its image made it: no table, no transaction, no replication.
func (s *Server) untouched() bool {
	return !s.HasTables && s.Position().Empty() && len(s.Channels) == 0
}

// follows is true when the server replicates from m's address with both threads up.
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
