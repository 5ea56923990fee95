package snapshot

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"slices"
)

// Names in volumes. A snapshot's volume holds the files below dataDir and the manifest, which is written last: without it the
// copy is incomplete. Names that begin with ".lyandev" are in a volume that is being restored; see swap.go.
const (
	partDir      = "data.part"
	dataDir      = "data"
	manifestFile = "manifest.json"
	stateFile    = "copy.json"
	newPartDir   = ".lyandev-restore.part"
	newDir       = ".lyandev-restore"
	oldDir       = ".lyandev-old"
	goneDir      = ".lyandev-gone"
)

// reservedNames are the names at a volume's root that are not data of the service.
var reservedNames = []string{newPartDir, newDir, oldDir, goneDir, "lost+found"}

// Entry is one file, directory or symbolic link of a volume.
type Entry struct {
	// Path is relative to the root, with slashes; the root itself is ".".
	Path string      `json:"p"`
	Mode fs.FileMode `json:"m"`
	UID  int         `json:"u"`
	GID  int         `json:"g"`
	// MTime is in nanoseconds since 1970.
	MTime int64  `json:"t"`
	Size  int64  `json:"s,omitempty"`
	CRC   uint32 `json:"c,omitempty"`
	Link  string `json:"l,omitempty"`
	// Hard is the path of another regular file of the list that is the same file (hard link).
	Hard string `json:"h,omitempty"`
	// Seen is when the file was examined before it was copied, in nanoseconds since 1970.
	Seen int64 `json:"w,omitempty"`
}

// Manifest lists the content of a copy, sorted by path.
type Manifest struct {
	Format  int     `json:"format"`
	Entries []Entry `json:"entries"`
}

const manifestFormat = 1

// Bytes is the total size of the regular files.
func (m *Manifest) Bytes() (n int64) {
	for _, e := range m.Entries {
		n += e.Size
	}
	return n
}

// Files is the number of regular files.
func (m *Manifest) Files() (n int) {
	for _, e := range m.Entries {
		if e.Mode.IsRegular() {
			n++
		}
	}
	return n
}

// Find returns the entry of a path, or nil.
func (m *Manifest) Find(path string) *Entry {
	i, ok := slices.BinarySearchFunc(m.Entries, path, func(e Entry, p string) int {
		switch {
		case e.Path < p:
			return -1
		case e.Path > p:
			return 1
		}
		return 0
	})
	if !ok {
		return nil
	}
	return &m.Entries[i]
}

func readManifest(root *os.Root, name string) (*Manifest, string, error) {
	b, err := readFile(root, name)
	if err != nil {
		return nil, "", fmt.Errorf("cannot read the copy's manifest: %w", err)
	}
	m := new(Manifest)
	if err := json.Unmarshal(b, m); err != nil {
		return nil, "", fmt.Errorf("cannot read the copy's manifest: %w", err)
	}
	if m.Format != manifestFormat {
		return nil, "", fmt.Errorf("cannot read the copy's manifest: its format is %d, this lyandev supports %d; use a newer lyandev", m.Format, manifestFormat)
	}
	return m, sum(b), nil
}

// writeManifest replaces the manifest. It returns its checksum.
func writeManifest(root *os.Root, name string, m *Manifest) (string, error) {
	m.Format = manifestFormat
	slices.SortFunc(m.Entries, func(a, b Entry) int {
		switch {
		case a.Path < b.Path:
			return -1
		case a.Path > b.Path:
			return 1
		}
		return 0
	})
	b, err := json.Marshal(m)
	if err != nil {
		return "", fmt.Errorf("cannot write the copy's manifest: %w", err)
	}
	if err := root.WriteFile(name+".new", b, 0o600); err != nil {
		return "", fmt.Errorf("cannot write the copy's manifest: %w", err)
	}
	if err := root.Rename(name+".new", name); err != nil {
		return "", fmt.Errorf("cannot write the copy's manifest: %w", err)
	}
	return sum(b), nil
}

func sum(b []byte) string { return fmt.Sprintf("%08x", crc32.Checksum(b, castagnoli)) }
