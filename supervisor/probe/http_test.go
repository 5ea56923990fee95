package probe

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// tryHTTP probes a test server with an action whose port is filled in.
func tryHTTP(t *testing.T, server string, a corev1.HTTPGetAction, timeout time.Duration) Outcome {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	port, _ := strconv.Atoi(u.Port())
	a.Port = intstr.FromInt(port)
	h := &httpHandler{dialer: &net.Dialer{}, action: &a, container: &corev1.Container{}, timeout: timeout}
	return h.Try(t.Context(), Target{PodIP: "127.0.0.1"})
}

func serve(t *testing.T, f http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return s.URL
}

func want(t *testing.T, o Outcome, v Verdict, output string) {
	t.Helper()
	if o.Err != nil || o.Verdict != v || !strings.Contains(o.Output, output) {
		t.Fatalf("outcome %+v, want %s with %q", o, v, output)
	}
}

func TestR47StatusCodes(t *testing.T) {
	for code, verdict := range map[int]Verdict{
		200: Passed, 204: Passed, 299: Passed, 300: Warned, 304: Warned, 399: Warned, 400: Failed, 404: Failed, 500: Failed, 503: Failed,
	} {
		server := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
		want(t, tryHTTP(t, server, corev1.HTTPGetAction{}, 10*time.Second), verdict, "")
	}
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "secret", 500) })
	if o := tryHTTP(t, server, corev1.HTTPGetAction{}, 10*time.Second); o.Output != "HTTP probe failed with statuscode: 500" {
		t.Fatalf("output %q", o.Output)
	}
}

func TestR47RefusedConnectionIsFailure(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	want(t, tryHTTP(t, server.URL, corev1.HTTPGetAction{}, 10*time.Second), Failed, "connection refused")
}

func TestR48Redirects(t *testing.T) {
	var mu sync.Mutex
	hops := 0
	to := func(location string) string {
		return serve(t, func(w http.ResponseWriter, r *http.Request) {
			if location != "" {
				w.Header().Set("Location", location)
			}
			w.WriteHeader(http.StatusFound)
			fmt.Fprint(w, "moved")
		})
	}
	chain := func(n int) string {
		return serve(t, func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			if hops++; hops <= n {
				http.Redirect(w, r, "/next", http.StatusSeeOther)
			}
		})
	}
	other := serve(t, func(http.ResponseWriter, *http.Request) {})
	want(t, tryHTTP(t, to(other+"/ok"), corev1.HTTPGetAction{}, 10*time.Second), Passed, "")
	want(t, tryHTTP(t, to("http://dead.invalid/"), corev1.HTTPGetAction{}, 10*time.Second), Warned, "Probe terminated redirects, Response body: moved")
	want(t, tryHTTP(t, to(""), corev1.HTTPGetAction{}, 10*time.Second), Warned, "Response body: moved")
	want(t, tryHTTP(t, to("http://%zz"), corev1.HTTPGetAction{}, 10*time.Second), Failed, "")
	hops = 0
	want(t, tryHTTP(t, chain(9), corev1.HTTPGetAction{}, 10*time.Second), Passed, "")
	hops = 0
	want(t, tryHTTP(t, chain(10), corev1.HTTPGetAction{}, 10*time.Second), Failed, "stopped after 10 redirects")
}

func TestR49HeadersAsSent(t *testing.T) {
	cases := []struct {
		name            string
		headers         []corev1.HTTPHeader
		present, absent []string
	}{
		{"defaults", nil, []string{"User-Agent: kube-probe/1.36", "Accept: */*", "Connection: close"}, []string{"Accept-Encoding"}},
		{
			"own",
			[]corev1.HTTPHeader{{Name: "user-agent", Value: "me"}, {Name: "ACCEPT", Value: "text/plain"}},
			[]string{"User-Agent: me", "Accept: text/plain"},
			[]string{"kube-probe", "*/*"},
		},
		{"empty", []corev1.HTTPHeader{{Name: "User-Agent"}, {Name: "Accept"}}, nil, []string{"User-Agent", "Accept"}},
		{"repeated", []corev1.HTTPHeader{{Name: "X-A", Value: "1"}, {Name: "x-a", Value: "2"}}, []string{"X-A: 1", "X-A: 2"}, nil},
		{"host", []corev1.HTTPHeader{{Name: "Host", Value: "site.example"}}, []string{"Host: site.example"}, []string{"Host: 127"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			raw := rawRequest(t, corev1.HTTPGetAction{HTTPHeaders: c.headers, Path: "health?deep=1"})
			if !strings.HasPrefix(raw, "GET /health?deep=1 HTTP/1.1\r\n") {
				t.Fatalf("request line of %q", raw)
			}
			for _, line := range c.present {
				if !strings.Contains(strings.ToLower(raw), strings.ToLower(line)+"\r\n") {
					t.Errorf("no %q in %q", line, raw)
				}
			}
			for _, text := range c.absent {
				if strings.Contains(raw, text) {
					t.Errorf("%q in %q", text, raw)
				}
			}
		})
	}
}

// rawRequest gives the request of a probe as it goes over the wire.
func rawRequest(t *testing.T, a corev1.HTTPGetAction) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got := make(chan string, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		var b strings.Builder
		r := bufio.NewReader(conn)
		for {
			line, err := r.ReadString('\n')
			b.WriteString(line)
			if err != nil || line == "\r\n" {
				break
			}
		}
		fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		got <- b.String()
	}()
	want(t, tryHTTP(t, "http://"+l.Addr().String(), a, 10*time.Second), Passed, "")
	return <-got
}

func TestR49HostHeaderIsKeptOverRelativeRedirects(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			http.Redirect(w, r, "/b", http.StatusFound)
			return
		}
		fmt.Fprint(w, r.Host)
	})
	a := corev1.HTTPGetAction{HTTPHeaders: []corev1.HTTPHeader{{Name: "Host", Value: "site.example"}}}
	want(t, tryHTTP(t, server, a, 10*time.Second), Passed, "site.example")
}

func TestR49HTTPSWithoutChecksAndHTTP2(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) }))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	want(t, tryHTTP(t, s.URL, corev1.HTTPGetAction{Scheme: corev1.URISchemeHTTPS}, 2*time.Second), Passed, "HTTP/2.0")
}

func TestR49ProxyEnvironmentIsIgnored(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	server := serve(t, func(http.ResponseWriter, *http.Request) {})
	want(t, tryHTTP(t, server, corev1.HTTPGetAction{}, 10*time.Second), Passed, "")
}

func TestR50LongBodyIsCut(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("x", 100_000)) })
	o := tryHTTP(t, server, corev1.HTTPGetAction{}, 10*time.Second)
	want(t, o, Passed, "xxx")
	if len(o.Output) != maxOutput {
		t.Fatalf("%d bytes were read", len(o.Output))
	}
}

func TestR50BrokenBodyIsAnError(t *testing.T) {
	broken := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "short")
	})
	if o := tryHTTP(t, broken, corev1.HTTPGetAction{}, 10*time.Second); o.Err == nil {
		t.Fatalf("outcome %+v, want an error", o)
	}
	slow := serve(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "begin")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	if o := tryHTTP(t, slow, corev1.HTTPGetAction{}, 200*time.Millisecond); o.Err == nil {
		t.Fatalf("outcome %+v, want an error", o)
	}
}

func TestR50LateHeadersAreAFailure(t *testing.T) {
	server := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	want(t, tryHTTP(t, server, corev1.HTTPGetAction{}, 100*time.Millisecond), Failed, "Client.Timeout exceeded while awaiting headers")
}

func TestR45Ports(t *testing.T) {
	c := &corev1.Container{Name: "app", Ports: []corev1.ContainerPort{{Name: "web", ContainerPort: 8080}}}
	for _, good := range []struct {
		port intstr.IntOrString
		want int
	}{{intstr.FromInt(80), 80}, {intstr.FromString("web"), 8080}, {intstr.FromString("9090"), 9090}} {
		if n, err := resolvePort(good.port, c); err != nil || n != good.want {
			t.Errorf("port %v: %d, %v", good.port, n, err)
		}
	}
	for _, bad := range []intstr.IntOrString{intstr.FromInt(0), intstr.FromInt(65536), intstr.FromString("nope"), intstr.FromString("70000")} {
		h := &httpHandler{dialer: &net.Dialer{}, action: &corev1.HTTPGetAction{Port: bad}, container: c, timeout: time.Second}
		if o := h.Try(t.Context(), Target{PodIP: "127.0.0.1"}); o.Err == nil {
			t.Errorf("port %v: %+v, want an error", bad, o)
		}
	}
}

func TestR46Host(t *testing.T) {
	req := func(a corev1.HTTPGetAction) string {
		a.Port = intstr.FromInt(80)
		r, err := httpRequest(context.Background(), &a, &corev1.Container{}, "10.0.0.9", probeAgent)
		if err != nil {
			t.Fatal(err)
		}
		return r.URL.String()
	}
	if got := req(corev1.HTTPGetAction{}); got != "http://10.0.0.9:80/" {
		t.Error(got)
	}
	if got := req(corev1.HTTPGetAction{Host: "other", Scheme: "HTTPS", Path: "/a%2Fb"}); got != "https://other:80/a%2Fb" {
		t.Error(got)
	}
}
