package agent

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"sync/atomic"
	"time"
)

// ingress serves HTTP by the ingress rules: 404 without a rule, 503 without a ready endpoint, 502 when none can be reached.
type ingress struct {
	index *atomic.Pointer[index]
	pool  func(namespace, service string, port uint16) *pool
	proxy *httputil.ReverseProxy
	log   *slog.Logger
}

func newIngress(ix *atomic.Pointer[index], dialer *net.Dialer, log *slog.Logger, pools func(string, string, uint16) *pool) *ingress {
	transport := &http.Transport{
		DialContext:         dialer.DialContext,
		MaxIdleConnsPerHost: 32,
		IdleConnTimeout:     30 * time.Second,
		DisableCompression:  true,
	}
	in := &ingress{index: ix, pool: pools, log: log}
	in.proxy = &httputil.ReverseProxy{
		Transport:     balanced{transport},
		FlushInterval: -1,
		ErrorLog:      slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: "endpoint"})
			r.Out.Host = r.In.Host
			r.Out.URL.RawQuery = r.In.URL.RawQuery // including parameters that Go cannot parse
			r.SetXForwarded()
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			status := http.StatusBadGateway
			if errors.Is(err, errNoEndpoint) {
				status = http.StatusServiceUnavailable
			}
			log.Debug("request failed", "host", r.Host, "path", r.URL.Path, "error", err)
			http.Error(w, http.StatusText(status)+": "+err.Error(), status)
		},
	}
	return in
}

type poolContextKey struct{}

// ServeHTTP finds the rule and sends the request to its Service.
func (in *ingress) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rule := matchIngress(in.index.Load().table.Ingress, r.Host, r.URL.Path)
	if rule == nil {
		http.Error(w, "Not Found: no ingress rule for "+r.Host+r.URL.Path, http.StatusNotFound)
		return
	}
	p := in.pool(rule.Namespace, rule.Service, rule.ServicePort)
	if p == nil || p.empty() {
		http.Error(w, "Service Unavailable: service "+rule.Service+" has no ready endpoint", http.StatusServiceUnavailable)
		return
	}
	in.proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), poolContextKey{}, p)))
}

// balanced sends each request to the pool's next target, and to another one if the connection fails.
type balanced struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b balanced) RoundTrip(r *http.Request) (*http.Response, error) {
	p := r.Context().Value(poolContextKey{}).(*pool)
	from, _ := netip.ParseAddrPort(r.RemoteAddr)
	if r.Body != nil {
		defer r.Body.Close()
	}
	var tried []*target
	last := errNoEndpoint
	for len(tried) < 4 {
		t := p.pick(from.Addr().Unmap(), tried)
		if t == nil {
			break
		}
		out := r.Clone(r.Context())
		out.URL.Host = t.key.addr.String()
		if r.Body != nil && r.Body != http.NoBody {
			out.Body = io.NopCloser(r.Body)
		}
		resp, err := b.next.RoundTrip(out)
		if err == nil {
			resp.Body = released(resp.Body, func() { p.release(t) })
			return resp, nil
		}
		p.release(t)
		last = err
		var op *net.OpError
		if !errors.As(err, &op) || op.Op != "dial" || r.Context().Err() != nil {
			break
		}
		p.failed(t)
		tried = append(tried, t)
	}
	return nil, last
}

// released calls done once when the body is closed. It keeps a body writable (for a protocol upgrade).
func released(body io.ReadCloser, done func()) io.ReadCloser {
	var once atomic.Bool
	d := doneBody{body, func() {
		if once.CompareAndSwap(false, true) {
			done()
		}
	}}
	if w, ok := body.(io.Writer); ok {
		return struct {
			doneBody
			io.Writer
		}{d, w}
	}
	return d
}

type doneBody struct {
	io.ReadCloser
	done func()
}

func (d doneBody) Close() error {
	defer d.done()
	return d.ReadCloser.Close()
}

// ingressFront is one listener of the ingress.
type ingressFront struct {
	listener net.Listener
	server   *http.Server
}

func (in *ingress) front(l net.Listener) front {
	return &ingressFront{l, &http.Server{
		Handler: in, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 75 * time.Second, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(in.log.Handler(), slog.LevelDebug),
	}}
}

// Run serves until the front is closed and its requests have ended; ctx ends those.
func (f *ingressFront) Run(ctx context.Context) error {
	f.server.BaseContext = func(net.Listener) context.Context { return ctx } // ends upgraded connections too
	stop := context.AfterFunc(ctx, func() { f.server.Close() })
	defer stop()
	err := f.server.Serve(f.listener)
	if shut := f.server.Shutdown(ctx); shut != nil {
		f.server.Close()
	}
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Close stops accepting.
func (f *ingressFront) Close() error { return f.listener.Close() }
