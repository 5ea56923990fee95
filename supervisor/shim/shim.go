// Package shim is the init process that pods with live-synced code get, and its helper for the files. Both are this very
// binary, mounted read-only into the container, so nothing is asked of the image.
//
//	PID 1: shim ── child (the image's command)       "restart" stops and starts the child; the container goes on
//	exec:  shim-control ── stdin/stdout ── supervisor  lays and removes files, passes "restart" to the shim
//
// A binary of this size takes 20 to 150 ms and 35 MB to begin, nearly all of it package initialisers that a shim never
// needs. Go initialises packages in the order of their import paths as far as dependencies allow, so this package, which
// imports little, has its turn before the heavy ones: its init function runs the shim and never returns. Measured: under
// 10 ms and 1 MB of own memory. Nothing breaks if the order is ever another one; it only gets slower.
package shim

import (
	"strconv"
	"time"
)

// The commands by which the binary is a shim or its control.
const (
	Command        = "shim"
	ControlCommand = "shim-control"
)

const (
	// MountPath is where the volume with the binary is mounted, Binary the binary in it.
	MountPath = "/.lyandev"
	Binary    = MountPath + "/lyandev"
)

// Args are the entrypoint of a container whose command runs under the shim; the command follows it. socket names the
// shim among those that share its network namespace, signal is the stop signal ("" is SIGTERM).
func Args(socket, signal string) []string {
	if signal == "" {
		signal = "SIGTERM"
	}
	return []string{Binary, Command, socket, signal, "--"}
}

// Op is what a control is asked to do.
type Op string

// The operations.
const (
	// Hello only answers, and says whether a shim listens.
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

// Kind says what a File is.
type Kind string

// The kinds of files.
const (
	Regular   Kind = "file"
	Directory Kind = "dir"
	Symlink   Kind = "link"
	// Gone removes whatever is there.
	Gone Kind = "gone"
)

// File is one path to make so. Path cannot name anything outside Root; directories that are symbolic links in the container
// are followed (LayIn).
type File struct {
	// Root is an absolute directory, made if it is not there; Path is relative to it, with slashes.
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
	// Shim: one listens (Hello).
	Shim bool `json:"shim,omitempty"`
	// StopMicros and StartMicros are how long the child took to end and to be started (Restart); Killed says that it had to
	// be killed.
	StopMicros  int64 `json:"stopMicros,omitempty"`
	StartMicros int64 `json:"startMicros,omitempty"`
	Killed      bool  `json:"killed,omitempty"`
}

// restartLine is what a control sends to the shim's socket; the answer is a Reply.
func restartLine(grace time.Duration) string {
	return "restart " + strconv.FormatInt(grace.Milliseconds(), 10) + "\n"
}
