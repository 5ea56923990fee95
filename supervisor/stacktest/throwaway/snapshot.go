package throwaway

import (
	"context"

	"github.com/lyandev/lyandev/supervisor/snapshot"
)

// Snapshot names a snapshot of an instance (see supervisor/snapshot).
type Snapshot struct{ Project, Name string }

// restore fills the volumes of the copy, which do not exist yet, from the snapshot. The snapshot itself is only read.
func (c *Copy) restore(ctx context.Context) error {
	if c.cfg.From.Name == "" {
		return nil
	}
	mine := c.sup.Snapshots()
	theirs := mine
	theirs.Project = c.cfg.From.Project
	m, err := theirs.Find(ctx, c.cfg.From.Name)
	if err != nil {
		return err
	}
	sources, err := snapshot.Sources(c.stack, nil, nil)
	if err != nil {
		return err
	}
	list, err := snapshot.PlanRestore(m, sources, c.stack.Profile)
	if err != nil {
		return err
	}
	if err := mine.CheckVersions(ctx, m, list, sources); err != nil {
		return err
	}
	if list, err = mine.Existing(ctx, list); err != nil { // what is to be empty is empty
		return err
	}
	_, err = mine.Restore(ctx, m, list)
	return err
}
