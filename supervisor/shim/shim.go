// Package shim implements the init process of containers with live-synced code, and the helper process that writes their
// files. Both run from the lyandev binary, mounted read-only into the container, and need nothing from the image.
//
//	PID 1: shim ── child (the image's command)       "restart" stops and starts the child; the container keeps running
//	exec:  shim-control ── stdin/stdout ── supervisor  writes and removes files, passes "restart" to the shim
//
// The lyandev binary takes 20 to 150 ms and 35 MB to start, nearly all of it for package initialisers that a shim does not
// need. Go initialises packages in the order of their import paths as far as dependencies allow, so this package, which
// imports little, is initialised before the expensive ones: its init function runs the shim and never returns. That takes
// under 10 ms and 1 MB. With another initialisation order the shim would work as well, only more slowly.
package shim

import (
	"strconv"
	"time"
)

// The hidden commands that run the shim and its control.
const (
	Command        = "shim"
	ControlCommand = "shim-control"
)

const (
	// MountPath is the mount point of the volume with the binary, Binary the path of the binary.
	MountPath = "/.lyandev"
	Binary    = MountPath + "/lyandev"
)

// Args returns the entrypoint of a container whose command runs under the shim; the command follows it. socket is the shim's
// socket name, unique in its network namespace; signal is the stop signal ("" is SIGTERM).
func Args(socket, signal string) []string {
	if signal == "" {
		signal = "SIGTERM"
	}
	return []string{Binary, Command, socket, signal, "--"}
}

// Op is an operation of the control.
type Op string

// The operations.
const (
	// Hello reports whether a shim is listening.
	Hello Op = "hello"
	// Lay writes and removes files.
	Lay Op = "lay"
	// Restart stops the shim's child and starts it again.
	Restart Op = "restart"
)

// Request is one line of JSON, followed by the contents of its files, one after the other.
type Request struct {
	Op    Op     `json:"op"`
	Files []File `json:"files,omitempty"`
	// GraceMillis is how long the child may take to end before it is killed.
	GraceMillis int64 `json:"graceMillis,omitempty"`
}

// Kind is the kind of a File.
type Kind string

// The kinds of files.
const (
	Regular   Kind = "file"
	Directory Kind = "dir"
	Symlink   Kind = "link"
	// Gone removes whatever is at the path.
	Gone Kind = "gone"
)

// File is one path to write or remove. Path cannot leave Root. Directories that are symbolic links in the container are followed
// (LayIn).
type File struct {
	// Root is an absolute directory, created if missing. Path is relative to it, with slashes.
	Root string `json:"root"`
	Path string `json:"path"`
	Kind Kind   `json:"kind"`
	Mode uint32 `json:"mode,omitempty"`
	// Size is how many bytes of content follow the request.
	Size int64 `json:"size,omitempty"`
	// Link is a symlink's target.
	Link string `json:"link,omitempty"`
	// ModTime is in nanoseconds since 1970.
	ModTime int64 `json:"modTime,omitempty"`
}

// Reply is one line of JSON.
type Reply struct {
	Error string `json:"error,omitempty"`
	// Shim is true if a shim is listening (Hello).
	Shim bool `json:"shim,omitempty"`
	// StopMicros and StartMicros are how long the child took to end and to start, in microseconds (Restart). Killed means that
	// the grace period expired.
	StopMicros  int64 `json:"stopMicros,omitempty"`
	StartMicros int64 `json:"startMicros,omitempty"`
	Killed      bool  `json:"killed,omitempty"`
}

// restartLine is what a control sends to the shim's socket; the answer is a Reply.
func restartLine(grace time.Duration) string {
	return "restart " + strconv.FormatInt(grace.Milliseconds(), 10) + "\n"
}
