package snapshot

import (
	"context"
	"errors"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
)

// RemoveLeftovers removes what killed processes left of saves and restores: their containers, and copies that belong to no
// snapshot. It returns the names of what it removed. It blocks while a save or restore of the project is in progress. The
// instance's lock must be held: then no other process saves or restores it.
func (c Config) RemoveLeftovers(ctx context.Context) (removed []string, err error) {
	release, err := c.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	removed, err = c.removePorters(ctx)
	if err != nil {
		return removed, err
	}
	vols, err := c.volumes(ctx)
	if err != nil {
		return removed, err
	}
	var errs []error
	for _, name := range orphans(vols) {
		if err := c.Engine.RemoveVolume(ctx, name); err != nil {
			errs = append(errs, err)
			continue
		}
		removed = append(removed, name)
	}
	return removed, errors.Join(errs...)
}

// removePorters removes the copy containers of interrupted jobs, and returns their names. The lock of acquire must be held:
// then no copy container of this project is in use.
func (c Config) removePorters(ctx context.Context) (removed []string, err error) {
	list, err := c.Engine.ListContainers(ctx, map[string]string{services.ProjectLabel: c.Project, KindLabel: KindPorter})
	if err != nil {
		return nil, err
	}
	for _, p := range list {
		if err := c.Engine.RemoveContainer(ctx, p.ID); err != nil {
			return removed, err
		}
		removed = append(removed, p.Name)
	}
	return removed, nil
}

// orphans returns the names of the copies that no marker lists. Those of automatic snapshots are left out, because test runs
// of other processes make these; see PrunePrepared. So are those with the name of a snapshot whose metadata cannot be read.
// It is pure.
func orphans(vols []engine.Volume) []string {
	all, _ := List(vols)
	known, unread := map[string]bool{}, map[string]bool{}
	for _, v := range vols {
		if v.Labels[KindLabel] == KindSnapshot {
			unread[v.Labels[NameLabel]] = true
		}
	}
	for i := range all {
		delete(unread, all[i].Name)
		for _, claim := range all[i].Claims {
			known[claim.Volume] = true
		}
	}
	var out []string
	for _, v := range vols {
		_, prepared := v.Labels[preparedLabel]
		if v.Labels[KindLabel] == KindCopy && !prepared && !known[v.Name] && !unread[v.Labels[NameLabel]] {
			out = append(out, v.Name)
		}
	}
	return out
}
