package enginefake

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/lyandev/lyandev/supervisor/engine"
)

type volumeRecord struct {
	engine.Volume
	files map[string]file
}

// CreateVolume implements engine.Volumes.
func (e *Engine) CreateVolume(ctx context.Context, spec engine.VolumeSpec) error {
	err := e.call(ctx, "CreateVolume", spec.Name, func() error {
		if !nameForm.MatchString(spec.Name) {
			return errInvalid("create %s: %q includes invalid characters for a local volume name", spec.Name, spec.Name)
		}
		if v := e.volumes[spec.Name]; v != nil && spec.Driver != "" && spec.Driver != v.Driver {
			return errConflict("volume with name %s already exists: conflict in driver", spec.Name)
		}
		e.makeVolume(spec)
		return nil
	})
	return wrap(err, "create volume %s", spec.Name)
}

// InspectVolume implements engine.Volumes.
func (e *Engine) InspectVolume(ctx context.Context, name string) (engine.Volume, error) {
	var out engine.Volume
	err := e.call(ctx, "InspectVolume", name, func() error {
		v := e.volumes[name]
		if v == nil {
			return errNotFound("get %s: no such volume", name)
		}
		out = v.Volume
		out.Labels, out.Options = maps.Clone(out.Labels), maps.Clone(out.Options)
		return nil
	})
	return out, wrap(err, "inspect volume %s", name)
}

// makeVolume makes a volume if there is none of that name; e.mu is held.
func (e *Engine) makeVolume(spec engine.VolumeSpec) {
	if e.volumes[spec.Name] != nil {
		return
	}
	if spec.Driver == "" {
		spec.Driver = "local"
	}
	v := engine.Volume{
		Name: spec.Name, Driver: spec.Driver, Options: maps.Clone(spec.Options), Labels: maps.Clone(spec.Labels),
		Created: time.Now().UTC().Truncate(time.Second), Mountpoint: "/var/lib/docker/volumes/" + spec.Name + "/_data",
	}
	e.volumes[spec.Name] = &volumeRecord{Volume: v, files: map[string]file{}}
}

// RemoveVolume implements engine.Volumes.
func (e *Engine) RemoveVolume(ctx context.Context, name string) error {
	err := e.call(ctx, "RemoveVolume", name, func() error {
		for _, c := range e.sorted() {
			if slices.ContainsFunc(c.conf.mounts, func(m engine.Mount) bool { return m.Volume == name }) {
				return errConflict("remove %s: volume is in use - [%s]", name, c.id)
			}
		}
		delete(e.volumes, name)
		return nil
	})
	return wrap(err, "remove volume %s", name)
}

// ListVolumes implements engine.Volumes.
func (e *Engine) ListVolumes(ctx context.Context, labels map[string]string) ([]engine.Volume, error) {
	out := []engine.Volume{}
	err := e.call(ctx, "ListVolumes", "", func() error {
		for _, name := range slices.Sorted(maps.Keys(e.volumes)) {
			v := e.volumes[name].Volume
			if matches(v.Labels, labels) {
				v.Labels = maps.Clone(v.Labels)
				out = append(out, v)
			}
		}
		return nil
	})
	if err != nil {
		return nil, wrap(err, "list volumes")
	}
	return out, nil
}
