//go:build !unix

package fsgroup

import "io/fs"

// groupOf is not known here: the work is done in a Linux container, elsewhere this only has to compile.
func groupOf(fs.FileInfo) (gid int, known bool) { return 0, false }
