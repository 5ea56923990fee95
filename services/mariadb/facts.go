package mariadb

import "time"

// Role is the desired role of a server.
type Role string

// The roles, with MariaDB's names.
const (
	Master Role = "master"
	Slave  Role = "slave"
)

// Trouble is why a server could not be observed.
type Trouble string

// Kinds of trouble; each is the Reason of the pod's verdict.
const (
	NotStarted Trouble = "NotStarted"   // no address, or its container is not running
	NoAnswer   Trouble = "NoAnswer"     // no handshake in time: hung, paused, or still starting
	Refused    Trouble = "Refused"      // connection refused
	NoAccess   Trouble = "AccessDenied" // it answers, but rejects all of the operator's accounts
	LookFailed Trouble = "LookFailed"   // a query failed
)

// Topology is the row of lyandev.topology. It is replicated and copied with the data, so the record of the master exists as
// long as the data.
type Topology struct {
	// Master is the pod name of the master. Epoch is incremented by every promotion; the highest wins.
	Master string
	Epoch  uint64
	// Lineage identifies the data: created with the first master's volume, copied to every slave seeded from it.
	Lineage string
	// Complete is true if the master was empty at the start of its binary log: an empty slave can replay it.
	Complete bool
}

// Identity is the row of lyandev_local.identity, the server's own data, which is never replicated.
type Identity struct {
	// Pod is the pod that the data was created for; a different name means a copied volume.
	Pod      string
	ServerID uint32
	// Lineage is the lineage of the data that the server was attached to or seeded from, "" for none.
	Lineage string
	// Prepared is the fingerprint of the accounts that were created.
	Prepared string
}

// Channel is one line of SHOW ALL SLAVES STATUS.
type Channel struct {
	Name, Host        string
	Port              int
	IO, SQL           string // Yes, No, Connecting, Preparing
	IOErrno, SQLErrno int
	IOError, SQLError string
	UsingGTID         string // No, Slave_Pos, Current_Pos
	BehindKnown       bool
	Behind            time.Duration
}

// Beat is the state of the heartbeat row on a server after a new one was written on the master.
type Beat struct {
	// Seen is true if the row could be read, Arrived if it is the new one. Lag is the time until it arrived or, without
	// Arrived, the age of the row that was read.
	Seen, Arrived bool
	Lag           time.Duration
	// Err is the error of writing the row on the master.
	Err string
}

// Job is the current seeding or the last failed one.
type Job struct {
	Running bool
	// Progress is a text for status output. Err is the error of the last failed seeding, Tries the number of failures, Wait
	// the time before which no new one is started.
	Progress string
	Err      string
	Tries    int
	Wait     time.Time
}

// Server is the observed state of one pod's server.
type Server struct {
	Pod      string
	Declared Role
	Host     string
	Port     int

	Reached bool
	Trouble Trouble
	Error   string

	Version      string
	ServerID     uint32
	ReadOnly     bool
	LogBin       bool
	SlaveUpdates bool
	Strict       bool
	BinlogPos    Position
	SlavePos     Position
	// FromStart is true if the oldest existing binary log starts at the empty position.
	FromStart bool
	// HasTables is true if it has user tables.
	HasTables bool
	// Seeding is true if a seeding session is active in the server, even of another operator.
	Seeding  bool
	Identity Identity
	Topology Topology
	Channels []Channel
	Beat     Beat

	// Wanted is the desired value of Identity.Prepared; NewID is a new random server id.
	Wanted string
	NewID  uint32
	Job    Job
	// Strikes is the number of consecutive observations of stopped replication.
	Strikes int
	// Mismatch are the tables whose checksum differs from the master's at the same position.
	Mismatch []string
}

// Position returns the last transactions of the server, written or replicated.
func (s *Server) Position() Position { return s.BinlogPos.Merge(s.SlavePos) }

// Facts is one observation of the whole system.
type Facts struct {
	Servers []*Server
	// Remembered is the topology with the highest epoch seen so far.
	Remembered Topology
	// MaxLag is the maximum lag of a slave that is right.
	MaxLag time.Duration
	Now    time.Time
	// Since is the time of the operator's first observation.
	Since time.Time
	// Busy is a role change in progress ("promoting x"), "" for none. While it is set, Decide returns no steps.
	Busy string
}

// Server returns the server of a pod, or nil.
func (f *Facts) Server(pod string) *Server {
	for _, s := range f.Servers {
		if s.Pod == pod {
			return s
		}
	}
	return nil
}
