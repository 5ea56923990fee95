package snapshot

import (
	"context"
	"errors"
	"slices"

	"github.com/lyandev/lyandev/supervisor/engine"
)

// preparedLabel is on all volumes of snapshots that were made by themselves; its value is the profile.
const preparedLabel = "dev.lyandev.snapshot-prepared"

// FindPrepared finds the snapshot that was made by itself with a key, or nil.
func (c Config) FindPrepared(ctx context.Context, key string) (*Meta, error) {
	all, err := c.List(ctx)
	for i := range all {
		if all[i].Prepared == key && key != "" {
			return &all[i], nil
		}
	}
	return nil, err
}

// PrunePrepared deletes what was made by itself for a profile, whole or not, but for the snapshot of a name.
func (c Config) PrunePrepared(ctx context.Context, profile, keep string) error {
	vols, err := c.volumes(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range preparedNames(vols, profile) {
		if name != keep {
			errs = append(errs, c.discard(ctx, vols, name))
		}
	}
	return errors.Join(errs...)
}

// preparedNames are the names of what was made by itself for a profile. It is pure.
func preparedNames(vols []engine.Volume, profile string) []string {
	var out []string
	for _, v := range vols {
		if p, ok := v.Labels[preparedLabel]; ok && p == profile && !slices.Contains(out, v.Labels[NameLabel]) {
			out = append(out, v.Labels[NameLabel])
		}
	}
	return out
}
