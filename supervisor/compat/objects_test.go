package compat_test

import (
	"context"
	"slices"
	"strings"
)

// names are the host names to resolve: those of services, containers and aliases that were there so far. If the other program ran
// before, they are what its containers resolved after the same step.
func (s *session) names(all map[string]*container, expected *snapshot) []string {
	if expected != nil {
		return expected.asked
	}
	var asked []string
	if s.last != nil {
		asked = slices.Clone(s.last.asked)
	}
	for _, c := range all {
		asked = append(asked, c.service, strings.TrimPrefix(str(c.Inspect, "Name"), "/"))
		nets, _ := at(c.Inspect, "NetworkSettings", "Networks").(object)
		for _, n := range nets {
			for _, a := range asList(at(n, "Aliases")) {
				if name, _ := a.(string); !strings.HasPrefix(c.id, name) {
					asked = append(asked, name)
				}
			}
		}
	}
	for _, name := range s.c.list("names") {
		asked = append(asked, s.expand(name))
	}
	slices.Sort(asked)
	return slices.Compact(asked)
}

// outside are the containers that the case started itself: they have the project in their names, and are not in the list.
func (s *session) outside(ctx context.Context, list []object) ([]object, error) {
	out, err := docker(ctx, "container", "ls", "-aq", "--no-trunc", "--filter", "name="+s.project)
	if err != nil {
		return nil, err
	}
	ids := slices.DeleteFunc(strings.Fields(out), func(id string) bool {
		return slices.ContainsFunc(list, func(o object) bool { return str(o, "Id") == id })
	})
	return inspect(ctx, "container", ids)
}

// networks are those of the project, and others that its containers are in.
func (s *session) networks(ctx context.Context, all map[string]*container) (map[string]any, error) {
	list, err := listed(ctx, "network", s.label+"="+s.project)
	if err != nil {
		return nil, err
	}
	var names []string // not IDs: an engine that starts makes its bridge anew, and containers that do not run keep the old ID
	for _, c := range all {
		nets, _ := at(c.Inspect, "NetworkSettings", "Networks").(object)
		for name, n := range nets {
			if str(n, "NetworkID") != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	more, err := inspect(ctx, "network", names)
	if err != nil {
		return nil, err
	}
	nets := map[string]any{}
	for _, n := range append(list, more...) {
		nets[str(n, "Name")] = n
	}
	return nets, nil
}

// volumes are the project's named ones and those that the case made before; anonymous ones are in the containers' mounts.
func (s *session) volumes(ctx context.Context) (map[string]any, error) {
	list, err := listed(ctx, "volume", s.label+"="+s.project)
	if err != nil {
		return nil, err
	}
	out, err := docker(ctx, "volume", "ls", "-q", "--filter", "name="+s.project)
	if err != nil {
		return nil, err
	}
	more, err := inspect(ctx, "volume", strings.Fields(out))
	if err != nil {
		return nil, err
	}
	vols := map[string]any{}
	for _, v := range append(list, more...) {
		if name := str(v, "Name"); !anonymous.MatchString(name) {
			vols[name] = v
		}
	}
	return vols, nil
}

// images are those that the case names.
func (s *session) images(ctx context.Context) (map[string]any, error) {
	images := map[string]any{}
	for _, name := range s.c.list("images") {
		name = s.expand(name)
		r, err := command(ctx, "", nil, "docker", "image", "inspect", "--format", "{{json .Config}}", name)
		if err != nil {
			return nil, err
		}
		images[name] = "there is none"
		if r.code == 0 {
			images[name] = decode(r.out)
		}
	}
	return images, nil
}
