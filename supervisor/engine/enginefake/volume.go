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
func (e *Engine) CreateVolume(ctx context.Context, name string, labels map[string]string) error {
	err := e.call(ctx, "CreateVolume", name, func() error {
		if !nameForm.MatchString(name) {
			return errInvalid("create %s: %q includes invalid characters for a local volume name", name, name)
		}
		e.makeVolume(name, labels)
		return nil
	})
	return wrap(err, "create volume %s", name)
}

// makeVolume makes a volume if there is none of that name; e.mu is held.
func (e *Engine) makeVolume(name string, labels map[string]string) {
	if e.volumes[name] == nil {
		v := engine.Volume{Name: name, Labels: maps.Clone(labels), Created: time.Now().UTC().Truncate(time.Second)}
		e.volumes[name] = &volumeRecord{Volume: v, files: map[string]file{}}
	}
}

// RemoveVolume implements engine.Volumes.
func (e *Engine) RemoveVolume(ctx context.Context, name string) error {
	err := e.call(ctx, "RemoveVolume", name, func() error {
		for _, c := range e.sorted() {
			if slices.ContainsFunc(c.spec.Mounts, func(m engine.Mount) bool { return m.Volume == name }) {
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
