package redis

import (
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Role is what a server is, or is meant to be.
type Role string

// The roles, as they stand in role labels.
const (
	Master  Role = "master"
	Replica Role = "replica"
	Watcher Role = "sentinel"
)

// Endpoint is where a process of ours listens: always an address, never a name, because sentinels resolve names while they
// serve and a slow resolver would stop failovers.
type Endpoint struct {
	Host string
	Port int
}

func (e Endpoint) String() string { return net.JoinHostPort(e.Host, strconv.Itoa(e.Port)) }

// Process is what servers and sentinels have in common.
type Process struct {
	Pod, Container string
	At             Endpoint
	Reached        bool
	// Reason and Error say why it was not reached: NotStarted, NoAnswer, Refused, AccessDenied, LookFailed.
	Reason, Error string
	Version       string
	// WrongFor is how long it has been other than it should be, 0 when it is right or was seen for the first time.
	WrongFor time.Duration
}

// Server is everything a look saw of one redis-server.
type Server struct {
	Process
	Declared Role

	Role     Role // what it says itself
	Loading  bool
	Follows  Endpoint // a replica's master
	LinkUp   bool
	Syncing  bool
	Offset   int64
	ReplID   string
	OldID    string // master_replid2: the history it was promoted from
	Keys     int64
	Replicas int // as connected to it
	// Announce is replica-announce-ip, "" when it is not set.
	Announce string
	// MasterAuth is true when a password for its master is set, or none is needed.
	MasterAuth bool
	// Failing is a persistence error that stops writes, "" for none.
	Failing string
	AOF     bool
}

// Peer is another server or sentinel as a sentinel knows it.
type Peer struct {
	At    Endpoint
	Flags []string
}

// Down is true when the sentinel that told of the peer holds it to be down.
func (p Peer) Down() bool { return slices.Contains(p.Flags, "s_down") }

// Sentinel is everything a look saw of one sentinel.
type Sentinel struct {
	Process
	// Known is true when it watches the group at all; what follows is of the group.
	Known    bool
	Master   Endpoint
	Flags    []string
	Epoch    uint64
	Quorum   int
	Settings map[string]string // down-after-milliseconds, failover-timeout, parallel-syncs
	Peers    []Peer            // other sentinels
	Replicas []Peer
	// Check is what CKQUORUM says; CheckOK whether it is OK.
	Check   string
	CheckOK bool
	Tilt    bool
	// Unsaved is why it cannot keep its state in its file, "" if it can.
	Unsaved string
	// Announce is announce-ip, "" when it is not set.
	Announce string
	// Hurried is true when it was told to look at its master every second.
	Hurried bool
}

// FailingOver is true while the sentinel changes masters.
func (s *Sentinel) FailingOver() bool {
	return slices.ContainsFunc(s.Flags, func(f string) bool { return strings.HasPrefix(f, "failover") })
}

// Settings are what the sentinels should have.
type Settings struct {
	Group string
	// Quorum is the declared one, else the majority; QuorumDeclared tells which.
	Quorum         int
	QuorumDeclared bool
	// Declared are the group's settings that somebody declared, by their names in SENTINEL SET. Others are left as they are,
	// and are Defaults where a sentinel is given the group anew.
	Declared, Defaults map[string]string
}

// Facts is one look at the whole system.
type Facts struct {
	Servers   []*Server
	Sentinels []*Sentinel
	Settings  Settings
	// ElectedFor is how long the same master has been elected.
	ElectedFor time.Duration
	// LastMaster is the master of the last look that had one.
	LastMaster Endpoint
	// Busy says that a failover was asked for; then no step is decided.
	Busy string
	Now  time.Time
}

// At finds the server with that address, or nil.
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
