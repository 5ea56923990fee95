// Package watch tells what changed below directories, in batches that are one save, one checkout, one burst each.
//
// The parts: Matcher says which paths count (pure), tracker what has changed against what was known, debounce when a
// batch is complete (pure), notifier and poller where news comes from, Watcher ties them together.
package watch

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// always are the paths that no rule ever means: version control's own files, and what editors leave beside a file while
// they save it (vim: 4913, .swp, ~; emacs: .#x, #x#; JetBrains: ___jb_; gedit: .goutputstream; kate: .kate-swp).
var always = []string{
	"**/.git", "**/.hg", "**/.svn", "**/.jj",
	"**/*~", "**/.*.sw?", "**/.*.swpx", "**/4913", "**/.#*", "**/#*#", "**/*___jb_tmp___", "**/*___jb_old___",
	"**/.goutputstream-*", "**/.*.kate-swp", "**/.DS_Store",
}

// Ignores are patterns as .dockerignore has them, relative to a directory.
type Ignores struct {
	Dir      string
	Patterns []string
}

// ReadIgnores reads dir/.dockerignore, or Dockerfile's own ignore file beside it; neither is no patterns.
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

// Matcher says which paths below a base count. It is pure and may be used by many.
type Matcher struct {
	base    string
	ignores []ignoring
	include *patternmatcher.PatternMatcher
}

type ignoring struct {
	dir string
	pm  *patternmatcher.PatternMatcher
}

// NewMatcher makes a matcher of paths below base: those that one of include matches (all, if it is empty) and that no
// ignore matches. include's patterns are relative to base.
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

// Matches says whether a path counts. Directories are not held against include.
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

// Skips says that nothing at or below a directory can count, so that it need not even be read.
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

// below is path relative to dir with slashes; ok is false if it is not below it.
func below(dir, path string) (rel string, ok bool) {
	if dir == "/" {
		return strings.TrimPrefix(filepath.ToSlash(path), "/"), path != "/"
	}
	if len(path) <= len(dir) || path[:len(dir)] != dir || path[len(dir)] != filepath.Separator {
		return "", false
	}
	return filepath.ToSlash(path[len(dir)+1:]), true
}
