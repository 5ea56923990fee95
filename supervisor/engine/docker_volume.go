package engine

import (
	"context"

	"github.com/docker/docker/api/types/volume"
)

// CreateVolume implements Volumes.
func (d *Docker) CreateVolume(ctx context.Context, spec VolumeSpec) error {
	_, err := within(ctx, workLimit, func(ctx context.Context) (volume.Volume, error) {
		return d.api.VolumeCreate(ctx, volume.CreateOptions{
			Name: spec.Name, Driver: spec.Driver, DriverOpts: spec.Options, Labels: spec.Labels,
		})
	})
	return wrap(err, "create volume %s", spec.Name)
}

// InspectVolume implements Volumes.
func (d *Docker) InspectVolume(ctx context.Context, name string) (Volume, error) {
	v, err := within(ctx, answerLimit, func(ctx context.Context) (volume.Volume, error) { return d.api.VolumeInspect(ctx, name) })
	if err != nil {
		return Volume{}, wrap(err, "inspect volume %s", name)
	}
	return observedVolume(&v), nil
}

func observedVolume(v *volume.Volume) Volume {
	return Volume{
		Name: v.Name, Driver: v.Driver, Options: v.Options, Labels: v.Labels, Created: parseTime(v.CreatedAt), Mountpoint: v.Mountpoint,
	}
}

// RemoveVolume implements Volumes.
func (d *Docker) RemoveVolume(ctx context.Context, name string) error {
	err := do(ctx, workLimit, func(ctx context.Context) error { return d.api.VolumeRemove(ctx, name, false) })
	if IsNotFound(err) {
		return nil
	}
	return wrap(err, "remove volume %s", name)
}

// ListVolumes implements Volumes.
func (d *Docker) ListVolumes(ctx context.Context, labels map[string]string) ([]Volume, error) {
	r, err := within(ctx, answerLimit, func(ctx context.Context) (volume.ListResponse, error) {
		return d.api.VolumeList(ctx, volume.ListOptions{Filters: labelFilter(labels)})
	})
	if err != nil {
		return nil, wrap(err, "list volumes")
	}
	out := make([]Volume, 0, len(r.Volumes))
	for _, v := range r.Volumes {
		out = append(out, observedVolume(v))
	}
	return out, nil
}
