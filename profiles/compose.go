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

// compose merges, normalises and resolves the documents with compose-go and checks every reference in the result. The
// error, if any, is Errors.
func (l *load) compose(ctx context.Context) (*types.Project, error) {
	files, err := l.configFiles()
	if err != nil {
		return nil, err
	}
	details := types.ConfigDetails{WorkingDir: l.o.WorkDir, ConfigFiles: files, Environment: l.env.Clone()}
	configure := []func(*loader.Options){
		func(o *loader.Options) {
			o.SetProjectName(l.name, true)
			o.Profiles = l.activated
			o.Interpolate = &interpolation.Options{
				Substitute:      substitute,
				LookupValue:     details.LookupEnv,
				TypeCastMapping: o.Interpolate.TypeCastMapping,
			}
		},
	}
	model, err := loader.LoadModelWithContext(ctx, details, configure...)
	if err != nil {
		return nil, l.composeError(err)
	}
	project, err := l.project(model, details, configure, true)
	if err != nil {
		return nil, l.composeError(err)
	}
	l.crossReference(project)
	if !l.p.empty() {
		return nil, l.p.err()
	}
	// Once more with compose-go's own checks, for errors that the checks above do not cover.
	if project, err = l.project(model, details, configure, false); err != nil {
		return nil, l.composeError(err)
	}
	return project, nil
}

// project binds a copy of the model to compose-go's types. With lenient it skips compose-go's checks, which stop at the first
// error, and does not read env files, which may be missing; the checks of this package report all errors at once.
func (l *load) project(model map[string]any, details types.ConfigDetails, configure []func(*loader.Options), lenient bool) (*types.Project, error) {
	o := loader.ToOptions(&details, configure)
	o.SkipConsistencyCheck = lenient
	o.SkipResolveEnvironment = lenient
	o.SkipResolveLabels = lenient
	return loader.ModelToProject(cloneValue(model).(map[string]any), o, details)
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

// composeError adds a position to an error of compose-go if its text contains a key path or a service name.
func (l *load) composeError(err error) error {
	msg := strings.Join(strings.Fields(err.Error()), " ")
	for _, d := range l.docs {
		msg = strings.ReplaceAll(msg, "validating "+d.path+": ", "")
		msg = strings.ReplaceAll(msg, d.path, d.file)
	}
	pos, shown := position{file: l.docs[0].file}, keyPath(nil)
	if m := namesPath.FindString(msg); m != "" {
		parts := strings.FieldsFunc(strings.ReplaceAll(m, "[", ".["), func(r rune) bool { return r == '.' })
		pos, shown = l.loc.find(parts...)
		msg = strings.TrimPrefix(strings.TrimPrefix(msg, m), ": ")
	} else if m := namesService.FindStringSubmatch(msg); m != nil {
		pos, shown = l.loc.find("services", m[1])
	}
	l.p.at(pos, shown, "", "%s", strings.TrimSpace(msg))
	return l.p.err()
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
	if len(x.all) == 0 {
		l.p.at(l.loc.pos("services"), keyPath{"services"}, "", "the file declares no services")
		return
	}
	if len(p.Services) == 0 {
		l.p.at(l.loc.pos("services"), keyPath{"services"}, l.profileHint(l.profile), "no service is part of profile %q", l.profile)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(x.all)) {
		_, enabled := p.Services[name]
		x.service(x.all[name], enabled)
	}
	x.cycles()
}

type crossRef struct {
	l   *load
	p   *types.Project
	all map[string]types.ServiceConfig
}

func (x crossRef) bad(hint string, path keyPath, format string, args ...any) {
	pos, shown := x.l.loc.find(path...)
	if len(shown) < len(path) {
		shown = path
	}
	x.l.p.at(pos, shown, hint, format, args...)
}

func (x crossRef) service(s types.ServiceConfig, enabled bool) {
	at := keyPath{"services", s.Name}
	if enabled && s.Image == "" && s.Build == nil && s.Provider == nil {
		x.bad("one of them is required", at, "the service has neither image nor build")
	}
	if n := s.GetScale(); enabled && s.ContainerName != "" && n > 1 {
		x.bad("remove container_name or run one container", at.with("container_name"), "%s can be the name of one container, and the service has %d", s.ContainerName, n)
	}
	shares, _ := strings.CutPrefix(s.NetworkMode, types.ServicePrefix)
	for _, on := range slices.Sorted(maps.Keys(s.DependsOn)) {
		if on == shares {
			continue // Compose adds this edge by itself; it is checked below
		}
		x.serviceRef(on, enabled && s.DependsOn[on].Required, at.with("depends_on", on), "set required: false if the service can do without it")
	}
	if on, ok := strings.CutPrefix(s.NetworkMode, types.ServicePrefix); ok {
		x.serviceRef(on, enabled, at.with("network_mode"), "")
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
	if enabled {
		x.files(s, at)
	}
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

// files checks the files with variables and labels, which compose-go opens without a check.
func (x crossRef) files(s types.ServiceConfig, at keyPath) {
	for i, f := range s.EnvFiles {
		switch err := checkRegular(f.Path); {
		case err == nil, f.Path == os.DevNull, errors.Is(err, fs.ErrNotExist) && !bool(f.Required):
		case errors.Is(err, fs.ErrNotExist):
			x.bad("set required: false if the file is optional", at.with("env_file", index(i)), "there is no file %s", f.Path)
		default:
			x.bad("", at.with("env_file", index(i)), "cannot read %s: %v", f.Path, err)
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
	if _, ok := x.all[name]; !ok {
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

// edges are the services that a service waits for or shares a pod with, in name order.
func (x crossRef) edges(name string) []string {
	s := x.p.Services[name]
	out := slices.Sorted(maps.Keys(s.DependsOn))
	if on, ok := strings.CutPrefix(s.NetworkMode, types.ServicePrefix); ok && !slices.Contains(out, on) {
		out = append(out, on)
	}
	return out
}

// cycles reports each dependency cycle once, with the services along it.
func (x crossRef) cycles() {
	done := map[string]bool{}
	var open []string
	var walk func(string)
	walk = func(name string) {
		if at := slices.Index(open, name); at >= 0 {
			cycle := append(slices.Clone(open[at:]), name)
			last := cycle[len(cycle)-2]
			path := keyPath{"services", last, "depends_on", name}
			if _, ok := x.p.Services[last].DependsOn[name]; !ok {
				path = keyPath{"services", last, "network_mode"}
			}
			x.bad("remove one of the dependencies", path, "dependency cycle: %s", strings.Join(cycle, " -> "))
			return
		}
		if _, ok := x.p.Services[name]; !ok || done[name] {
			return
		}
		open = append(open, name)
		for _, on := range x.edges(name) {
			walk(on)
		}
		open = open[:len(open)-1]
		done[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(x.p.Services)) {
		walk(name)
	}
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
