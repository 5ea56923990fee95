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

// Item is one path of a container that is to be as its source on the host is.
type Item struct {
	// Source is absolute, on the host; what is not there (any more) is removed from the container.
	Source string `json:"source"`
	// Root is the absolute directory in the container that the rule writes to, Path is below it.
	Root string `json:"root"`
	Path string `json:"path"`
}

// Target is the item's absolute path in the container.
func (i Item) Target() string { return path.Join(i.Root, i.Path) }

// ItemOf is where a rule puts a path of the host. ok is false when the path is not the rule's, or the rule has no target.
// For a rule whose path is a file (isFile), the target is a file too.
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

// sourced is a file to lay and where its contents are.
type sourced struct {
	file   shim.File
	source string
}

// filesOf looks at the sources. Directories come before what is in them, since items are taken in their order. What is
// neither file, directory nor symbolic link is left out.
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

// checkItem refuses an item that would leave its root, whatever made it.
func checkItem(i Item) error {
	if !path.IsAbs(i.Root) || path.Clean(i.Root) != i.Root || !filepath.IsLocal(filepath.FromSlash(i.Path)) || path.Clean(i.Path) == "." {
		return fmt.Errorf("cannot sync to %q below %q: it is not below it", i.Path, i.Root)
	}
	return nil
}
