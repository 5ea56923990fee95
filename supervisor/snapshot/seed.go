package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Seed gives volumes that do not exist yet, or are empty, the content of a snapshot. Unlike Restore it makes nothing durable
// and has nothing to keep, which is a good deal quicker: it is for volumes that go away when they turn out to be incomplete.
// It returns when they are filled; tidy takes away the container that copied, and must be called in any case but an error.
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
		return nil, fmt.Errorf("cannot begin with %s: %w", m.Name, err)
	}
	return r.Close, nil
}

// seed copies a sealed snapshot into an empty volume, and checks every byte against the list. sum and lead are as in Fill;
// detach lets a MariaDB slave forget its master.
func seed(src, dst, sum string, lead, detach bool) (Copied, error) {
	list, err := os.ReadDir(dst)
	if err != nil {
		return Copied{}, fmt.Errorf("cannot fill the volume: %w", err)
	}
	for _, d := range list {
		if !slices.Contains(ours, d.Name()) {
			return Copied{}, fmt.Errorf("cannot fill the volume: it is not empty, %s is in it", d.Name())
		}
	}
	done, err := fill(src, dst, sum)
	if err != nil {
		return done, err
	}
	if lead {
		err = leadFrom(dst)
	}
	if detach {
		err = errors.Join(err, forgetMaster(dst))
	}
	return done, err
}

// masterFiles are where a MariaDB slave notes which master it replicates from. What it has applied stands in a table.
var masterFiles = []string{"master.info", "relay-log.info", "multi-master.info"}

// forgetMaster keeps a slave's server from connecting, as soon as it starts, to the master of the instance that the copy is
// of: that is not the new one's, which its operator tells it, and nobody can stop the attempt for the ten seconds that it may take.
func forgetMaster(dir string) error {
	for _, name := range masterFiles {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot let the slave forget its master: %w", err)
		}
	}
	return nil
}

// leadFrom makes the Redis of a data directory start as a master.
func leadFrom(dir string) error {
	if err := dropRole(filepath.Join(dir, "redis.conf")); err != nil {
		return fmt.Errorf("cannot make the restored server a master: %w", err)
	}
	return nil
}
