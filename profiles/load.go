package profiles

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

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
	// related are the documents of included and extended files; each has its own variables.
	related []*document
	reader  reader

	order    []string
	profiles map[string]*profile
	// profile is the name of the active profile, chain are the profiles it is merged from, activated the active Compose
	// profiles.
	profile string
	// own is the active profile of x-lyandev, "" for none.
	own       string
	chain     []*profile
	activated []string
	// casts are the conversions that compose-go has to make: it would compare every value with the patterns of all of them.
	casts casts
	// cycles are the cycles of profiles that were reported.
	cycles []string
	// cyclesTold: another load reports them.
	cyclesTold bool
	// noProfile is true if a profile that is asked for does not exist, tooMany if the files have too many ports.
	noProfile, tooMany bool
	// carved is what compose-go was not given.
	carved carved
	// complete is true if no stage had to be left out.
	complete bool

	name  string
	loc   locator
	notes []string
	// notApplied are those of the notes that are about settings of the file that are ignored or approximated.
	notApplied []string
	// warnings are those of the notes that tell of what is probably a mistake.
	warnings []string
}

// Load reads the files and returns the stack of the chosen profiles. It does no other I/O. All errors in the files are returned
// at once as Errors; a file that cannot be read is a plain error. When the context ends, Load returns its cause at once.
func Load(ctx context.Context, o Options) (*services.Stack, error) {
	type result struct {
		stack *services.Stack
		err   error
	}
	done := make(chan result, 1)
	go func() { // merging a large file cannot be interrupted; it ends by itself, because the limits bound it
		stack, err := loadStack(ctx, o)
		done <- result{stack, err}
	}()
	select {
	case r := <-done:
		return r.stack, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func loadStack(ctx context.Context, o Options) (*services.Stack, error) {
	warmSchemas()
	l, err := open(ctx, o)
	if err != nil {
		return nil, err
	}
	l.chain = l.choose()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var others otherLoads
	if o.EveryProfile {
		others = l.startOthers(ctx)
	}
	stack, err := l.stack(ctx)
	if err == nil && o.EveryProfile {
		err = l.others(ctx, stack, others)
	}
	if err != nil {
		return nil, err
	}
	return stack, l.p.err()
}

// stack goes through the stages, after choose. A stage goes on after mistakes of earlier ones if it can: what is wrong is left out. It returns a
// nil stack if there are mistakes, which are in l.p; the error is about something else.
func (l *load) stack(ctx context.Context) (*services.Stack, error) {
	l.interpolate()
	l.name = l.projectName()
	if err := l.check(); err != nil {
		return nil, err
	}
	l.bounds()
	if l.unknownParts() {
		return nil, nil
	}
	for l.repair() { // a renamed key has a value that was not checked yet
		if err := l.check(); err != nil {
			return nil, err
		}
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	project, err := l.compose(ctx)
	if err != nil || project == nil {
		return nil, err
	}
	stack := l.convert(project)
	l.complete = true
	if !l.p.empty() {
		return nil, nil
	}
	return stack, nil
}

// unknownParts reports whether a mistake hides so much that later stages would report what is not wrong: a file that was not parsed
// or an included one with mistakes, whose services are not known; a profile that is not there; or too many ports to expand.
func (l *load) unknownParts() bool {
	included := func(e Error) bool {
		return slices.ContainsFunc(l.related, func(d *document) bool { return d.file == e.File })
	}
	return l.p.broken || l.noProfile || l.tooMany || slices.ContainsFunc(l.p.list, included)
}

// open reads and parses the files, and those that they include and extend. Mistakes are in the load.
func open(ctx context.Context, o Options) (*load, error) {
	registerRawFormat()
	o, env, err := o.resolve()
	if err != nil {
		return nil, err
	}
	l := &load{o: o, env: env, reader: reader{stdin: o.Stdin}}
	for _, f := range o.Files {
		path, err := l.pathOf(f)
		if err != nil {
			return nil, err
		}
		docs, err := l.read(ctx, f, path)
		if err != nil {
			return nil, err
		}
		l.docs = append(l.docs, docs...)
	}
	if len(l.docs) == 0 && l.p.empty() {
		l.p.add(Error{File: o.Files[0], Line: 1, Message: "the file is empty", Hint: "it needs at least one service under services:"})
	}
	if len(l.docs) == 0 {
		return nil, l.p.err()
	}
	if err := l.readRelated(ctx); err != nil {
		return nil, err
	}
	before := len(l.p.list)
	if l.refuseNewer(); len(l.p.list) > before {
		return nil, l.p.err() // its keys would be called misspelt
	}
	l.order, l.profiles = readProfiles(l.docs, newInterpolator(l.env, &l.p))
	return l, nil
}

// read reads and parses one file. Errors in it go to l.p.
func (l *load) read(ctx context.Context, file, path string) ([]*document, error) {
	content, err := l.reader.read(ctx, file, path)
	var limit Error
	if errors.As(err, &limit) {
		l.p.add(limit)
		l.p.broken = true
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parse(file, path, content, &l.p), nil
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
	l.noteUnset(in)
	l.casts = in.used
	for _, d := range l.related {
		in := newInterpolator(d.env, &l.p)
		in.tree(d.root, root, nil, false)
		l.noteUnset(in)
		maps.Copy(l.casts, in.used)
		l.loc.addRelated(d.root)
	}
}

func (l *load) noteUnset(in *interpolator) {
	for _, name := range in.order {
		l.note(in.unset[name], nil, "variable %s is not set and has no default: the empty string is used", name)
	}
}

// note records what a user should know about a place in the files, and returns its text.
func (l *load) note(pos position, path keyPath, format string, args ...any) string {
	pos.column = 0
	return l.noteAt(pos, path, format, args...)
}

// noteAt is note with the column.
func (l *load) noteAt(pos position, path keyPath, format string, args ...any) string {
	msg := pos.full() + ": "
	if len(path) > 0 {
		msg += path.String() + ": "
	}
	msg += fmt.Sprintf(format, args...)
	for _, n := range l.notes {
		if n == msg {
			return msg
		}
	}
	l.notes = append(l.notes, msg)
	return msg
}

// configFiles converts the documents and the active profile's fragments, without what is carved, to the input of compose-go.
func (l *load) configFiles(without carved) ([]types.ConfigFile, error) {
	var files []types.ConfigFile
	add := func(d *document, n *yaml.Node) error {
		quotePorts(n)
		content, err := yaml.Marshal(without.without(n))
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
