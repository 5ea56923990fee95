//go:build !linux

package snapshot

import (
	"io/fs"
	"os"
)

// Copying is done in a Linux container; elsewhere this only has to compile.

func ownerOf(fs.FileInfo) (uid, gid int) { return os.Getuid(), os.Getgid() }

func syncTree(string) error { return nil }
