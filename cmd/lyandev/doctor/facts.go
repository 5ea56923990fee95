package doctor

import (
	"fmt"
	"io/fs"
	"time"

	"github.com/lyandev/lyandev/supervisor/engine"
)

// The parts of Facts, as messages call them. Each is looked at by itself.
const (
	PartEngine    = "asking the engine"
	PartContexts  = "looking for other engines"
	PartDisks     = "looking at the disks"
	PartDNS       = "resolving a name"
	PartRights    = "looking at the rights"
	PartInstances = "looking for instances"
	PartFile      = "loading the file"
	PartPorts     = "looking at the ports"
	PartWatches   = "counting the watched directories"
)

// Facts are what is known of a machine. The zero value of a field means that nothing is known.
type Facts struct {
	// OS is that of this program, as runtime.GOOS has it.
	OS string
	// Late are the parts that were not done within Limit.
	Late  map[string]bool
	Limit time.Duration

	// Address is the engine that this environment chooses, AddressErr why that cannot be told. Allowed is LYANDEV_ALLOW_REMOTE.
	Address    engine.Address
	AddressErr error
	Allowed    bool
	// Engine is what the engine says, nil if it does not answer; then EngineErr says why, and Why is the class of that.
	Engine    *engine.Details
	EngineErr error
	Why       Why

	Contexts []engine.Context
	// DockerHost is that variable, "" if it is not set.
	DockerHost string
	Sockets    []Socket

	// Free is the memory that this machine has available, 0 if unknown.
	Free    uint64
	Disks   []Disk
	DNS     DNS
	Proxies Proxies
	Rights  Rights
	Left    []Left
	File    File
	Ports   []Port
	Watches Watches
}

// Why is why an engine does not answer.
type Why string

// Absent: its socket does not exist. Refused: nobody listens there. Denied: this user may not connect.
const (
	Absent  Why = "absent"
	Refused Why = "refused"
	Denied  Why = "denied"
)

// Socket is an engine's socket in one of the usual places.
type Socket struct {
	// Kind is whose it is, such as "rootless Docker" or "Colima".
	Kind, Path string
	// Answers is true if somebody accepts connections.
	Answers bool
}

// Disk is the file system of a directory.
type Disk struct {
	// What is what lyandev or the engine keeps there.
	What, Path string
	// Free and Total are bytes for ordinary users, FreeNodes and Nodes are inodes. Nodes 0: the file system does not count them.
	Free, Total, FreeNodes, Nodes uint64
	Err                           error
}

// DNS is how names are resolved.
type DNS struct {
	// Name was looked up; Err is why that failed, nil if it did not.
	Name string
	Err  error
	// Servers are the name servers of the host, ForContainers those that Docker gives to containers: none if it uses public ones instead.
	Servers, ForContainers []string
}

// ProxySet are the proxies of one place.
type ProxySet struct{ HTTP, HTTPS, No string }

func (p ProxySet) set() bool { return p.HTTP != "" || p.HTTPS != "" }

// Proxies are those of this shell, and those that the Docker configuration sets in containers and builds. The engine's own are in
// Facts.Engine.
type Proxies struct{ Host, Containers ProxySet }

// Rights are what this user may do.
type Rights struct {
	// Socket is the engine's socket, "" if it is reached in another way or the socket is not there.
	Socket      string
	SocketMode  fs.FileMode
	SocketGroup string
	// User is this user's name. Member is true if the user database has it in SocketGroup, which counts after the next login.
	User   string
	Member bool
	// StateDir is where instances are kept, StateErr why this user cannot write there, nil if it can.
	StateDir string
	StateErr error
}

// Left is an instance that has containers and no supervisor.
type Left struct {
	Name, Dir string
	// Gone is true if the directory does not exist any more.
	Gone bool
	// Running is how many of its containers run.
	Running int
	// Hangs is true if its supervisor runs and does not answer; PID is its process.
	Hangs bool
	PID   int
}

// File is the stack's file of a directory.
type File struct {
	// Path is the file, "" if there is none in Dir or above.
	Dir, Path string
	// Errors are what is wrong with it, one line each, with file:line.
	Errors []string
	// Project and Workloads are its name and how many services it has. NotApplied is how many of its settings are not applied.
	Project               string
	Workloads, NotApplied int
}

// Port is a host port that the file publishes.
type Port struct {
	// Address is HOST:PORT, with "/udp" for UDP. For says what is published there.
	Address, For string
	// Own is true if this stack has it, Holder is who else has it; both empty: it is free. Unknown is why that cannot be told.
	Own     bool
	Holder  string
	Unknown string
}

// Watches are the limits of file watches, and what the file needs of them.
type Watches struct {
	// Rules is how many develop.watch rules the file has, Dirs how many directories they watch. More is true if there are more than that.
	Rules, Dirs int
	More        bool
	// MaxWatches and MaxInstances are the limits of this user, 0 if the system has none.
	MaxWatches, MaxInstances int
}

// size returns a number of bytes as people read it.
func size(n uint64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}
