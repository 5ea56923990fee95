package agent

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// Health is the body of GET /healthz; it needs no token.
type Health struct {
	// Version is Config.Version. Instance changes with every start of the agent.
	Version  string `json:"version"`
	Instance string `json:"instance"`
	// Table is the version of the current table, 0 for none yet.
	Table int64 `json:"table"`
	// Limit is the maximum number of concurrent connections to Services. Waited is the number of connections so far that had to
	// wait because of it.
	Limit  int   `json:"limit"`
	Waited int64 `json:"waited"`
	// Datapath is how connections reach endpoints: DatapathNFTables or DatapathUserland. Fallback is why it is not the former, ""
	// if that was not asked for.
	Datapath string `json:"datapath"`
	Fallback string `json:"fallback,omitempty"`
}

// Pushed is the body of the reply to PUT /table.
type Pushed struct {
	// Version is the version of the current table after the push.
	Version int64 `json:"version"`
	// Problems are the parts of the table that cannot be served, one line each.
	Problems []string `json:"problems,omitempty"`
}

// Stats is the body of GET /stats.
type Stats struct {
	Health
	Uptime float64 `json:"uptimeSeconds"`
	// Connections (and UDP flows) in total, open now, and ended without reaching an endpoint.
	Connections int64 `json:"connections"`
	Open        int64 `json:"open"`
	Failed      int64 `json:"failed"`
	// Bytes is the traffic in both directions of connections that have ended. The kernel does not count it.
	Bytes int64 `json:"bytes"`
	// DNS queries answered from the table, and forwarded.
	NamesLocal     int64 `json:"namesLocal"`
	NamesForwarded int64 `json:"namesForwarded"`
	// Ports are the Services' ports with the open connections of their endpoints.
	Ports []PortStats `json:"ports"`
	// Problems are those of the last table.
	Problems []string `json:"problems,omitempty"`
}

// PortStats is one port of one Service.
type PortStats struct {
	Port string `json:"port"` // "web.default:80/TCP"
	// Total counts the connections that the agent forwarded itself.
	Total uint64 `json:"total"`
	// Active are the open connections by endpoint address.
	Active map[string]int `json:"active"`
}

// control is the HTTP API on ControlPort.
type control struct {
	token [sha256.Size]byte
	agent *server
	mux   *http.ServeMux
}

func newControl(token string, a *server) *control {
	c := &control{token: sha256.Sum256([]byte(token)), agent: a, mux: http.NewServeMux()}
	c.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, a.health()) })
	c.mux.HandleFunc("GET /stats", c.guard(func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, a.stats()) }))
	c.mux.HandleFunc("GET /table", c.guard(func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, a.index.Load().table)
	}))
	c.mux.HandleFunc("PUT /table", c.guard(c.putTable))
	return c
}

// ServeHTTP implements http.Handler. CONNECT has no path, so it does not go through the mux.
func (c *control) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		c.mux.ServeHTTP(w, r)
		return
	}
	if !c.allowed(r.Header.Get("Proxy-Authorization")) {
		http.Error(w, "the dialer needs the agent's token", http.StatusProxyAuthRequired)
		return
	}
	c.agent.connect(w, r)
}

func (c *control) guard(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !c.allowed(r.Header.Get("Authorization")) {
			http.Error(w, "the control API needs the agent's token", http.StatusUnauthorized)
			return
		}
		next(w, r)
	}
}

func (c *control) allowed(header string) bool {
	token, ok := strings.CutPrefix(header, "Bearer ")
	sum := sha256.Sum256([]byte(token))
	return ok && subtle.ConstantTimeCompare(sum[:], c.token[:]) == 1
}

func (c *control) putTable(w http.ResponseWriter, r *http.Request) {
	var raw bytes.Buffer
	if r.ContentLength > 0 && r.ContentLength <= MaxTableBytes {
		raw.Grow(int(r.ContentLength))
	}
	if _, err := io.Copy(&raw, http.MaxBytesReader(w, r.Body, MaxTableBytes)); err != nil {
		http.Error(w, fmt.Sprintf("cannot read table: %v", err), http.StatusRequestEntityTooLarge)
		return
	}
	t, err := decodeTable(raw.Bytes())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	pushed, ok := c.agent.push(t, raw.Bytes())
	if !ok {
		writeJSON(w, http.StatusConflict, pushed)
		return
	}
	writeJSON(w, http.StatusOK, pushed)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func controlServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
