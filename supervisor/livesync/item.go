package livesync

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/shim"
)

// Item is one path to sync from the host to a container.
type Item struct {
	// Source is an absolute path on the host. If it does not exist, the target is removed from the container.
	Source string `json:"source"`
	// Root is the target directory of the rule in the container, absolute. Path is relative to it.
	Root string `json:"root"`
	Path string `json:"path"`
}

// Target is the item's absolute path in the container.
func (i Item) Target() string { return path.Join(i.Root, i.Path) }

// ItemOf maps a path on the host to the container by a rule. ok is false if the path is not below the rule's path, or the rule
// has no target. If the rule's path is a file (isFile), its target is a file too.
func ItemOf(r services.WatchRule, source string, isFile bool) (item Item, ok bool) {
	target := path.Clean(r.Target)
	if !path.IsAbs(target) {
		return Item{}, false
	}
	if isFile {
		if source != r.Path || target == "/" {
			return Item{}, false
		}
		if strings.HasSuffix(r.Target, "/") {
			return Item{Source: source, Root: target, Path: filepath.Base(source)}, true
		}
		return Item{Source: source, Root: path.Dir(target), Path: path.Base(target)}, true
	}
	rel, err := filepath.Rel(r.Path, source)
	if err != nil || !filepath.IsLocal(rel) || rel == "." {
		return Item{}, false
	}
	return Item{Source: source, Root: target, Path: filepath.ToSlash(rel)}, true
}

// sourced is a file to write and where its contents are.
type sourced struct {
	file   shim.File
	source string
}

// filesOf examines the sources. Directories come before their contents, because files are written in order. Anything but files,
// directories and symbolic links is skipped.
func filesOf(items []Item) []sourced {
	out := make([]sourced, 0, len(items))
	for _, i := range items {
		if f, ok := look(i); ok {
			out = append(out, sourced{f, i.Source})
		}
	}
	return out
}

func look(i Item) (shim.File, bool) {
	f := shim.File{Root: i.Root, Path: i.Path}
	info, err := os.Lstat(i.Source)
	if err != nil {
		f.Kind = shim.Gone
		return f, os.IsNotExist(err)
	}
	f.Mode, f.ModTime = uint32(info.Mode().Perm()), info.ModTime().UnixNano()
	switch {
	case info.IsDir():
		f.Kind = shim.Directory
	case info.Mode().IsRegular():
		f.Kind, f.Size = shim.Regular, info.Size()
	case info.Mode()&fs.ModeSymlink != 0:
		link, err := os.Readlink(i.Source)
		f.Kind, f.Link = shim.Symlink, filepath.ToSlash(link)
		return f, err == nil
	default:
		return f, false
	}
	return f, true
}

// checkItem returns an error for an item whose path leaves its root.
func checkItem(i Item) error {
	if !path.IsAbs(i.Root) || path.Clean(i.Root) != i.Root || !filepath.IsLocal(filepath.FromSlash(i.Path)) || path.Clean(i.Path) == "." {
		return fmt.Errorf("cannot sync to %q: it is not below %q", i.Path, i.Root)
	}
	return nil
}
