package snapshot

import (
	"context"
	"errors"
	"slices"

	"github.com/lyandev/lyandev/supervisor/engine"
)

// preparedLabel is on all volumes of automatic snapshots (Meta.Prepared); its value is the profile.
const preparedLabel = "dev.lyandev.snapshot-prepared"

// IsPrepared reports whether a volume with these labels belongs to an automatic snapshot.
func IsPrepared(labels map[string]string) bool {
	_, yes := labels[preparedLabel]
	return yes
}

// FindPrepared returns the automatic snapshot with a key, or nil.
func (c Config) FindPrepared(ctx context.Context, key string) (*Meta, error) {
	all, err := c.List(ctx)
	for i := range all {
		if all[i].Prepared == key && key != "" {
			return &all[i], nil
		}
	}
	return nil, err
}

// PrunePrepared deletes the automatic snapshots of a profile, complete or not, except the one named keep.
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

// preparedNames returns the names of a profile's automatic snapshots. It is pure.
func preparedNames(vols []engine.Volume, profile string) []string {
	var out []string
	for _, v := range vols {
		if p, ok := v.Labels[preparedLabel]; ok && p == profile && !slices.Contains(out, v.Labels[NameLabel]) {
			out = append(out, v.Labels[NameLabel])
		}
	}
	return out
}
