package api

import (
	"context"
	"net/http"
)

// LoopBackend is what a Backend that keeps the inner loop's records also is.
type LoopBackend interface {
	// Loop gives the records as JSON's list, oldest first.
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
