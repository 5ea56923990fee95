package reaper

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lyandev/lyandev/supervisor/engine"
)

// ryukLabel is on every reaper's container, so that reapers do not remove themselves or others.
const ryukLabel = "org.testcontainers.ryuk"

const (
	// maxPasses bounds the removal passes; passPause is the time between two.
	maxPasses = 10
	passPause = time.Second
)

// Engine is the part of engine.Engine that Prune needs.
type Engine interface {
	ListContainers(ctx context.Context, labels map[string]string) ([]engine.Container, error)
	RemoveContainer(ctx context.Context, id string) error
	ListNetworks(ctx context.Context, labels map[string]string) ([]engine.Network, error)
	RemoveNetwork(ctx context.Context, id string) error
	ListVolumes(ctx context.Context, labels map[string]string) ([]engine.Volume, error)
	RemoveVolume(ctx context.Context, name string) error
	ListImages(ctx context.Context, labels map[string]string) ([]engine.Image, error)
	RemoveImage(ctx context.Context, ref string) error
}

// Removed counts what was removed.
type Removed struct{ Containers, Networks, Volumes, Images int }

func (r Removed) String() string {
	return fmt.Sprintf("removed %d containers, %d networks, %d volumes, %d images", r.Containers, r.Networks, r.Volumes, r.Images)
}

func (r Removed) none() bool { return r == Removed{} }

// Prune removes containers (by force, with their anonymous volumes), then networks, volumes and images that match any of
// the filters. It repeats that until nothing matches, because a request of the killed process may still be in progress, and a
// volume stays in use for a moment after its container was removed. After ten passes, one second apart, it returns an error
// with what could not be removed. It blocks until then or until ctx ends.
func Prune(ctx context.Context, eng Engine, filters []Filter) (Removed, error) {
	var total Removed
	for pass := 1; ; pass++ {
		var found Removed
		var errs []error
		for _, f := range filters {
			errs = append(errs, pruneOne(ctx, eng, f, &found))
		}
		total.Containers += found.Containers
		total.Networks += found.Networks
		total.Volumes += found.Volumes
		total.Images += found.Images
		err := errors.Join(errs...)
		if err == nil && found.none() || pass == maxPasses {
			return total, err
		}
		if err == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return total, errors.Join(context.Cause(ctx), err)
		case <-time.After(passPause):
		}
	}
}

func pruneOne(ctx context.Context, eng Engine, f Filter, found *Removed) error {
	if len(f) == 0 {
		return nil
	}
	var errs []error
	count := func(n *int, err error) {
		if err == nil {
			*n++
		}
		errs = append(errs, err)
	}
	containers, err := eng.ListContainers(ctx, f)
	errs = append(errs, err)
	for _, c := range containers {
		if _, reaper := c.Labels[ryukLabel]; !reaper {
			count(&found.Containers, eng.RemoveContainer(ctx, c.ID))
		}
	}
	networks, err := eng.ListNetworks(ctx, f)
	errs = append(errs, err)
	for _, n := range networks {
		count(&found.Networks, eng.RemoveNetwork(ctx, n.ID))
	}
	volumes, err := eng.ListVolumes(ctx, f)
	errs = append(errs, err)
	for _, v := range volumes {
		count(&found.Volumes, eng.RemoveVolume(ctx, v.Name))
	}
	images, err := eng.ListImages(ctx, f)
	errs = append(errs, err)
	for _, i := range images {
		for _, ref := range append(i.Tags, i.ID)[:max(len(i.Tags), 1)] {
			count(&found.Images, eng.RemoveImage(ctx, ref))
		}
	}
	return errors.Join(errs...)
}
