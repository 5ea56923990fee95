package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// maxRedirects: the tenth redirect is a failure (R48).
const maxRedirects = 10

// httpHandler sends a GET and judges the final status code (R47 to R50).
type httpHandler struct {
	dialer    Dialer
	action    *corev1.HTTPGetAction
	container *corev1.Container
	timeout   time.Duration
}

// Try sends the request. The timeout covers connection, redirects, headers and body.
func (h *httpHandler) Try(ctx context.Context, t Target) Outcome {
	req, err := httpRequest(ctx, h.action, h.container, t.PodIP, probeAgent)
	if err != nil {
		return broken(err)
	}
	client := httpClient(h.dialer, h.timeout)
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return failed(err.Error())
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxOutput))
	if err != nil {
		return Outcome{Verdict: Failed, Err: err}
	}
	switch code := resp.StatusCode; {
	case code >= 200 && code < 300:
		return passed(string(body))
	case code >= 300 && code < 400:
		return Outcome{Verdict: Warned, Output: "Probe terminated redirects, Response body: " + string(body)}
	default:
		return failed(fmt.Sprintf("HTTP probe failed with statuscode: %d", code))
	}
}

// httpClient makes the client of one try: no keep-alive, no compression, no proxy, no certificate checks, HTTP/2 where
// TLS offers it (R49). timeout 0 is none.
func httpClient(d Dialer, timeout time.Duration) *http.Client {
	return &http.Client{
		Timeout:       timeout,
		CheckRedirect: checkRedirect,
		Transport: &http.Transport{
			DialContext:         d.DialContext,
			DisableKeepAlives:   true,
			DisableCompression:  true,
			ForceAttemptHTTP2:   true,
			TLSHandshakeTimeout: 10 * time.Second,
			TLSClientConfig:     &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // as the kubelet: pods have self-signed certificates
		},
	}
}

// checkRedirect follows redirects while the host name stays the same, nine at most (R48).
func checkRedirect(req *http.Request, via []*http.Request) error {
	if req.URL.Hostname() != via[0].URL.Hostname() {
		return http.ErrUseLastResponse
	}
	if len(via) >= maxRedirects {
		return fmt.Errorf("stopped after %d redirects", maxRedirects)
	}
	return nil
}

// httpRequest builds the request of a probe or hook (R45, R46, R49).
func httpRequest(ctx context.Context, a *corev1.HTTPGetAction, c *corev1.Container, podIP, agent string) (*http.Request, error) {
	port, err := resolvePort(a.Port, c)
	if err != nil {
		return nil, err
	}
	if a.Host == "" && podIP == "" {
		return nil, errors.New("cannot send request: the pod has no address yet")
	}
	u, err := url.Parse(a.Path)
	if err != nil {
		u = &url.URL{Path: a.Path}
	}
	u.Scheme, u.Host = strings.ToLower(string(a.Scheme)), hostPort(a.Host, podIP, port)
	if u.Scheme == "" {
		u.Scheme = "http"
	}
	if !strings.HasPrefix(u.Path, "/") {
		u.Path = "/" + u.Path
		if u.RawPath != "" {
			u.RawPath = "/" + u.RawPath
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	setHeaders(req, a.HTTPHeaders, agent)
	return req, nil
}

// setHeaders adds the declared headers and the defaults of R49. An empty User-Agent is left out by net/http itself.
func setHeaders(req *http.Request, declared []corev1.HTTPHeader, agent string) {
	for _, h := range declared {
		req.Header.Add(h.Name, h.Value)
	}
	if _, ok := req.Header["User-Agent"]; !ok {
		req.Header.Set("User-Agent", agent)
	}
	if _, ok := req.Header["Accept"]; !ok {
		req.Header.Set("Accept", "*/*")
	} else if req.Header.Get("Accept") == "" {
		req.Header.Del("Accept")
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
}
