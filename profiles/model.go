package profiles

import (
	"context"
	"maps"
	"slices"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
)

// Model returns the files, merged and normalised by compose-go, with their variables as they are written, as `docker compose config
// --no-interpolate` prints them. For the errors see Load; a value that must be a number or a port and is a variable may be one.
func Model(ctx context.Context, o Options) (map[string]any, error) {
	l, err := open(ctx, o)
	if err != nil {
		return nil, err
	}
	l.chain = l.choose()
	l.name = l.projectName()
	if !l.p.empty() {
		return nil, l.p.err()
	}
	files, err := l.configFiles(carved{})
	if err != nil {
		return nil, err
	}
	details := types.ConfigDetails{WorkingDir: l.o.WorkDir, ConfigFiles: files, Environment: l.env.Clone()}
	model, err := loader.LoadModelWithContext(ctx, details, func(o *loader.Options) {
		o.SetProjectName(l.name, true)
		o.Profiles, o.SkipInterpolation = l.activated, true
	})
	if err != nil {
		l.composeError(err)
		return nil, l.p.err()
	}
	return model, nil
}

// Variable is a variable that the files ask for.
type Variable struct {
	Name     string `json:"name"`
	Required bool   `json:"required"`
	// Default is the value if it is not set, Alternate the one that takes its place if it is set (${NAME:+VALUE}).
	Default   string `json:"default"`
	Alternate string `json:"alternate"`
	// Value is the one that it has here, "" if it is not set.
	Value string `json:"value"`
}

// Variables returns the variables that the files ask for, by name. For the errors see Model.
func Variables(ctx context.Context, o Options) ([]Variable, error) {
	model, err := Model(ctx, o)
	if err != nil {
		return nil, err
	}
	_, env, err := o.resolve()
	if err != nil {
		return nil, err
	}
	found := template.ExtractVariables(model, template.DefaultPattern)
	out := make([]Variable, 0, len(found))
	for _, name := range slices.Sorted(maps.Keys(found)) {
		v := found[name]
		out = append(out, Variable{Name: name, Required: v.Required, Default: v.DefaultValue, Alternate: v.PresenceValue, Value: env[name]})
	}
	return out, nil
}
