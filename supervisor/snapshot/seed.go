package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
)

// Seed copies a snapshot into volumes that are empty or do not exist yet. It does not sync to disk and has no old content to
// keep, which makes it much faster than Restore: it is for volumes that are deleted if they turn out to be incomplete. It
// blocks until they are filled. tidy removes the copy container and must be called unless err is set.
func (c Config) Seed(ctx context.Context, m *Meta, list []Restoring) (tidy func(ctx context.Context) error, err error) {
	r, err := c.Begin(ctx, m, list)
	if err == nil {
		err = r.each(ctx, func(i int, q Restoring) Request {
			return Request{Do: "seed", Src: at("src", i), Dst: at("dst", i), Sum: q.Sum, Lead: q.Lead, Detach: q.Operator == "mariadb"}
		}, nil)
		if err != nil {
			err = errors.Join(err, r.Close(ctx))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("cannot fill the volumes from %s: %w", m.Name, err)
	}
	return r.Close, nil
}

// seed copies a complete copy into an empty volume and verifies every file's checksum. sum and lead are as in Fill; detach
// removes a MariaDB slave's connection settings, see removeMasterSettings.
func seed(ctx context.Context, src, dst, sum string, lead, detach bool) (Copied, error) {
	root, err := os.OpenRoot(dst)
	if err != nil {
		return Copied{}, fmt.Errorf("cannot fill the volume: %w", err)
	}
	defer root.Close()
	names, err := readDir(root, ".")
	if err != nil {
		return Copied{}, fmt.Errorf("cannot fill the volume: %w", err)
	}
	for _, name := range names {
		if !slices.Contains(reservedNames, name) {
			return Copied{}, fmt.Errorf("cannot fill the volume: it is not empty, it contains %s", name)
		}
	}
	done, err := fill(ctx, src, root, sum)
	if err != nil {
		return done, err
	}
	if lead {
		err = makeMaster(root)
	}
	if detach {
		err = errors.Join(err, removeMasterSettings(root))
	}
	return done, err
}

// masterFiles are where a MariaDB slave stores which master it replicates from. Its replication position is in a table.
var masterFiles = []string{"master.info", "relay-log.info", "multi-master.info"}

// removeMasterSettings removes the master's address from a slave's data. Otherwise the server would connect at its start to the
// master of the instance that was copied, and the attempt, which may take ten seconds, cannot be cancelled. The operator sets
// the master of the new instance.
func removeMasterSettings(root *os.Root) error {
	for _, name := range masterFiles {
		if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot remove the slave's master settings: %w", err)
		}
	}
	return nil
}

// makeMaster makes the Redis of a data directory start as master.
func makeMaster(root *os.Root) error {
	if err := dropRole(root, "redis.conf"); err != nil {
		return fmt.Errorf("cannot make the restored server a master: %w", err)
	}
	return nil
}
