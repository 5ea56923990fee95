package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/probe"
)

// Optional interfaces of a Backend. The API serves those that the Backend implements.
type (
	// WorkloadTeller returns a workload as the controllers see it, with its status.
	WorkloadTeller interface {
		Workload(ctx context.Context, name string) (*services.Workload, error)
	}
	// ProbeTeller returns the latest probe answers by pod.
	ProbeTeller interface {
		ProbeAnswers() map[string][]probe.Answer
	}
	// Scaler changes the replicas of workloads, all of them or, after an error, none.
	Scaler interface {
		Scale(ctx context.Context, replicas map[string]int) error
	}
	// ProbePauser pauses and resumes probes, and returns the pods concerned; see supervisor.Supervisor.PauseProbes and ResumeProbes.
	ProbePauser interface {
		PauseProbes(ctx context.Context, r ProbePauseRequest) ([]string, error)
		ResumeProbes(ctx context.Context, r ProbePauseRequest) ([]string, error)
	}
	// OperatorUser runs a manual action of an operator and blocks until it is done. The result is for JSON.
	OperatorUser interface {
		Operate(ctx context.Context, r OperateRequest) (any, error)
	}
	// OneOffCreator creates one-off containers of services; see supervisor.Supervisor.CreateOneOff.
	OneOffCreator interface {
		CreateOneOff(ctx context.Context, r OneOffRequest) (OneOffAnswer, error)
	}
)

// ProbePauseRequest is the body of POST /v1/probes/pause and /v1/probes/resume; see supervisor.ProbePause.
type ProbePauseRequest struct {
	Names    []string      `json:"names,omitempty"`
	Liveness bool          `json:"liveness,omitempty"`
	For      time.Duration `json:"for,omitempty"`
}

// OneOffRequest is the body of POST /v1/oneoffs; see supervisor.OneOff.
type OneOffRequest struct {
	Stack     *services.Stack `json:"stack"`
	Service   string          `json:"service"`
	Options   compose.OneOff  `json:"options"`
	Container string          `json:"container,omitempty"`
	Build     bool            `json:"build,omitempty"`
	NoInit    bool            `json:"noInit,omitempty"`
	Pull      string          `json:"pull,omitempty"`
}

// OneOffAnswer is the container that was created: its ID and its name.
type OneOffAnswer struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// ScaleRequest is the body of POST /v1/scale.
type ScaleRequest struct {
	// Replicas is the desired number of pods by workload.
	Replicas map[string]int `json:"replicas"`
}

// OperateRequest is the body of POST /v1/operators/{name}.
type OperateRequest struct {
	// Operator is filled in from the path.
	Operator string `json:"-"`
	// Action is "status" or an action of the operator: "promote", "switchback", "failover".
	Action string `json:"action"`
	// Target is the pod to act on; "" lets the operator choose.
	Target string `json:"target,omitempty"`
	// Force accepts the data loss that the operator warned of.
	Force bool `json:"force,omitempty"`
}

// operations adds the routes of the optional interfaces that b implements.
func operations(mux *http.ServeMux, b Backend) {
	if t, ok := b.(WorkloadTeller); ok {
		mux.HandleFunc("GET /v1/workloads/{name}", func(w http.ResponseWriter, r *http.Request) {
			x, err := t.Workload(r.Context(), r.PathValue("name"))
			reply(w, x, err)
		})
	}
	if t, ok := b.(ProbeTeller); ok {
		mux.HandleFunc("GET /v1/probes", func(w http.ResponseWriter, _ *http.Request) { reply(w, t.ProbeAnswers(), nil) })
	}
	if s, ok := b.(Scaler); ok {
		mux.HandleFunc("POST /v1/scale", func(w http.ResponseWriter, r *http.Request) {
			var req ScaleRequest
			if read(w, r, &req) {
				reply(w, struct{}{}, s.Scale(r.Context(), req.Replicas))
			}
		})
	}
	if x, ok := b.(ProbePauser); ok {
		for path, do := range map[string]func(context.Context, ProbePauseRequest) ([]string, error){
			"POST /v1/probes/pause": x.PauseProbes, "POST /v1/probes/resume": x.ResumeProbes,
		} {
			mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
				var req ProbePauseRequest
				if read(w, r, &req) {
					pods, err := do(r.Context(), req)
					reply(w, pods, err)
				}
			})
		}
	}
	if o, ok := b.(OneOffCreator); ok {
		mux.HandleFunc("POST /v1/oneoffs", func(w http.ResponseWriter, r *http.Request) {
			var req OneOffRequest
			if !read(w, r, &req) {
				return
			}
			if req.Stack == nil {
				fail(w, http.StatusBadRequest, errors.New("cannot run a one-off container: the request has no stack"))
				return
			}
			a, err := o.CreateOneOff(r.Context(), req)
			reply(w, a, err)
		})
	}
	if o, ok := b.(OperatorUser); ok {
		mux.HandleFunc("POST /v1/operators/{name}", func(w http.ResponseWriter, r *http.Request) {
			var req OperateRequest
			if !read(w, r, &req) {
				return
			}
			req.Operator = r.PathValue("name")
			result, err := o.Operate(r.Context(), req)
			reply(w, result, err)
		})
	}
}

// Workload returns one workload with its status.
func (c *Client) Workload(ctx context.Context, name string) (*services.Workload, error) {
	w := new(services.Workload)
	return w, c.do(ctx, http.MethodGet, "/v1/workloads/"+url.PathEscape(name), nil, w)
}

// ProbeAnswers returns the latest probe answers by pod: up to ten per probe, oldest first.
func (c *Client) ProbeAnswers(ctx context.Context) (map[string][]probe.Answer, error) {
	out := map[string][]probe.Answer{}
	return out, c.do(ctx, http.MethodGet, "/v1/probes", nil, &out)
}

// Scale changes the replicas of workloads, all of them or, after an error, none.
func (c *Client) Scale(ctx context.Context, replicas map[string]int) error {
	return c.do(ctx, http.MethodPost, "/v1/scale", ScaleRequest{Replicas: replicas}, nil)
}

// PauseProbes pauses the probes of services or pods and returns the pods whose probes are paused.
func (c *Client) PauseProbes(ctx context.Context, r ProbePauseRequest) (pods []string, err error) {
	err = c.do(ctx, http.MethodPost, "/v1/probes/pause", r, &pods)
	return pods, err
}

// ResumeProbes ends pauses that PauseProbes began, all of them if no names are given, and returns the pods whose probes go on.
func (c *Client) ResumeProbes(ctx context.Context, r ProbePauseRequest) (pods []string, err error) {
	err = c.do(ctx, http.MethodPost, "/v1/probes/resume", r, &pods)
	return pods, err
}

// CreateOneOff creates a one-off container of a service without starting it. It blocks until its image, networks and volumes are
// there too.
func (c *Client) CreateOneOff(ctx context.Context, r OneOffRequest) (a OneOffAnswer, err error) {
	err = c.do(ctx, http.MethodPost, "/v1/oneoffs", r, &a)
	return a, err
}

// Operate runs a manual action of an operator, blocks until it is done, and decodes the result into into.
func (c *Client) Operate(ctx context.Context, r OperateRequest, into any) error {
	var raw json.RawMessage
	if err := c.do(ctx, http.MethodPost, "/v1/operators/"+url.PathEscape(r.Operator), r, &raw); err != nil {
		return err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("cannot read the answer of operator %s: %w", r.Operator, err)
	}
	return nil
}
