package profiles

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/interpolation"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// compose merges, normalises and resolves the documents with compose-go and checks every reference in the result. After a mistake, which
// goes to l.p, it tries again without it. It returns nil if that is not possible.
func (l *load) compose(ctx context.Context) (*types.Project, error) {
	configure := []func(*loader.Options){
		func(o *loader.Options) {
			o.SetProjectName(l.name, true)
			o.Profiles = l.activated
			o.Interpolate = &interpolation.Options{
				Substitute:      substitute,
				LookupValue:     (&types.ConfigDetails{Environment: l.env}).LookupEnv,
				TypeCastMapping: l.neededCasts(),
			}
		},
	}
	l.repair()
	for range maxRepairs {
		project, err := l.merge(ctx, configure)
		if err == nil || ctx.Err() != nil {
			return project, context.Cause(ctx)
		}
		if !errors.Is(err, errMistakes) && !l.composeError(err) || !l.repair() {
			return nil, nil
		}
	}
	return nil, nil
}

// maxRepairs bounds how often the files are merged again after a mistake was left out.
const maxRepairs = 30

// errMistakes means that mistakes were found.
var errMistakes = errors.New("mistakes in the files")

// merge is one try of compose. It returns errMistakes if cross-references lead nowhere.
func (l *load) merge(ctx context.Context, configure []func(*loader.Options)) (*types.Project, error) {
	l.carved = l.carve()
	files, err := l.configFiles(l.carved)
	if err != nil {
		return nil, err
	}
	details := types.ConfigDetails{WorkingDir: l.o.WorkDir, ConfigFiles: files, Environment: l.env.Clone()}
	model, err := loader.LoadModelWithContext(ctx, details, configure...)
	if err != nil {
		return nil, err
	}
	project, err := l.project(model, details, configure, true)
	if err != nil {
		return nil, err
	}
	before := len(l.p.damage) + len(l.p.list)
	l.crossReference(project)
	if len(l.p.damage)+len(l.p.list) > before {
		return nil, errMistakes
	}
	// Once more with compose-go's own checks, for errors that the checks above do not cover.
	return l.project(model, details, configure, false)
}

// project binds a copy of the model to compose-go's types. With lenient it skips compose-go's checks, which stop at the first
// error, and does not read env files, which may be missing; the checks of this package report all errors at once.
func (l *load) project(model map[string]any, details types.ConfigDetails, configure []func(*loader.Options), lenient bool) (*types.Project, error) {
	o := loader.ToOptions(&details, configure)
	o.SkipConsistencyCheck = lenient
	o.SkipResolveEnvironment = lenient
	o.SkipResolveLabels = lenient
	p, err := loader.ModelToProject(cloneValue(model).(map[string]any), o, details)
	if err == nil {
		l.carved.restore(p)
	}
	return p, err
}

func cloneValue(v any) any {
	switch x := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(x))
		for k, e := range x {
			m[k] = cloneValue(e)
		}
		return m
	case []any:
		s := make([]any, len(x))
		for i, e := range x {
			s[i] = cloneValue(e)
		}
		return s
	}
	return v
}

var (
	namesPath    = regexp.MustCompile(`\b(?:services|volumes|networks|configs|secrets)\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+|\[\d+\])*`)
	namesService = regexp.MustCompile(`service "?([A-Za-z0-9._-]+)"?`)
)

// composeError adds an error of compose-go, with a position if its text contains a key path or a service name. It returns false if the
// place is not precise enough to go on without it.
func (l *load) composeError(err error) bool {
	msg := strings.Join(strings.Fields(err.Error()), " ")
	for _, d := range l.docs {
		msg = strings.ReplaceAll(msg, "validating "+d.path+": ", "")
		msg = strings.ReplaceAll(msg, d.path, d.file)
	}
	before := len(l.p.damage)
	if m := namesPath.FindString(msg); m != "" {
		parts := strings.FieldsFunc(strings.ReplaceAll(m, "[", ".["), func(r rune) bool { return r == '.' })
		msg = strings.TrimPrefix(strings.TrimPrefix(msg, m), ": ")
		at := l.loc.at(parts...)
		l.p.at(at.pos, at.path, "", "%s", strings.TrimSpace(msg))
		return len(l.p.damage) > before && len(at.path) > 2 && at.depth == len(parts)
	}
	at := place{pos: position{file: l.docs[0].file}}
	if m := namesService.FindStringSubmatch(msg); m != nil {
		at = l.loc.at("services", m[1])
	}
	if l.p.empty() {
		l.p.at(at.pos, at.path, "", "%s", strings.TrimSpace(msg))
	}
	return false
}

// known are the declared names of one kind, for hints.
func known[V any](m map[string]V) []string { return slices.Collect(maps.Keys(m)) }

// crossReference reports every reference to an undeclared name and every dependency cycle.
func (l *load) crossReference(p *types.Project) {
	x := crossRef{l: l, p: p, all: map[string]types.ServiceConfig{}}
	maps.Copy(x.all, p.DisabledServices)
	maps.Copy(x.all, p.Services)
	if len(x.all) == 0 && len(p.Volumes)+len(p.Networks) > 0 {
		return // a file of volumes and networks is valid for Compose; there is nothing to run
	}
	inServices := func(d damage) bool { return modelPath(d.path)[0] == "services" }
	if len(x.all) == 0 && slices.ContainsFunc(l.p.damage, inServices) {
		return // they are left out because of mistakes
	}
	if len(x.all) == 0 {
		l.p.at(l.loc.pos("services"), keyPath{"services"}, "", "the file declares no services")
		return
	}
	if len(p.Services) == 0 {
		l.p.at(l.loc.pos("services"), keyPath{"services"}, l.profileHint(l.profile), "no service is part of profile %q", l.profile)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(p.Services)) {
		x.service(x.all[name])
	}
	x.cycles()
}

type crossRef struct {
	l   *load
	p   *types.Project
	all map[string]types.ServiceConfig
}

func (x crossRef) bad(hint string, path keyPath, format string, args ...any) {
	x.l.bad(path, hint, format, args...)
}

// bad adds a mistake at a path of the merged model.
func (l *load) bad(path keyPath, hint, format string, args ...any) {
	d := l.damageAt(path)
	l.p.say(d, Error{Path: l.loc.at(path...).shown(path).String(), Message: fmt.Sprintf(format, args...), Hint: hint})
}

// damageAt is the place of a path of the merged model in the files.
func (l *load) damageAt(path keyPath) damage {
	at := l.loc.at(path...)
	d := damage{pos: at.pos, path: at.path}
	if at.depth < len(path) {
		d.path = at.shown(path)
	}
	return d
}

func (x crossRef) service(s types.ServiceConfig) {
	at := keyPath{"services", s.Name}
	if s.Image == "" && s.Build == nil && s.Provider == nil {
		x.noImage(at)
	}
	if n := s.GetScale(); s.ContainerName != "" && n > 1 {
		x.bad("remove container_name or run one container", at.with("container_name"), "%s can be the name of one container, and the service has %d", s.ContainerName, n)
	}
	for _, on := range slices.Sorted(maps.Keys(s.DependsOn)) {
		path, field := x.edge(s, on)
		hint := ""
		if field == "depends_on" {
			hint = "set required: false if the service can do without it"
		}
		x.serviceRef(on, s.DependsOn[on].Required, path, hint)
	}
	for i, v := range s.Volumes {
		if _, ok := x.p.Volumes[v.Source]; !ok && v.Type == types.VolumeTypeVolume && v.Source != "" {
			x.bad(x.hint(v.Source, known(x.p.Volumes), "volumes"), at.with("volumes", index(i)), "there is no volume %q", v.Source)
		}
	}
	for i, c := range s.Configs {
		if _, ok := x.p.Configs[c.Source]; !ok {
			x.bad(x.hint(c.Source, known(x.p.Configs), "configs"), at.with("configs", index(i)), "there is no config %q", c.Source)
		}
	}
	secrets := func(list []types.ServiceSecretConfig, path keyPath) {
		for i, c := range list {
			if _, ok := x.p.Secrets[c.Source]; !ok {
				x.bad(x.hint(c.Source, known(x.p.Secrets), "secrets"), path.with(index(i)), "there is no secret %q", c.Source)
			}
		}
	}
	x.files(s, at)
	secrets(s.Secrets, at.with("secrets"))
	if s.Build != nil {
		secrets(s.Build.Secrets, at.with("build", "secrets"))
	}
	for _, n := range slices.Sorted(maps.Keys(s.Networks)) {
		if _, ok := x.p.Networks[n]; !ok {
			x.bad(x.hint(n, known(x.p.Networks), "networks"), at.with("networks", n), "there is no network %q", n)
		}
	}
}

// noImage reports a service without image and build, unless one of them was left out because of a mistake.
func (x crossRef) noImage(at keyPath) {
	d := x.l.damageAt(at)
	d.image = true
	if x.l.p.damaged(at.with("image")...) || x.l.p.damaged(at.with("build")...) || x.l.p.damaged(at.with("extends")...) {
		d.file = d.pos.file
		x.l.p.spoil(d)
		return
	}
	hint := "one of them is required"
	others := slices.DeleteFunc(known(x.all), func(n string) bool { return n == at[1] })
	if near := Nearest(at[1], others); near != "" && len(at[1]) > 3 {
		hint += ", or did you mean the service " + near + "?"
	}
	x.l.p.say(d, Error{Path: at.String(), Message: "the service has neither image nor build", Hint: hint})
}

// files checks the files with variables and labels, which compose-go opens without a check.
func (x crossRef) files(s types.ServiceConfig, at keyPath) {
	for i, f := range s.EnvFiles {
		switch err := checkRegular(f.Path); {
		case err == nil, f.Path == os.DevNull, errors.Is(err, fs.ErrNotExist) && !bool(f.Required):
		case errors.Is(err, fs.ErrNotExist):
			hint := "set required: false if the file is optional"
			if near := nearPath(f.Path); near != "" {
				hint = strings.TrimPrefix(near, "; ") + " Or " + hint
			}
			x.bad(hint, at.with("env_file", index(i)), "there is no file %s", x.l.relative(f.Path))
		default:
			x.bad("", at.with("env_file", index(i)), "cannot read %s: %v", x.l.relative(f.Path), err)
		}
	}
	for i, f := range s.LabelFiles {
		if err := checkRegular(f); err != nil {
			x.bad("", at.with("label_file", index(i)), "cannot read %s: %v", f, err)
		}
	}
}

func (x crossRef) hint(name string, names []string, section string) string {
	if h := didYouMean(name, names); h != "" {
		return h
	}
	return "declare it under " + section + ":"
}

// serviceRef checks that a service exists and, if needed is set, that it is enabled in the profile.
func (x crossRef) serviceRef(name string, needed bool, path keyPath, hint string) {
	if _, ok := x.all[name]; !ok && !x.l.p.damaged("services", name) {
		x.bad(didYouMean(name, known(x.all)), path, "there is no service %q", name)
		return
	}
	if _, ok := x.p.Services[name]; !ok && needed {
		in := "the Compose profiles " + strings.Join(x.all[name].Profiles, ", ")
		if hint != "" {
			in = hint + "; it belongs to " + in
		} else {
			in = "it belongs to " + in
		}
		x.bad(in, path, "service %q is not part of %s", name, x.l.profileName())
	}
}

func (l *load) profileName() string {
	if l.profile == "" {
		return "the stack without a profile"
	}
	return "profile " + l.profile
}

// topExtension decodes the merged top-level x-lyandev.
func topExtension(p *types.Project) (topExt, error) {
	var ext topExt
	raw, err := json.Marshal(p.Extensions[extensionKey])
	if err != nil {
		return ext, fmt.Errorf("cannot read %s: %w", extensionKey, err)
	}
	return ext, json.Unmarshal(raw, &ext)
}
