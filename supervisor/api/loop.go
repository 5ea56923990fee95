package api

import (
	"context"
	"net/http"
)

// LoopBackend is an optional interface of a Backend that keeps the inner loop's records.
type LoopBackend interface {
	// Loop returns the records, a list for JSON, oldest first.
	Loop() any
}

func loopRoutes(mux *http.ServeMux, b Backend) {
	l, ok := b.(LoopBackend)
	if !ok {
		return
	}
	mux.HandleFunc("GET /v1/loop", func(w http.ResponseWriter, _ *http.Request) { reply(w, l.Loop(), nil) })
}

// Loop reads the inner loop's records into records.
func (c *Client) Loop(ctx context.Context, records any) error {
	return c.do(ctx, http.MethodGet, "/v1/loop", nil, records)
}
