//go:build !linux

package watch

import "io/fs"

func identity(fs.FileInfo) (changed int64, inode uint64) { return 0, 0 }

// beingWritten is not supported here: writes are detected by the stamps only.
func beingWritten(string) bool { return false }
