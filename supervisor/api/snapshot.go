package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
)

// SnapshotRequest is the body of POST /v1/snapshots/{name} and of POST /v1/snapshots/{name}/restore.
type SnapshotRequest struct {
	// Services limits the request to the volumes of these workloads; empty is all.
	Services []string `json:"services,omitempty"`
	// Replace lets a save replace a snapshot of that name.
	Replace bool `json:"replace,omitempty"`
}

// SnapshotBackend is an optional interface of a Backend that can save and restore volumes. Both calls block until everything is
// done. The results are for JSON.
type SnapshotBackend interface {
	SaveSnapshot(ctx context.Context, name string, r SnapshotRequest) (any, error)
	RestoreSnapshot(ctx context.Context, name string, r SnapshotRequest) (any, error)
}

func snapshotRoutes(mux *http.ServeMux, b Backend) {
	s, ok := b.(SnapshotBackend)
	if !ok {
		return
	}
	handle := func(pattern string, do func(ctx context.Context, name string, r SnapshotRequest) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			var req SnapshotRequest
			if read(w, r, &req) {
				v, err := do(r.Context(), r.PathValue("name"), req)
				reply(w, v, err)
			}
		})
	}
	handle("POST /v1/snapshots/{name}", s.SaveSnapshot)
	handle("POST /v1/snapshots/{name}/restore", s.RestoreSnapshot)
}

// SaveSnapshot saves a snapshot, blocks until it is synced to disk, and decodes its metadata into meta.
func (c *Client) SaveSnapshot(ctx context.Context, name string, r SnapshotRequest, meta any) error {
	return c.snapshot(ctx, url.PathEscape(name), r, meta)
}

// RestoreSnapshot restores a snapshot, blocks until services may start again, and decodes the result into restored.
func (c *Client) RestoreSnapshot(ctx context.Context, name string, r SnapshotRequest, restored any) error {
	return c.snapshot(ctx, url.PathEscape(name)+"/restore", r, restored)
}

func (c *Client) snapshot(ctx context.Context, path string, r SnapshotRequest, into any) error {
	var raw json.RawMessage
	if err := c.do(ctx, http.MethodPost, "/v1/snapshots/"+path, r, &raw); err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}
