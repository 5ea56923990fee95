// Package engine provides access to the Docker engine. Engine is the interface that the supervisor uses, Docker its
// implementation over the Docker API. Package enginefake implements it in memory for tests. Of the supervisor's packages only
// engine and build import the Docker client.
//
// Every method honours its context. Errors say what was attempted on which object; their class is tested with the predicates
// of errors.go (IsNotFound, IsConflict, IsUnavailable ...), not by text.
package engine

import (
	"context"
	"io"
	"net/netip"
	"time"

	"github.com/docker/docker/api/types/network"
)

// Engine is a Docker engine.
type Engine interface {
	Info(ctx context.Context) (Info, error)
	// Ping checks that the engine answers. It blocks until ctx ends if the engine hangs.
	Ping(ctx context.Context) error

	Containers
	Images
	Networks
	Volumes

	// Events subscribes to the events of containers that carry all the labels (see Event). The subscription is active when Events returns:
	// a caller that lists containers afterwards misses nothing. The channel closes when ctx ends or the stream breaks; err()
	// then returns the reason (nil if ctx ended). Callers must list again after every new subscription.
	Events(ctx context.Context, labels map[string]string) (ch <-chan Event, err func() error, first error)

	// Close closes idle connections. It does not block.
	Close() error
}

// Containers are the operations on containers.
type Containers interface {
	// CreateContainer creates a container without starting it. A name in use is a conflict (IsConflict).
	CreateContainer(ctx context.Context, spec ContainerSpec) (id string, err error)
	StartContainer(ctx context.Context, id string) error
	// StopContainer sends the signal ("" is the container's or image's, else SIGTERM), waits up to grace (negative: the
	// container's StopTimeout, else 10 s), sends SIGKILL, and returns when the container has stopped. It ends a restart policy's
	// attempts until the next start. Stopping a stopped container is no error.
	StopContainer(ctx context.Context, id, signal string, grace time.Duration) error
	// KillContainer sends one signal and returns at once. A container that is not running is no error.
	KillContainer(ctx context.Context, id, signal string) error
	PauseContainer(ctx context.Context, id string) error
	UnpauseContainer(ctx context.Context, id string) error
	// RemoveContainer removes a container, killing it if it runs, and its anonymous volumes; absent is no error.
	RemoveContainer(ctx context.Context, id string) error
	// RemoveContainerOnly is RemoveContainer that keeps the container's anonymous volumes.
	RemoveContainerOnly(ctx context.Context, id string) error
	RenameContainer(ctx context.Context, id, name string) error
	InspectContainer(ctx context.Context, id string) (Container, error)
	// ListContainers lists containers in any state that carry all the labels.
	ListContainers(ctx context.Context, labels map[string]string) ([]Container, error)
	// Logs streams stdout and stderr, merged into one stream (see LogOptions.StderrTo). With opts.Follow it ends when the
	// container stops, else after the existing log.
	Logs(ctx context.Context, id string, opts LogOptions) (io.ReadCloser, error)
	// Exec runs a command and blocks until it ends. If spec.Timeout or ctx ends first, the process in the container is killed
	// and the output so far is returned with ErrExecTimeout or ctx's error.
	Exec(ctx context.Context, id string, spec ExecSpec) (ExecResult, error)
	// Wait waits for the end of a container, at once if it does not run, or for its next end or removal (see WaitUntil). The wait
	// is active when Wait returns. The channel delivers one value and is not closed; an absent container is IsNotFound.
	Wait(ctx context.Context, id string, until WaitUntil) (<-chan Ended, error)
	// Attach connects to the streams of a container's main process, which need not run yet. It returns when it is attached;
	// wait then blocks until the output ends (the process ended, or the user typed the detach keys) or ctx ends.
	Attach(ctx context.Context, id string, opts AttachOptions) (wait func() error, err error)
	// ResizeTTY sets the size of the terminal of a running container.
	ResizeTTY(ctx context.Context, id string, columns, rows uint) error
	// Top lists the processes of a running container; args are those of ps, nil is "-ef".
	Top(ctx context.Context, id string, args []string) (Processes, error)
	// Stats takes one sample of what a container uses. All values of a container that does not run are 0.
	Stats(ctx context.Context, id string) (Stats, error)
	// CopyTo unpacks a tar stream below the directory dir of a created or running container.
	CopyTo(ctx context.Context, id, dir string, tar io.Reader) error
	// CopyOver is CopyTo that lets a file in the archive replace a directory, and a directory replace a file.
	CopyOver(ctx context.Context, id, dir string, tar io.Reader) error
	// CopyFrom streams a path as tar.
	CopyFrom(ctx context.Context, id, path string) (io.ReadCloser, error)
}

// Images are the operations on images.
type Images interface {
	// InspectImage finds a local image by reference or ID; absent is IsNotFound.
	InspectImage(ctx context.Context, ref string) (Image, error)
	// PullImage pulls with the credentials of the user's Docker configuration, including those of its credential helpers.
	PullImage(ctx context.Context, ref string, opts PullOptions) error
	// ImportImage makes an image from a root file system tar and tags it. changes are Dockerfile lines ("LABEL a=b").
	ImportImage(ctx context.Context, ref string, changes []string, tar io.Reader) (id string, err error)
	ListImages(ctx context.Context, labels map[string]string) ([]Image, error)
	TagImage(ctx context.Context, id, ref string) error
	// RemoveImage removes a tag or image; absent or in use is no error.
	RemoveImage(ctx context.Context, ref string) error
}

// Networks are the operations on networks.
type Networks interface {
	// CreateNetwork creates a network. A name in use is a conflict (IsConflict), a subnet in use IsOverlap.
	CreateNetwork(ctx context.Context, spec NetworkSpec) (id string, err error)
	RemoveNetwork(ctx context.Context, id string) error
	// InspectNetwork finds a network by name or ID, with the containers that are attached to it; absent is IsNotFound.
	InspectNetwork(ctx context.Context, name string) (Network, error)
	// ListNetworks lists networks with all the labels; nil labels lists every network.
	ListNetworks(ctx context.Context, labels map[string]string) ([]Network, error)
	// ConnectNetwork connects a container with the given settings; see EndpointAt for the usual ones.
	ConnectNetwork(ctx context.Context, network, container string, settings network.EndpointSettings) error
	DisconnectNetwork(ctx context.Context, network, container string) error
}

// Volumes are the operations on volumes.
type Volumes interface {
	// CreateVolume makes a volume, or finds the one of that name.
	CreateVolume(ctx context.Context, spec VolumeSpec) error
	// InspectVolume finds a volume by name; absent is IsNotFound.
	InspectVolume(ctx context.Context, name string) (Volume, error)
	// RemoveVolume removes a volume; absent is no error, in use is a conflict.
	RemoveVolume(ctx context.Context, name string) error
	ListVolumes(ctx context.Context, labels map[string]string) ([]Volume, error)
}

// Info describes the engine.
type Info struct {
	Version, APIVersion, OS, Arch string
	CPUs                          int
	MemoryBytes                   int64
	// Local is true when the engine shares this host's network (a Unix socket on Linux), so that container addresses
	// can be reached directly.
	Local bool
	// BuildKit is true when the engine builds with BuildKit.
	BuildKit bool
	// Host is the address the engine is reached at.
	Host string
}

// ContainerSpec is one container to create.
type ContainerSpec struct {
	Name   string
	Image  string
	Labels map[string]string

	// Entrypoint nil keeps the image's; set replaces it and the image's Cmd with it (R136).
	Entrypoint []string
	Cmd        []string
	Env        []string
	WorkingDir string
	// User is "uid[:gid]" or a name; "" keeps the image's.
	User     string
	GroupAdd []string
	Hostname string
	TTY      bool
	Stdin    bool

	// NetworkContainer joins another container's network namespace; then Network must be empty.
	NetworkContainer string
	Network          string
	IP               netip.Addr
	// MAC is the hardware address in Network; "" lets the engine choose.
	MAC        string
	Aliases    []string
	DNS        []netip.Addr
	DNSSearch  []string
	DNSOptions []string
	ExtraHosts []string
	Publish    []PortBinding

	Mounts []Mount

	CPUShares   int64 // R150
	CPUQuota    int64 // R151, µs a period of 100 ms; 0 is none
	MemoryBytes int64 // R152; 0 is none
	ShmBytes    int64
	PidsLimit   int64

	Privileged     bool
	ReadOnlyRootFS bool
	CapAdd         []string
	CapDrop        []string
	SecurityOpt    []string
	Sysctls        map[string]string
	Init           bool
	// RestartPolicy is "no" ("") or "always"; only the agent uses the latter.
	RestartPolicy string
	StopSignal    string
	PIDMode       string
	// LogMaxSize is the size at which the json-file log is rotated, "" for 10m; five files are kept. Both defaults are the
	// kubelet's (containerLogMaxSize, containerLogMaxFiles).
	LogMaxSize string

	// Exact, if set, is what Docker is asked for; of the fields above only Name, Image, Labels and Mounts are then used.
	Exact *Exact

	// Warn receives the engine's warnings about parts of the specification that it ignores (such as limits that its kernel
	// does not support), one call per warning, before CreateContainer returns. nil discards them.
	Warn func(text string)
}

// PortBinding publishes a container port on the host. HostPort 0 lets the engine choose.
type PortBinding struct {
	HostIP        netip.Addr
	HostPort      uint16
	ContainerPort uint16
	Protocol      string // "tcp" (default) or "udp"
}

// Mount is one mount. Exactly one of Volume, Anonymous, Bind and Tmpfs is used.
type Mount struct {
	Volume     string // a named volume
	Anonymous  bool   // a new volume without a name, removed with the container
	Bind       string // an absolute host path
	Tmpfs      bool
	TmpfsBytes int64
	// TmpfsGroup owns a Tmpfs, and what is made in it; nil is root, and the sticky bit instead.
	TmpfsGroup *int64
	Target     string
	ReadOnly   bool
	// NoCopy keeps the image's files at Target out of a new volume.
	NoCopy bool
	// SubPath mounts a directory inside the volume or bind path. Engines below API 1.45 have no volume subpaths;
	// CreateContainer then fails with ErrUnsupported.
	SubPath string
}

// Container states, as Docker names them.
const (
	StateCreated    = "created"
	StateRunning    = "running"
	StatePaused     = "paused"
	StateRestarting = "restarting"
	StateRemoving   = "removing"
	StateExited     = "exited"
	StateDead       = "dead"
)

// Container is one container as observed. Times are the engine's clock, in UTC.
type Container struct {
	ID      string
	Name    string
	Image   string // the reference it was created from
	ImageID string
	Labels  map[string]string
	State   string
	Created time.Time
	Started time.Time
	Exited  time.Time
	// ExitCode is meaningful when State is exited or dead.
	ExitCode  int
	OOMKilled bool
	// Error is why the last start failed, "" if it did not.
	Error string
	PID   int
	// RestartCount is how often the engine's restart policy started the container again since somebody started it. Restarting
	// is true while it waits to do so; State is then StateRestarting.
	RestartCount int
	Restarting   bool
	// RestartPolicy is "no", "always", "unless-stopped" or "on-failure".
	RestartPolicy string
	// AutoRemove is true if the engine removes the container when it ends.
	AutoRemove bool
	// Health is nil for a container without a health check.
	Health *Health
	// TTY and Stdin say whether the main process has a terminal and an open standard input.
	TTY, Stdin bool
	// DNS are the name servers that it was created with, which the engine's own asks.
	DNS []string
	// IPs are the IPv4 addresses by network name, Networks all the networks that it is connected to, also while it does not
	// run. Ports are the published ports.
	IPs      map[string]netip.Addr
	Networks map[string]Endpoint
	Ports    []PortBinding
	Env      []string
	// LogPath is where the engine keeps the log on its host, "" if it does not say.
	LogPath string
	// Mounts are the volumes and bind mounts that the container has, with the names of anonymous volumes.
	Mounts []Mount
}

// LogOptions chooses what Logs returns. Tail < 0 is everything. Lines before Since and after Until are left out; the zero time
// is no limit.
type LogOptions struct {
	Follow bool
	Tail   int
	// Since and Until bound the times of the lines; zero is no bound.
	Since, Until time.Time
	Timestamps   bool
	// Lines returns whole lines, each with a newline: those that Docker stored in pieces (of 16 KiB) are joined, and stdout and
	// stderr do not mix within a line. It does not go with StderrTo.
	Lines bool
	// StderrTo, if set, receives stderr and the reader only stdout.
	StderrTo io.Writer
}

// ExecSpec is one command to run in a container.
type ExecSpec struct {
	Cmd        []string
	Env        []string
	User       string
	WorkingDir string
	Privileged bool
	// Timeout 0 is none.
	Timeout time.Duration
	TTY     bool
	Stdin   io.Reader
	// Stdout and Stderr receive the output; nil collects the first OutputLimit bytes (0 is 64 KiB) in the result.
	Stdout, Stderr io.Writer
	OutputLimit    int
	// Resize delivers terminal sizes (columns, rows) while a TTY runs.
	Resize <-chan [2]uint
	// Unmarked gives the command no environment but Env. If its caller stops waiting, it is killed only where the engine runs on this
	// Linux host; other commands are found by a variable in their environment.
	Unmarked bool
}

// ExecResult is the result of a command. Output is stdout followed by stderr.
type ExecResult struct {
	ExitCode int
	Output   []byte
}

// Image is one local image.
type Image struct {
	ID      string
	Tags    []string
	Digests []string
	Labels  map[string]string
	Created time.Time
	Size    int64
	// User, Entrypoint, Cmd, WorkingDir, Env, Volumes, StopSignal are the image's configuration (InspectImage only).
	User       string
	Entrypoint []string
	Cmd        []string
	WorkingDir string
	Env        []string
	Volumes    []string
	StopSignal string
	// OS, Arch and Variant are the platform. LastTagged is when the image was last built or tagged on this engine; pulls count
	// with the containerd image store only, and with the classic one leave it zero. (InspectImage only.)
	OS, Arch, Variant string
	LastTagged        time.Time
}

// PullOptions are the options of a pull.
type PullOptions struct {
	// Platform is OS[/ARCH[/VARIANT]]; "" is the engine's own.
	Platform string
	// Out receives progress lines; nil discards them.
	Out io.Writer
}

// Event is something that happened to a container.
type Event struct {
	// Type is create, start, die, oom, destroy, pause, unpause, rename, restart, kill, health_status, connect or disconnect.
	Type     string
	ID       string
	Time     time.Time
	ExitCode int
	// Health is the new status with health_status: healthy or unhealthy.
	Health string
	// Signal is the number of the signal with kill, which comes when somebody asked for a stop or sent a signal.
	Signal string
	// Network is the network's name with connect and disconnect, which come at every start and end too.
	Network string
	// Labels are the container's, with "name" and "image" added.
	Labels map[string]string
}
