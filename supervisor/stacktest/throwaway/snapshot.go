package throwaway

import (
	"context"

	"github.com/lyandev/lyandev/supervisor/snapshot"
)

// Snapshot names a snapshot of an instance (see supervisor/snapshot).
type Snapshot struct{ Project, Name string }

// seeding fills the copy's volumes while network and agent are being created.
type seeding struct {
	// filled is closed when the volumes are filled or the filling has failed with err.
	filled chan struct{}
	err    error
	// ended is closed when the copy container is removed.
	ended chan struct{}
}

// beginSeeding starts filling the copy's volumes, which do not exist yet, from the snapshot, which is mounted read-only.
func (c *Copy) beginSeeding(ctx context.Context) {
	c.seeding = &seeding{filled: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(c.seeding.ended)
		tidy, err := c.seed(ctx)
		c.seeding.err = err
		close(c.seeding.filled)
		if tidy != nil {
			if err := tidy(ctx); err != nil {
				c.cfg.Log.Warn("cannot remove the container that filled the volumes", "name", c.name, "error", err)
			}
		}
	}()
}

// seeded waits until the volumes are filled.
func (c *Copy) seeded(ctx context.Context) error {
	select {
	case <-c.seeding.filled:
		return c.seeding.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// endSeeding waits until nothing uses the volumes for seeding any more.
func (c *Copy) endSeeding() {
	if c.seeding != nil {
		<-c.seeding.ended
	}
}

func (c *Copy) seed(ctx context.Context) (tidy func(context.Context) error, err error) {
	if c.cfg.From.Name == "" {
		if c.cfg.Prepared.Policy.on() {
			tidy = c.seedPrepared(ctx)
		}
		return tidy, nil
	}
	theirs := c.sup.Snapshots()
	theirs.Project = c.cfg.From.Project
	m, err := theirs.Find(ctx, c.cfg.From.Name)
	if err != nil {
		return nil, err
	}
	return c.seedFrom(ctx, m)
}

func (c *Copy) seedFrom(ctx context.Context, m *snapshot.Meta) (tidy func(context.Context) error, err error) {
	mine := c.sup.Snapshots()
	mine.Volume = c.stack.ClaimVolume // the supervisor has no stack yet
	sources, err := snapshot.Sources(c.stack, nil, nil)
	if err != nil {
		return nil, err
	}
	list, err := snapshot.PlanRestore(m, sources, c.stack.Profile)
	if err != nil {
		return nil, err
	}
	if err := mine.CheckVersions(ctx, m, list, sources); err != nil {
		return nil, err
	}
	if list, err = mine.Existing(ctx, list); err != nil { // volumes to be emptied are new
		return nil, err
	}
	if err := c.sup.RecallSteps(m.Steps); err != nil {
		return nil, err
	}
	return mine.Seed(ctx, m, list)
}
