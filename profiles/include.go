package profiles

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
)

// readRelated reads the files that the documents include or extend, so that the limits hold before compose-go reads them and
// errors in them have a position. It follows the same paths as compose-go. It returns an error only if ctx ends.
func (l *load) readRelated(ctx context.Context) error {
	f := follower{l: l, seen: map[string]bool{}}
	for _, d := range l.docs {
		f.document(ctx, d, l.o.WorkDir, l.env)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

type follower struct {
	l *load
	// seen are the files that were read, each with the directory and the variables that it was read with.
	seen map[string]bool
}

// document reads what one document includes and what its services extend. dir is the base of its relative paths.
func (f *follower) document(ctx context.Context, d *document, dir string, env types.Mapping) {
	if list := d.root.get("include"); list != nil {
		for i, entry := range list.list {
			f.include(ctx, entry, keyPath{"include", index(i)}, dir, env)
		}
	}
	if m := d.root.get("services"); m.isMap() {
		for _, name := range m.keys {
			f.extends(ctx, d, name, dir, env)
		}
	}
}

// include reads one entry of include: a path, or a mapping with path, project_directory and env_file.
func (f *follower) include(ctx context.Context, entry *item, at keyPath, dir string, env types.Mapping) {
	paths, base := entry, ""
	if entry.isMap() {
		paths = entry.get("path")
		if p := entry.get("project_directory"); p != nil && p.str() != "" {
			base = absolute(dir, text(p, env))
		}
	}
	if paths == nil {
		return
	}
	list := paths.list
	if !paths.isList {
		list = []*item{paths}
	}
	inner := env
	for i, p := range list {
		path := absolute(dir, text(p, env))
		if i == 0 {
			if base == "" {
				base = filepath.Dir(path)
			}
			inner = f.includeEnv(entry, at, dir, base, env)
		}
		for _, d := range f.read(ctx, path, p, at, base, inner) {
			d.included = true
			f.document(ctx, d, base, inner)
		}
	}
}

// includeEnv adds the variables of an include's env_file, by default .env in the included project's directory.
func (f *follower) includeEnv(entry *item, at keyPath, dir, base string, env types.Mapping) types.Mapping {
	var files []string
	if e := entry.get("env_file"); e != nil {
		for _, p := range slices.DeleteFunc(stringsOf(e), func(p string) bool { return p == os.DevNull }) {
			files = append(files, absolute(dir, p))
		}
	} else if p := filepath.Join(base, ".env"); isFile(p) {
		files = []string{p}
	}
	if len(files) == 0 {
		return env
	}
	vars, err := readEnvFiles(env, files)
	if err != nil {
		f.l.p.at(entry.pos, at.with("env_file"), "", "%v", err)
		return env
	}
	return env.Clone().Merge(vars)
}

// extends reads the file that a service extends, and those that the extended service itself extends.
func (f *follower) extends(ctx context.Context, d *document, name, dir string, env types.Mapping) {
	ext := d.root.get("services", name, "extends")
	if ext == nil {
		return
	}
	file, service := ext.get("file"), ext.get("service")
	if service == nil {
		service = ext
	}
	base := service.str()
	if file == nil || file.str() == "" {
		if key := fmt.Sprint("extends ", d.path, " ", base); base != name && d.related() && !f.seen[key] {
			f.seen[key] = true
			f.extends(ctx, d, base, dir, env)
		}
		return
	}
	path := absolute(dir, text(file, env))
	for _, other := range f.read(ctx, path, file, keyPath{"services", name, "extends", "file"}, filepath.Dir(path)+" "+base, env) {
		other.extended = appendNew(other.extended, base)
		f.extends(ctx, other, base, filepath.Dir(path), env)
	}
}

// remotePrefixes begin the references to files elsewhere that Docker Compose can load.
var remotePrefixes = []string{"oci://", "http://", "https://", "git://", "ssh://", "git@", "github.com/"}

// read reads a file unless it was read before in the same way. Errors are reported at the value that names it.
func (f *follower) read(ctx context.Context, path string, from *item, at keyPath, how string, env types.Mapping) []*document {
	key := path + "\x00" + how + "\x00" + strings.Join(env.Values(), "\x00")
	if f.seen[key] || ctx.Err() != nil {
		return nil
	}
	f.seen[key] = true
	if slices.ContainsFunc(remotePrefixes, func(p string) bool { return strings.HasPrefix(from.str(), p) }) {
		f.l.p.at(from.pos, at, "copy it into the project", "the file %s is not on this machine; lyandev loads no remote files", from.str())
		return nil
	}
	content, err := f.l.reader.read(ctx, path, path)
	if err != nil {
		if ctx.Err() == nil {
			f.l.p.at(from.pos, at, strings.TrimPrefix(nearPath(path), "; "), "%s", strings.ReplaceAll(err.Error(), path, f.l.relative(path)))
		}
		return nil
	}
	docs := parse(path, path, content, &f.l.p)
	for _, d := range docs {
		d.env = env
	}
	f.l.related = append(f.l.related, docs...)
	return docs
}

// text is a scalar with its variables substituted, as it is if that fails; compose-go reports the failure.
func text(it *item, env types.Mapping) string {
	s, err := substitute(it.str(), template.Mapping(env.Resolve))
	if err != nil {
		return it.str()
	}
	return s
}

func absolute(dir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}
