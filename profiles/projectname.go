package profiles

import (
	"context"

	"github.com/compose-spec/compose-go/v2/tree"
)

// Project is what tells which project files are: the name and the directory of the stack that Load returns for them.
type Project struct{ Name, Dir string }

// FindProject returns the project of the files without loading them: it reads the named files, but none that they include or extend, and
// checks nothing but their YAML and the name. ok is false if only Load can tell, or what is wrong with the files.
func FindProject(ctx context.Context, o Options) (p Project, ok bool) {
	o, env, err := o.resolve()
	if err != nil {
		return Project{}, false
	}
	l := &load{o: o, env: env, reader: reader{stdin: o.Stdin}}
	for _, f := range o.Files {
		path, err := l.pathOf(f)
		if err != nil {
			return Project{}, false
		}
		docs, err := l.read(ctx, f, path)
		if err != nil {
			return Project{}, false
		}
		l.docs = append(l.docs, docs...)
	}
	in := newInterpolator(l.env, &l.p)
	for _, d := range l.docs {
		n := d.root.get("name")
		if n == nil {
			continue
		}
		if _, text := n.value.(string); !text {
			return Project{}, false // a mistake
		}
		in.tree(n, tree.NewPath("name"), keyPath{"name"}, false)
	}
	name := l.projectName()
	if len(l.docs) == 0 || !l.p.empty() {
		return Project{}, false
	}
	return Project{Name: name, Dir: o.WorkDir}, true
}
