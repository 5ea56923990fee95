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
	// TakeTimes records the begin or the end of an action that the client carries out; see timeline.Recorder.Take.
	TakeTimes(a timeline.Action)
}

func timesRoutes(mux *http.ServeMux, b Backend) {
	t, ok := b.(TimesBackend)
	if !ok {
		return
	}
	mux.HandleFunc("GET /v1/times", func(w http.ResponseWriter, r *http.Request) { reply(w, t.Times(r.FormValue("action")), nil) })
	mux.HandleFunc("POST /v1/times", func(w http.ResponseWriter, r *http.Request) {
		var a timeline.Action
		if read(w, r, &a) {
			t.TakeTimes(a)
			reply(w, struct{}{}, nil)
		}
	})
}

// Times reads the latest action of a name, "" for any; nil if there was none since the supervisor started.
func (c *Client) Times(ctx context.Context, name string) (*timeline.Action, error) {
	var a *timeline.Action
	err := c.do(ctx, http.MethodGet, "/v1/times?action="+url.QueryEscape(name), nil, &a)
	return a, err
}

// TakeTimes tells the supervisor that this process begins or has ended an action; see timeline.Recorder.Take.
func (c *Client) TakeTimes(ctx context.Context, a timeline.Action) error {
	return c.do(ctx, http.MethodPost, "/v1/times", a, &struct{}{})
}
