//go:build !unix

package socket

import "io/fs"

// plainSockets says that a socket does not show as one in its file mode: on Windows it is a reparse point.
const plainSockets = true

// ownedBy knows nothing: the directory for temporary files is each user's own on Windows.
func ownedBy(fs.FileInfo) (uid int, known bool) { return 0, false }
