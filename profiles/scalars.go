package profiles

import (
	"fmt"
	"strings"

	"github.com/compose-spec/compose-go/v2/tree"
	"github.com/compose-spec/compose-go/v2/types"
)

// scalarForms are the texts of Compose that compose-go parses only when it binds the merged model, without saying where they are.
var scalarForms = []struct {
	paths []tree.Path
	parse func(any) error
	what  string
	hint  string
}{
	{
		[]tree.Path{
			"services.*.stop_grace_period", "services.*.healthcheck.interval", "services.*.healthcheck.timeout",
			"services.*.healthcheck.start_period", "services.*.healthcheck.start_interval", "services.*.deploy.restart_policy.delay",
			"services.*.deploy.restart_policy.window", "services.*.deploy.*.delay", "services.*.deploy.*.monitor",
		},
		func(v any) error { return new(types.Duration).DecodeMapstructure(v) },
		"a duration", "write it with a unit, such as 10s or 1m30s",
	},
	{
		[]tree.Path{
			"services.*.mem_limit", "services.*.mem_reservation", "services.*.memswap_limit", "services.*.shm_size", "services.*.build.shm_size",
			"services.*.deploy.resources.*.memory", "services.*.volumes.[].tmpfs.size",
		},
		func(v any) error { return new(types.UnitBytes).DecodeMapstructure(v) },
		"an amount of memory", "write it with b, k, m or g, such as 512m or 2g",
	},
	{
		[]tree.Path{"services.*.deploy.resources.*.cpus"},
		func(v any) error { return new(types.NanoCPUs).DecodeMapstructure(v) },
		"a number of processors", "write a number such as 0.5 or 2",
	},
}

// scalars checks the texts of scalarForms in a tree.
func (c checker) scalars(it *item, path tree.Path, shown keyPath) {
	switch {
	case it == nil:
	case it.fields != nil:
		for _, k := range it.keys {
			if k != extensionKey {
				c.scalars(it.fields[k], path.Next(k), shown.with(k))
			}
		}
	case it.isList:
		for i, e := range it.list {
			c.scalars(e, path.Next(tree.PathMatchList), shown.with(index(it.original(i))))
		}
	case it.value != nil && it.value != "" && !strings.Contains(fmt.Sprint(it.value), "${"):
		for _, form := range scalarForms {
			for _, pattern := range form.paths {
				if path.Matches(pattern) && !c.l.p.has(it.pos, shown) && form.parse(it.value) != nil {
					c.l.p.at(it.pos, shown, form.hint, "%q is not %s", fmt.Sprint(it.value), form.what)
				}
			}
		}
	}
}

// formHint is the hint of scalarForms for a path, "" if there is none.
func formHint(path keyPath) string {
	for _, form := range scalarForms {
		for _, pattern := range form.paths {
			if tree.NewPath(path...).Matches(pattern) {
				return form.hint
			}
		}
	}
	return ""
}
