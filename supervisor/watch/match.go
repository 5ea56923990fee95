// Package watch reports file changes below directories, in debounced batches: one per save or checkout.
//
// Its parts: Matcher selects the paths to watch (pure); tracker compares paths with their last known state; debounce decides
// when a batch is complete (pure); notifier and poller are the sources of events; Watcher combines them.
package watch

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// always are paths that are always ignored: files of version control systems, and temporary files of editors (vim: 4913, .swp,
// ~; emacs: .#x, #x#; JetBrains: ___jb_; gedit: .goutputstream; kate: .kate-swp).
var always = []string{
	"**/.git", "**/.hg", "**/.svn", "**/.jj",
	"**/*~", "**/.*.sw?", "**/.*.swpx", "**/4913", "**/.#*", "**/#*#", "**/*___jb_tmp___", "**/*___jb_old___",
	"**/.goutputstream-*", "**/.*.kate-swp", "**/.DS_Store",
}

// Ignores are .dockerignore patterns, relative to a directory.
type Ignores struct {
	Dir      string
	Patterns []string
}

// ReadIgnores reads the Dockerfile's own ignore file (NAME.dockerignore) or dir/.dockerignore. Without either there are no
// patterns.
func ReadIgnores(dir, dockerfile string) (Ignores, error) {
	out := Ignores{Dir: dir}
	paths := []string{filepath.Join(dir, ".dockerignore")}
	if dockerfile != "" {
		if !filepath.IsAbs(dockerfile) {
			dockerfile = filepath.Join(dir, dockerfile)
		}
		paths = append([]string{dockerfile + ".dockerignore"}, paths...)
	}
	for _, p := range paths {
		f, err := os.Open(p)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return out, fmt.Errorf("cannot read %s: %w", p, err)
		}
		defer f.Close()
		out.Patterns, err = ignorefile.ReadAll(f)
		if err != nil {
			return out, fmt.Errorf("cannot read %s: %w", p, err)
		}
		return out, nil
	}
	return out, nil
}

// Matcher selects the paths below a base directory to watch. It is immutable and safe for concurrent use.
type Matcher struct {
	base    string
	ignores []ignoring
	include *patternmatcher.PatternMatcher
}

type ignoring struct {
	dir string
	pm  *patternmatcher.PatternMatcher
}

// NewMatcher returns a Matcher of the paths below base that match a pattern of include (any path if it is empty) and none of
// ignores. The patterns of include are relative to base.
func NewMatcher(base string, include []string, ignores ...Ignores) (*Matcher, error) {
	m := &Matcher{base: base}
	for _, i := range append([]Ignores{{Dir: base, Patterns: always}}, ignores...) {
		if len(i.Patterns) == 0 {
			continue
		}
		pm, err := patternmatcher.New(i.Patterns)
		if err != nil {
			return nil, fmt.Errorf("cannot use the ignore patterns %q: %w", i.Patterns, err)
		}
		m.ignores = append(m.ignores, ignoring{i.Dir, pm})
	}
	if len(include) > 0 {
		pm, err := patternmatcher.New(include)
		if err != nil {
			return nil, fmt.Errorf("cannot use the include patterns %q: %w", include, err)
		}
		m.include = pm
	}
	return m, nil
}

// Matches reports whether a path is selected. For directories only ignores apply, not include.
func (m *Matcher) Matches(path string, dir bool) bool {
	if path == m.base {
		return true
	}
	rel, ok := below(m.base, path)
	if !ok || m.ignored(path) {
		return false
	}
	if m.include == nil || dir {
		return true
	}
	found, err := m.include.MatchesOrParentMatches(rel)
	return err == nil && found
}

// Skips reports whether nothing at or below a directory can match, so that it need not be read.
func (m *Matcher) Skips(dir string) bool {
	if dir == m.base {
		return false
	}
	if _, ok := below(m.base, dir); !ok {
		return true
	}
	for _, i := range m.ignores {
		rel, ok := below(i.dir, dir)
		if !ok || i.pm.Exclusions() {
			continue
		}
		if found, err := i.pm.MatchesOrParentMatches(rel); err == nil && found {
			return true
		}
	}
	return false
}

func (m *Matcher) ignored(path string) bool {
	for _, i := range m.ignores {
		rel, ok := below(i.dir, path)
		if !ok {
			continue
		}
		if found, err := i.pm.MatchesOrParentMatches(rel); err == nil && found {
			return true
		}
	}
	return false
}

// below returns path relative to dir, with slashes; ok is false if it is not below dir.
func below(dir, path string) (rel string, ok bool) {
	if dir == "/" {
		return strings.TrimPrefix(filepath.ToSlash(path), "/"), path != "/"
	}
	if len(path) <= len(dir) || path[:len(dir)] != dir || path[len(dir)] != filepath.Separator {
		return "", false
	}
	return filepath.ToSlash(path[len(dir)+1:]), true
}
