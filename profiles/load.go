package profiles

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/tree"
	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v4"

	"github.com/lyandev/lyandev/services"
)

// load is the state of one Load, shared by its steps.
type load struct {
	o    Options
	env  types.Mapping
	p    problems
	docs []*document

	order    []string
	profiles map[string]*profile
	// profile is the name of the active profile, chain are the profiles it is merged from, activated the active Compose
	// profiles.
	profile   string
	chain     []*profile
	activated []string

	name  string
	loc   locator
	notes []string
}

// Load reads the files and returns the stack of one profile. It does no other I/O. All errors in the files are returned at
// once as Errors; a file that cannot be read is a plain error.
func Load(ctx context.Context, o Options) (*services.Stack, error) {
	l, err := open(o)
	if err != nil {
		return nil, err
	}
	l.chain = l.choose()
	l.interpolate()
	l.name = l.projectName()
	if err := l.check(); err != nil {
		return nil, err
	}
	if !l.p.empty() {
		return nil, l.p.err()
	}
	project, err := l.compose(ctx)
	if err != nil {
		return nil, err
	}
	stack := l.convert(project)
	if !l.p.empty() {
		return nil, l.p.err()
	}
	return stack, nil
}

// open reads and parses the files.
func open(o Options) (*load, error) {
	o, err := o.resolve()
	if err != nil {
		return nil, err
	}
	l := &load{o: o}
	for _, f := range o.Files {
		if err := l.read(f); err != nil {
			return nil, err
		}
	}
	if !l.p.empty() {
		return nil, l.p.err()
	}
	if l.env, err = o.environment(); err != nil {
		return nil, err
	}
	l.order, l.profiles = readProfiles(l.docs)
	return l, nil
}

func (l *load) read(file string) error {
	path, err := filepath.Abs(file)
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", file, err)
	}
	st, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", file, err)
	}
	if !st.Mode().IsRegular() {
		return fmt.Errorf("cannot read %s: it is not a regular file", file)
	}
	if st.Size() > maxFileBytes {
		l.p.add(Error{File: file, Message: fmt.Sprintf("the file has %d bytes, the limit is %d", st.Size(), maxFileBytes)})
		return nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", file, err)
	}
	l.docs = append(l.docs, parse(file, path, content, &l.p)...)
	return nil
}

// interpolate substitutes variables in the documents and in the fragments of all profiles. Variables that only inactive
// profiles use may be unset.
func (l *load) interpolate() {
	in := newInterpolator(l.env, &l.p)
	root := tree.NewPath()
	for _, d := range l.docs {
		for _, k := range d.root.keys {
			if k == extensionKey && d.root.fields[k].isMap() {
				ext := d.root.fields[k]
				for _, e := range ext.keys {
					if e != "profiles" {
						in.tree(ext.fields[e], root.Next(k).Next(e), keyPath{k, e}, false)
					}
				}
				continue
			}
			in.tree(d.root.fields[k], root.Next(k), keyPath{k}, false)
		}
		l.loc.add(d.root, nil)
	}
	chosen := map[*profile]bool{}
	for _, pr := range l.chain {
		chosen[pr] = true
		for _, f := range pr.fragments {
			in.tree(f.root, root, f.prefix, false)
			l.loc.add(f.root, f.prefix)
		}
	}
	for _, name := range l.order {
		if pr := l.profiles[name]; !chosen[pr] {
			for _, f := range pr.fragments {
				in.tree(f.root, root, f.prefix, true)
			}
		}
	}
	for _, name := range in.order {
		l.note(in.unset[name], nil, "variable %s is not set and has no default: the empty string is used", name)
	}
}

// note records a field that is ignored or approximated.
func (l *load) note(pos position, path keyPath, format string, args ...any) {
	msg := pos.String() + ": "
	if len(path) > 0 {
		msg += path.String() + ": "
	}
	msg += fmt.Sprintf(format, args...)
	for _, n := range l.notes {
		if n == msg {
			return
		}
	}
	l.notes = append(l.notes, msg)
}

// configFiles converts the documents and the active profile's fragments to the input of compose-go.
func (l *load) configFiles() ([]types.ConfigFile, error) {
	var files []types.ConfigFile
	add := func(d *document, n *yaml.Node) error {
		content, err := yaml.Marshal(n)
		if err != nil {
			return fmt.Errorf("cannot encode %s for merging: %w", d.file, err)
		}
		files = append(files, types.ConfigFile{Filename: d.path, Content: content})
		return nil
	}
	for _, d := range l.docs {
		if err := add(d, withoutProfiles(d.node)); err != nil {
			return nil, err
		}
	}
	for _, pr := range l.chain {
		for _, f := range pr.fragments {
			if n := f.compose(); n != nil {
				if err := add(f.doc, n); err != nil {
					return nil, err
				}
			}
		}
	}
	return files, nil
}
