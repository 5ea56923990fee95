package build

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"github.com/lyandev/lyandev/assets"
	"github.com/lyandev/lyandev/services"
)

// EmbeddedPrefix marks a context that is embedded in this binary: "embedded:images/mariadb".
const EmbeddedPrefix = "embedded:"

// source locates a build's files.
type source struct {
	context       string
	dockerfileDir string
	dockerfile    string // the name in dockerfileDir
	contexts      map[string]string
	images        map[string]string
	fingerprint   string
	// inputs are hashes of the inputs by name; see inputHash.
	inputs map[string]string
	temp   string
}

func (s *source) cleanup() {
	if s.temp != "" {
		_ = os.RemoveAll(s.temp)
	}
}

// source locates the files of a build and computes their fingerprint.
func (b *Builder) source(x *services.Build, refs map[string]string) (*source, error) {
	s := &source{contexts: map[string]string{}, images: map[string]string{}}
	var err error
	if s.context, err = b.ContextDir(x.Context); err != nil {
		return nil, err
	}
	if info, err := os.Stat(s.context); err != nil {
		return nil, fmt.Errorf("cannot read the build context: %w", err)
	} else if !info.IsDir() {
		return nil, fmt.Errorf("cannot use %s as a build context: it is not a directory", s.context)
	}
	if err := s.findDockerfile(x); err != nil {
		s.cleanup()
		return nil, err
	}
	for name, v := range x.AdditionalContexts {
		if dep, ok := strings.CutPrefix(v, "service:"); ok {
			s.images[dep] = refs[dep]
		} else if filepath.IsAbs(v) {
			s.contexts[name] = v
		}
	}
	if s.fingerprint, s.inputs, err = s.takeFingerprint(x); err != nil {
		s.cleanup()
		return nil, err
	}
	return s, nil
}

func (s *source) findDockerfile(x *services.Build) error {
	if x.DockerfileInline != "" {
		dir, err := os.MkdirTemp("", "lyandev-dockerfile-")
		if err != nil {
			return fmt.Errorf("cannot write dockerfile_inline to a file: %w", err)
		}
		s.temp, s.dockerfileDir, s.dockerfile = dir, dir, "Dockerfile"
		return os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(x.DockerfileInline), 0o600)
	}
	path := x.Dockerfile
	if path == "" {
		path = "Dockerfile"
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(s.context, path)
	}
	if !exists(path) {
		return fmt.Errorf("cannot find %s; name the file with build.dockerfile", path)
	}
	s.dockerfileDir, s.dockerfile = filepath.Dir(path), filepath.Base(path)
	return nil
}

// ContextDir returns the directory of a build context. An embedded context is first written below CacheDir.
func (b *Builder) ContextDir(context string) (string, error) {
	name, ok := strings.CutPrefix(context, EmbeddedPrefix)
	if !ok {
		return context, nil
	}
	tree := assets.Demo()
	if name != "demo" {
		var err error
		if tree, err = fs.Sub(assets.Images(), strings.TrimPrefix(name, "images/")); err != nil {
			return "", fmt.Errorf("cannot find the embedded build context %s: %w", name, err)
		}
	}
	dir := filepath.Join(b.CacheDir, "embedded", filepath.FromSlash(name))
	if err := assets.WriteTo(tree, dir); err != nil {
		return "", fmt.Errorf("cannot write the embedded build context %s: %w", name, err)
	}
	return dir, nil
}

// takeFingerprint hashes the build's inputs: its description, the Dockerfile, and name, mode and content of every file in the
// contexts that .dockerignore does not exclude. With an equal fingerprint a build would give the same image, except for
// files that its steps download. It also returns a hash of each input.
func (s *source) takeFingerprint(x *services.Build) (string, map[string]string, error) {
	h := newInputHash()
	for _, v := range [][2]string{{"image", "v1 " + x.Image}, {"target", " " + x.Target}, {"platform", " " + x.Platform}, {"network", " " + x.Network}, {"dockerfile", " " + s.dockerfile + "\n"}} {
		h.begin("build." + v[0])
		fmt.Fprint(h, v[1])
	}
	for i, list := range [][]string{x.Tags, x.ExtraHosts, x.Ulimits, x.Entitlements} {
		if len(list) > 0 {
			h.begin("build." + []string{"tags", "extra_hosts", "ulimits", "entitlements"}[i])
			fmt.Fprintf(h, "%q\n", list)
		}
	}
	if x.ShmSize != 0 {
		h.begin("build.shm_size")
		fmt.Fprintf(h, "shm %d\n", x.ShmSize)
	}
	for i, m := range []map[string]string{x.Args, x.Labels, x.AdditionalContexts} {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			h.begin("build." + []string{"args", "labels", "additional_contexts"}[i] + "." + k)
			fmt.Fprintf(h, "%q=%q\n", k, m[k])
		}
	}
	h.begin(dockerfileInput)
	if err := hashFile(h, filepath.Join(s.dockerfileDir, s.dockerfile)); err != nil {
		return "", nil, err
	}
	dirs := append([]string{s.context}, slices.Sorted(maps.Values(s.contexts))...)
	for i, dir := range dirs {
		ignore, err := s.ignorePatterns(dir, i == 0)
		if err != nil {
			return "", nil, err
		}
		within := ""
		if i > 0 {
			within = dir
		}
		if err := hashTree(h, dir, within, ignore); err != nil {
			return "", nil, err
		}
	}
	sum, parts := h.sums()
	return sum, parts, nil
}

// ignorePatterns reads Dockerfile's own ignore file (NAME.dockerignore) or the context's .dockerignore.
func (s *source) ignorePatterns(dir string, main bool) ([]string, error) {
	paths := []string{filepath.Join(dir, ".dockerignore")}
	if main {
		paths = append([]string{filepath.Join(s.dockerfileDir, s.dockerfile+".dockerignore")}, paths...)
	}
	for _, p := range paths {
		f, err := os.Open(p)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read %s: %w", p, err)
		}
		defer f.Close()
		return ignorefile.ReadAll(f)
	}
	return nil, nil
}

// hashTree hashes the files of a directory. within is a directory that names of inputs begin with, "" for none.
func hashTree(h *inputHash, dir, within string, ignore []string) error {
	pm, err := patternmatcher.New(ignore)
	if err != nil {
		return fmt.Errorf("cannot use %s/.dockerignore: %w", dir, err)
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil { // WalkDir does not follow a link
		return fmt.Errorf("cannot read the build context: %w", err)
	}
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("cannot read the build context: %w", err)
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil || rel == "." {
			return err
		}
		skip, err := pm.MatchesOrParentMatches(filepath.ToSlash(rel))
		if err != nil {
			return fmt.Errorf("cannot match %s: %w", rel, err)
		}
		if skip {
			if e.IsDir() && !pm.Exclusions() {
				return filepath.SkipDir
			}
			return nil
		}
		h.begin(filepath.ToSlash(filepath.Join(within, rel)))
		return hashEntry(h, path, rel, e)
	})
}

func hashEntry(h io.Writer, path, rel string, e fs.DirEntry) error {
	info, err := e.Info()
	if os.IsNotExist(err) {
		return nil // removed during the walk: the next fingerprint differs
	}
	if err != nil {
		return fmt.Errorf("cannot read the build context: %w", err)
	}
	fmt.Fprintf(h, "%q %o\n", rel, info.Mode())
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		if err != nil {
			return fmt.Errorf("cannot read the build context: %w", err)
		}
		fmt.Fprintf(h, "-> %q\n", target)
	case info.Mode().IsRegular():
		return hashFile(h, path)
	}
	return nil
}

func hashFile(h io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("cannot read the build context: %w", err)
	}
	defer f.Close()
	n, err := io.Copy(h, f)
	if err != nil {
		return fmt.Errorf("cannot read the build context: %w", err)
	}
	fmt.Fprintf(h, "\n%d\n", n)
	return nil
}
