package api

import (
	"context"
	"net/http"
	"net/url"

	"github.com/lyandev/lyandev/supervisor/timeline"
)

// TimesBackend is an optional interface of a Backend that records where time goes.
type TimesBackend interface {
	// Times returns the latest action of a name, "" for any; nil if there was none.
	Times(name string) *timeline.Action
}

func timesRoutes(mux *http.ServeMux, b Backend) {
	t, ok := b.(TimesBackend)
	if !ok {
		return
	}
	mux.HandleFunc("GET /v1/times", func(w http.ResponseWriter, r *http.Request) { reply(w, t.Times(r.FormValue("action")), nil) })
}

// Times reads the latest action of a name, "" for any; nil if there was none since the supervisor started.
func (c *Client) Times(ctx context.Context, name string) (*timeline.Action, error) {
	var a *timeline.Action
	err := c.do(ctx, http.MethodGet, "/v1/times?action="+url.QueryEscape(name), nil, &a)
	return a, err
}
