//go:build unix

package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// database is the service whose volume is saved, rows how many rows of 1,000 random bytes are in it, batch how many are
// inserted at once.
const (
	database = "lyanna-mariadb-master"
	rows     = 512_000
	batch    = 51_200
)

// measureSnapshot saves a MariaDB that runs. The peer is the way by hand: `cp -a` of the volume, in a container, while nothing uses it.
func measureSnapshot(ctx context.Context, b *bench) error {
	s, err := b.example("snap")
	if err != nil {
		return err
	}
	if _, err := s.lyandev(ctx, "up", "-d", "--wait", "--quiet", "--profile", "minimal", database); err != nil {
		return err
	}
	if err := s.fill(ctx); err != nil {
		return err
	}
	b.onEnd(func(ctx context.Context) { _, _ = s.lyandev(ctx, "snapshot", "rm", "bench") })
	for range b.runs {
		if err := b.writeBack(ctx); err != nil {
			return err
		}
		if err := b.saveOnce(ctx, s); err != nil {
			return err
		}
	}
	mount := `{{range .Mounts}}{{if eq .Destination "/data/mariadb"}}{{.Name}}{{end}}{{end}}`
	volume, err := s.inspect(ctx, mount)
	if err != nil {
		return fmt.Errorf("cannot find the volume of %s: %w", database, err)
	}
	if _, err := s.lyandev(ctx, "down", "--quiet"); err != nil {
		return err
	}
	return b.copyByHand(ctx, volume)
}

// inspect prints something of the database's container.
func (s *stack) inspect(ctx context.Context, format string) (string, error) {
	id, err := s.b.command(ctx, "docker", "ps", "-q", "--filter", "label=dev.lyandev.project="+s.name,
		"--filter", "label=dev.lyandev.workload="+database)
	if err != nil {
		return "", err
	}
	out, err := s.b.command(ctx, "docker", "inspect", "--format", format, strings.TrimSpace(id))
	return strings.TrimSpace(out), err
}

// fill makes a table of random bytes.
func (s *stack) fill(ctx context.Context) error {
	if err := s.sql(ctx, "CREATE TABLE big (n INT PRIMARY KEY, v VARBINARY(1024)) ENGINE=InnoDB"); err != nil {
		return err
	}
	for n := 0; n < rows; n += batch {
		if err := s.sql(ctx, fmt.Sprintf("INSERT INTO big SELECT seq, RANDOM_BYTES(1000) FROM seq_%d_to_%d", n, n+batch-1)); err != nil {
			return err
		}
	}
	return nil
}

func (s *stack) sql(ctx context.Context, query string) error {
	client := `mariadb -N -uroot -p"$MARIADB_ROOT_PASSWORD" test -e "$1"`
	_, err := s.lyandev(ctx, "exec", "-T", database+"-0", "--", "sh", "-c", client, "sh", "SET sql_log_bin=0; "+query)
	return err
}

// writeBack writes back what is dirty, which is not part of the measurement.
func (b *bench) writeBack(ctx context.Context) error {
	_, err := b.command(ctx, "sync")
	return err
}

func (b *bench) saveOnce(ctx context.Context, s *stack) error {
	var saved struct {
		Frozen time.Duration `json:"frozen"`
	}
	began := time.Now()
	if err := s.json(ctx, &saved, "snapshot", "save", "bench", "--json"); err != nil {
		return err
	}
	b.ours("snapshot/save", time.Since(began).Seconds())
	b.ours("snapshot/pause", saved.Frozen.Seconds())
	_, err := s.lyandev(ctx, "snapshot", "rm", "bench")
	return err
}

// copyByHand copies a volume into a new one, again and again, and writes it to the disk.
func (b *bench) copyByHand(ctx context.Context, volume string) error {
	target := b.name + "-by-hand"
	for range b.runs {
		if _, err := b.command(ctx, "docker", "volume", "create", target); err != nil {
			return err
		}
		remove := len(b.undo)
		b.onEnd(func(ctx context.Context) { _, _ = b.command(ctx, "docker", "volume", "rm", "-f", target) })
		if err := b.writeBack(ctx); err != nil {
			return err
		}
		r, err := b.run(ctx, cmd{argv: []string{
			"docker", "run", "--rm", "--name", target, "--network", "none", "-u", "0", "-v", volume + ":/from:ro", "-v", target + ":/to",
			"--entrypoint", "sh", "lyandev/mariadb:dev", "-c", "cp -a /from/. /to/ && sync -f /to",
		}})
		b.cleanUp(remove)
		if err != nil {
			return err
		}
		b.theirs("snapshot/save", r.took.Seconds())
	}
	return nil
}
