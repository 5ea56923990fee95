package enginefake

import (
	"context"
	"maps"
	"slices"

	"github.com/lyandev/lyandev/supervisor/engine"
)

var _ engine.Disk = (*Engine)(nil)

// SetBuildCache sets the size of the build cache, of which nothing is in use.
func (e *Engine) SetBuildCache(bytes int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.buildCache = bytes
}

// DiskUsage implements engine.Disk. No image shares layers with another one, and a volume is as large as its files.
func (e *Engine) DiskUsage(ctx context.Context) (engine.DiskUsage, error) {
	var out engine.DiskUsage
	err := e.call(ctx, "DiskUsage", "", func() error {
		out.BuildCache, out.UnusedCache = e.buildCache, e.buildCache
		for _, id := range slices.Sorted(maps.Keys(e.images)) {
			img := e.images[id].Image.Image
			out.Images = append(out.Images, engine.ImageUsage{Image: img, Unique: img.Size})
		}
		for _, name := range slices.Sorted(maps.Keys(e.volumes)) {
			v := engine.VolumeUsage{Volume: e.volumes[name].Volume}
			for _, f := range e.volumes[name].files {
				v.Bytes += int64(len(f.data))
			}
			out.Volumes = append(out.Volumes, v)
		}
		return nil
	})
	return out, wrap(err, "measure the engine's disk")
}

// PruneBuildCache implements engine.Disk.
func (e *Engine) PruneBuildCache(ctx context.Context) (freed int64, err error) {
	err = e.call(ctx, "PruneBuildCache", "", func() error {
		freed, e.buildCache = e.buildCache, 0
		return nil
	})
	return freed, wrap(err, "prune the build cache")
}
