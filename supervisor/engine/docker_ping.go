package engine

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
)

// Ping implements Engine. It uses a new connection: an engine that is shutting down refuses new connections, but keeps
// answering on existing ones until its containers have stopped, and would even start containers (20.10).
func (d *Docker) Ping(ctx context.Context) error {
	return wrap(d.ping(ctx), "reach the Docker engine at %s", d.host)
}

func (d *Docker) ping(ctx context.Context) error {
	conn, err := d.api.Dialer()(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker/_ping", nil)
	if err != nil {
		return err
	}
	req.Close = true
	if err := req.Write(conn); err != nil {
		return pingError(ctx, err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		return pingError(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("unexpected status %s", resp.Status)
	}
	return nil
}

// pingError returns ctx's error if the end of ctx closed the connection, else err.
func pingError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", ErrNoAnswer, context.Cause(ctx))
	}
	return err
}
