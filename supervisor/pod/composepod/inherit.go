package composepod

import (
	"context"
	"maps"
	"slices"

	"github.com/docker/docker/api/types/mount"

	"github.com/lyandev/lyandev/supervisor/engine"
)

// remove removes the container, whose anonymous volumes are kept for the next one of the pod's name, unless RemoveVolumes was called.
func (w *Worker) remove(ctx context.Context, c *engine.Container) error {
	if w.deps.Volumes == nil {
		return w.deps.Engine.RemoveContainer(ctx, c.ID)
	}
	volumes := AnonymousOf(c, w.want)
	if w.dropsVolumes() {
		return w.removeWith(ctx, c, volumes)
	}
	if err := w.deps.Volumes.Keep(w.pod.Name, volumes); err != nil {
		return err
	}
	return w.deps.Engine.RemoveContainerOnly(ctx, c.ID)
}

// removeWith removes the container and its anonymous volumes, also those that it has taken over, which have a name for the engine. One
// that another container uses stays.
func (w *Worker) removeWith(ctx context.Context, c *engine.Container, volumes []AnonymousVolume) error {
	if err := w.deps.Engine.RemoveContainer(ctx, c.ID); err != nil {
		return err
	}
	for _, v := range volumes {
		if err := w.deps.Engine.RemoveVolume(ctx, v.Name); err != nil && !engine.IsConflict(err) {
			return err
		}
	}
	return nil
}

// inherit mounts the anonymous volumes of the pod's last container, as Docker Compose does.
func (w *Worker) inherit(exact *engine.Exact) error {
	if w.deps.Volumes == nil {
		return nil
	}
	old, err := w.deps.Volumes.of(w.pod.Name)
	if err != nil || len(old) == 0 {
		return err
	}
	exact.Host.Mounts = slices.Clone(exact.Host.Mounts)
	exact.Config.Volumes = maps.Clone(exact.Config.Volumes)
	for _, v := range old {
		at := slices.IndexFunc(exact.Host.Mounts, func(m mount.Mount) bool {
			return m.Type == mount.TypeVolume && m.Source == "" && m.Target == v.Target
		})
		if at >= 0 { // the file mounts an anonymous volume there
			exact.Host.Mounts[at].Source = v.Name
			continue
		}
		if mounted(exact, v.Target) {
			continue // the file has something else there now
		}
		exact.Host.Mounts = append(exact.Host.Mounts, mount.Mount{Type: mount.TypeVolume, Source: v.Name, Target: v.Target})
		delete(exact.Config.Volumes, v.Target)
	}
	return nil
}
