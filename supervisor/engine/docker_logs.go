package engine

import (
	"context"
	"io"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/container"
)

// Logs implements Containers.
func (d *Docker) Logs(ctx context.Context, id string, o LogOptions) (io.ReadCloser, error) {
	opts := container.LogsOptions{ShowStdout: true, ShowStderr: true, Follow: o.Follow, Timestamps: o.Timestamps, Tail: "all"}
	if o.Tail >= 0 {
		opts.Tail = strconv.Itoa(o.Tail)
	}
	if !o.Since.IsZero() {
		opts.Since = o.Since.UTC().Format(time.RFC3339Nano)
	}
	if !o.Until.IsZero() {
		opts.Until = o.Until.UTC().Format(time.RFC3339Nano)
	}
	c, err := d.inspect(ctx, id)
	if err != nil {
		return nil, wrap(err, "read the log of container %s", short(id))
	}
	rc, err := d.api.ContainerLogs(ctx, id, opts)
	if err != nil {
		return nil, wrap(err, "read the log of container %s", short(id))
	}
	if c.Config.Tty { // a terminal has one stream, and no headers
		return rc, nil
	}
	return newLogFrames(rc, o), nil
}
