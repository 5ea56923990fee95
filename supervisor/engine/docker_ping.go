package engine

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
)

// Ping implements Engine. It asks over a new connection: an engine that is shutting down takes none any more, though for as
// long as its containers take to stop it goes on answering on those that it has (20.10), and would start new ones.
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
		return fmt.Errorf("it answers %s", resp.Status)
	}
	return nil
}

// pingError is the end of ctx where that closed the connection, else the error itself.
func pingError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", ErrNoAnswer, context.Cause(ctx))
	}
	return err
}
