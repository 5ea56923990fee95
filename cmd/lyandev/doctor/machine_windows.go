package doctor

import (
	"io/fs"

	"golang.org/x/sys/windows"
)

// space returns the free and total bytes of the file system of path; Windows counts no inodes.
func space(path string) (free, total, freeNodes, nodes uint64, err error) {
	p, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return 0, 0, 0, 0, err
	}
	err = windows.GetDiskFreeSpaceEx(p, &free, &total, nil)
	return free, total, 0, 0, err
}

// groupOf is the name of a file's group; files have none on Windows.
func groupOf(fs.FileInfo) string { return "" }
