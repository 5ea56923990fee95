package engine

import (
	"context"
	"errors"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/build"
)

// Disk is what an engine tells of its disk, and the removal of what belongs to nobody in particular. *Docker and the fake implement it.
type Disk interface {
	// DiskUsage measures all images, volumes and build cache of the engine, which may take a minute: its files are counted.
	DiskUsage(ctx context.Context) (DiskUsage, error)
	// PruneBuildCache removes the build cache that no build uses at the moment, whoever's it is, and returns how many bytes that freed.
	// It may take minutes.
	PruneBuildCache(ctx context.Context) (freed int64, err error)
}

// DiskUsage is what an engine has on its disk, in bytes.
type DiskUsage struct {
	Images  []ImageUsage
	Volumes []VolumeUsage
	// BuildCache is the size of the build cache, without what images share; UnusedCache is the part that no build uses at the moment.
	BuildCache, UnusedCache int64
}

// ImageUsage is an image and what its removal would free: the layers that no other image has.
type ImageUsage struct {
	Image
	Unique int64
}

// VolumeUsage is a volume with the size of its files; -1 if the engine does not know it.
type VolumeUsage struct {
	Volume
	Bytes int64
}

// diskLimit bounds the measuring and pruning of an engine's disk.
const diskLimit = 5 * time.Minute

var _ Disk = (*Docker)(nil)

// DiskUsage implements Disk.
func (d *Docker) DiskUsage(ctx context.Context) (DiskUsage, error) {
	u, err := within(ctx, diskLimit, func(ctx context.Context) (types.DiskUsage, error) {
		return d.api.DiskUsage(ctx, types.DiskUsageOptions{
			Types: []types.DiskUsageObject{types.ImageObject, types.VolumeObject, types.BuildCacheObject},
		})
	})
	if err != nil {
		return DiskUsage{}, wrap(err, "measure the engine's disk")
	}
	var out DiskUsage
	for _, i := range u.Images {
		out.Images = append(out.Images, ImageUsage{Unique: i.Size - max(i.SharedSize, 0), Image: Image{
			ID: i.ID, Tags: i.RepoTags, Digests: i.RepoDigests, Labels: i.Labels, Size: i.Size, Created: time.Unix(i.Created, 0).UTC(),
		}})
	}
	for _, v := range u.Volumes {
		line := VolumeUsage{Volume: observedVolume(v), Bytes: -1}
		if v.UsageData != nil {
			line.Bytes = v.UsageData.Size
		}
		out.Volumes = append(out.Volumes, line)
	}
	for _, c := range u.BuildCache {
		if c.Shared {
			continue // its bytes are those of images
		}
		out.BuildCache += c.Size
		if !c.InUse {
			out.UnusedCache += c.Size
		}
	}
	return out, nil
}

// PruneBuildCache implements Disk.
func (d *Docker) PruneBuildCache(ctx context.Context) (int64, error) {
	report, err := within(ctx, diskLimit, func(ctx context.Context) (*build.CachePruneReport, error) {
		return d.api.BuildCachePrune(ctx, build.CachePruneOptions{All: true})
	})
	if err != nil {
		return 0, wrap(err, "prune the build cache")
	}
	if report == nil {
		return 0, wrap(errors.New("the engine says nothing"), "prune the build cache")
	}
	return int64(report.SpaceReclaimed), nil
}
