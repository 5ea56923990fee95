package redis

import (
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Role is the actual or declared role of a server.
type Role string

// The roles; the values are those of the role label.
const (
	Master  Role = "master"
	Replica Role = "replica"
	Watcher Role = "sentinel"
)

// Endpoint is the address of a process. It is never a host name: sentinels resolve names in their main loop, so a slow
// resolver would block failovers.
type Endpoint struct {
	Host string
	Port int
}

func (e Endpoint) String() string { return net.JoinHostPort(e.Host, strconv.Itoa(e.Port)) }

// Process holds the common fields of servers and sentinels.
type Process struct {
	Pod, Container string
	At             Endpoint
	Reached        bool
	// Reason and Error explain why it was not reached: NotStarted, NoAnswer, Refused, AccessDenied, LookFailed.
	Reason, Error string
	Version       string
	// WrongFor is how long it has not been as desired; 0 if it is, or at the first observation.
	WrongFor time.Duration
}

// Server is the observed state of one redis-server.
type Server struct {
	Process
	Declared Role

	Role     Role // as it reports itself
	Loading  bool
	Follows  Endpoint // a replica's master
	LinkUp   bool
	Syncing  bool
	Offset   int64
	ReplID   string
	OldID    string // master_replid2: the replication history before its promotion
	Keys     int64
	Replicas int // connected replicas
	// Announce is replica-announce-ip, "" when it is not set.
	Announce string
	// MasterAuth is true if a password for its master is set or not needed.
	MasterAuth bool
	// Failing is a persistence error because of which it rejects writes, "" for none.
	Failing string
	AOF     bool
}

// Peer is another server or sentinel as a sentinel knows it.
type Peer struct {
	At    Endpoint
	Flags []string
}

// Down reports whether the reporting sentinel considers the peer down.
func (p Peer) Down() bool { return slices.Contains(p.Flags, "s_down") }

// Sentinel is the observed state of one sentinel.
type Sentinel struct {
	Process
	// ID is how it names itself to other sentinels, "" before 6.2, which does not tell it.
	ID string
	// Known is true if it monitors the group. The fields below are about the group.
	Known    bool
	Master   Endpoint
	Flags    []string
	Epoch    uint64
	Quorum   int
	Settings map[string]string // down-after-milliseconds, failover-timeout, parallel-syncs
	Peers    []Peer            // other sentinels
	Replicas []Peer
	// Check is the answer of SENTINEL CKQUORUM; CheckOK is true if it is OK.
	Check   string
	CheckOK bool
	Tilt    bool
	// Unsaved is the error with which it could not save its configuration file, "" for none.
	Unsaved string
	// Announce is announce-ip, "" when it is not set.
	Announce string
	// Periods are its current periods in milliseconds, by their names in SENTINEL DEBUG; nil before 7.0, which lacks the command.
	Periods map[string]string
	// Silence is for how long its oldest unanswered ping to the master has waited for the answer, 0 if there is none. It considers
	// the master down when Silence exceeds down-after-milliseconds.
	Silence time.Duration
	// Successor is the promoted server while it is failing over and has seen the promotion: the failover can no longer be aborted,
	// and clients that ask for the master get this address. Zero otherwise.
	Successor Endpoint
}

// watches reports whether the sentinel answers, monitors this master and is not failing over.
func (s *Sentinel) watches(m *Server) bool {
	return s.Reached && s.Known && s.Master == m.At && !s.FailingOver() && !s.Tilt
}

// FailingOver reports whether the sentinel is failing over.
func (s *Sentinel) FailingOver() bool {
	return slices.ContainsFunc(s.Flags, func(f string) bool { return strings.HasPrefix(f, "failover") })
}

// Settings are the desired settings of the sentinels.
type Settings struct {
	Group string
	// Quorum is the declared quorum if QuorumDeclared, else the majority.
	Quorum         int
	QuorumDeclared bool
	// Declared are the declared settings of the group, by their names in SENTINEL SET. Other settings are left unchanged;
	// when a sentinel starts to monitor the group, they are set to Defaults.
	Declared, Defaults map[string]string
}

// Facts is one observation of the whole system.
type Facts struct {
	Servers   []*Server
	Sentinels []*Sentinel
	Settings  Settings
	// ElectedFor is how long the same master has been elected.
	ElectedFor time.Duration
	// LastMaster is the last elected master.
	LastMaster Endpoint
	// Aligned is true if Align was done since the master stopped answering.
	Aligned bool
	// Busy describes a manual failover in progress, "" for none. While it is set, Decide returns no steps.
	Busy string
	Now  time.Time
}

// At returns the server with that address, or nil.
func (f *Facts) At(e Endpoint) *Server {
	for _, s := range f.Servers {
		if s.At == e {
			return s
		}
	}
	return nil
}

func (f *Facts) sentinelAt(e Endpoint) *Sentinel {
	for _, s := range f.Sentinels {
		if s.At == e {
			return s
		}
	}
	return nil
}

// saidDown reports whether a sentinel considers the process at an address down, or it is the master and unanswered.
func (f *Facts) saidDown(at Endpoint) bool {
	return slices.ContainsFunc(f.Sentinels, func(s *Sentinel) bool {
		return s.Master == at && (s.masterDown() || s.unanswered()) || slices.ContainsFunc(slices.Concat(s.Replicas, s.Peers), func(p Peer) bool { return p.At == at && p.Down() })
	})
}

// masterDown reports whether a sentinel considers its master down or is failing over.
func (f *Facts) masterDown() bool {
	return slices.ContainsFunc(f.Sentinels, func(s *Sentinel) bool { return s.masterDown() || s.FailingOver() })
}

// masterDown reports whether the sentinel considers its master down.
func (s *Sentinel) masterDown() bool {
	return slices.Contains(s.Flags, "s_down") || slices.Contains(s.Flags, "o_down")
}
