package mariadb

import "time"

// Role is what a server is meant to be.
type Role string

// The roles, in MariaDB's own words.
const (
	Master Role = "master"
	Slave  Role = "slave"
)

// Trouble is why a server could not be looked at.
type Trouble string

// Kinds of trouble; each is the Reason of the pod's verdict.
const (
	NotStarted Trouble = "NotStarted"   // no address, or its container does not run
	NoAnswer   Trouble = "NoAnswer"     // no greeting in time: hung, paused, or still starting
	Refused    Trouble = "Refused"      // nothing listens
	NoAccess   Trouble = "AccessDenied" // it answers and no account of ours is let in
	LookFailed Trouble = "LookFailed"   // a query failed
)

// Topology is the replicated row of lyandev.topology. It travels with the data, so the record of who is master survives
// exactly as long as what it speaks of.
type Topology struct {
	// Master is the pod name of the master; Epoch grows by one with every promotion, the highest wins.
	Master string
	Epoch  uint64
	// Lineage names the data: made with the first master's volume, inherited by every slave seeded from it.
	Lineage string
	// Complete says that the master held nothing when its binary log began: an empty slave may replay it.
	Complete bool
}

// Identity is the row of lyandev_local.identity, which is never replicated: what this one server is.
type Identity struct {
	// Pod is the pod the data was made for; another name means a copied volume.
	Pod      string
	ServerID uint32
	// Lineage is the data that the server was attached to or seeded from; "" while it is not.
	Lineage string
	// Prepared fingerprints the accounts that were made.
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

// Beat is what a look saw of the heartbeat row, after one was written on the master.
type Beat struct {
	// Seen is whether the row could be read; Arrived whether it is the one just written, Lag after how long. Without
	// Arrived, Lag is the age of the row that was read.
	Seen, Arrived bool
	Lag           time.Duration
	// Err is why the master could not write the row.
	Err string
}

// Job is a seeding under way or the last that failed.
type Job struct {
	Running bool
	// Progress is for people; Err is how the last one failed, Tries how many have, Wait until when none is started.
	Progress string
	Err      string
	Tries    int
	Wait     time.Time
}

// Server is everything a look saw of one pod.
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
	// FromStart is true when the first binary log that is left has nothing before it.
	FromStart bool
	// HasTables is true when users have a table on it.
	HasTables bool
	// Seeding is true when a seeding session is at work in the server, whoever started it.
	Seeding  bool
	Identity Identity
	Topology Topology
	Channels []Channel
	Beat     Beat

	// Wanted is the fingerprint of accounts that Identity.Prepared should be; NewID a fresh random server id.
	Wanted string
	NewID  uint32
	Job    Job
	// Strikes counts the looks in a row that saw replication stopped although it had been started.
	Strikes int
	// Mismatch names tables whose checksum differs from the master's at the same position.
	Mismatch []string
}

// Position is the last transaction the server holds, whether it wrote or replicated it.
func (s *Server) Position() Position { return s.BinlogPos.Merge(s.SlavePos) }

// Facts is one look at the whole system.
type Facts struct {
	Servers []*Server
	// Remembered is the topology with the highest epoch that was ever seen.
	Remembered Topology
	// MaxLag is the lag from which a slave is not right.
	MaxLag time.Duration
	Now    time.Time
	// Since is when the operator first looked.
	Since time.Time
	// Busy says what is being done to the roles ("promoting x"), "" for nothing: then no step is decided.
	Busy string
}

// Server finds a server by pod name, or nil.
func (f *Facts) Server(pod string) *Server {
	for _, s := range f.Servers {
		if s.Pod == pod {
			return s
		}
	}
	return nil
}
