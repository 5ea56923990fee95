package engine

import (
	"context"
	"io"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
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
	r, w := io.Pipe()
	stderr := o.StderrTo
	if stderr == nil {
		stderr = w
	}
	go func() {
		var err error
		if c.Config.Tty { // a terminal has one stream, and no headers
			_, err = io.Copy(w, rc)
		} else {
			_, err = stdcopy.StdCopy(w, stderr, rc)
		}
		_ = w.CloseWithError(err)
	}()
	return &logStream{PipeReader: r, body: rc}, nil
}

// logStream ends its copying goroutine when it is closed.
type logStream struct {
	*io.PipeReader
	body io.Closer
}

func (l *logStream) Close() error {
	_ = l.PipeReader.Close()
	return l.body.Close()
}
