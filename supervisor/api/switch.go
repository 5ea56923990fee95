package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"
)

// SwitchRequest is the body of POST /v1/switch: a switch of the running stack to another profile.
type SwitchRequest struct {
	ApplyRequest
	// Limit is how long the new profile may take to become right before the switch is rolled back; 0 is the supervisor's default.
	Limit time.Duration `json:"limit,omitempty"`
}

// SwitchBackend is an optional interface of a Backend that can switch profiles.
type SwitchBackend interface {
	// PlanSwitch returns the plan for JSON. Switch starts the switch and returns; the state shows its progress.
	PlanSwitch(ctx context.Context, r SwitchRequest) (any, error)
	Switch(ctx context.Context, r SwitchRequest) error
}

var errNoProfile = errors.New("cannot switch: the request has no stack")

func switchRoutes(mux *http.ServeMux, b Backend) {
	s, ok := b.(SwitchBackend)
	if !ok {
		return
	}
	handle := func(pattern string, do func(r *http.Request, req SwitchRequest) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			var req SwitchRequest
			if !read(w, r, &req) {
				return
			}
			if req.Stack == nil {
				fail(w, http.StatusBadRequest, errNoProfile)
				return
			}
			v, err := do(r, req)
			reply(w, v, err)
		})
	}
	handle("POST /v1/switch/plan", func(r *http.Request, req SwitchRequest) (any, error) { return s.PlanSwitch(r.Context(), req) })
	handle("POST /v1/switch", func(r *http.Request, req SwitchRequest) (any, error) { return struct{}{}, s.Switch(r.Context(), req) })
}

// PlanSwitch decodes what a switch would do into plan.
func (c *Client) PlanSwitch(ctx context.Context, r SwitchRequest, plan any) error {
	var raw json.RawMessage
	if err := c.do(ctx, http.MethodPost, "/v1/switch/plan", r, &raw); err != nil {
		return err
	}
	return json.Unmarshal(raw, plan)
}

// Switch starts a switch and does not wait for it; the state's Switch shows its progress.
func (c *Client) Switch(ctx context.Context, r SwitchRequest) error {
	return c.do(ctx, http.MethodPost, "/v1/switch", r, nil)
}
