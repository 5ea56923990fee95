package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

type execFunc func(ctx context.Context, id string, cmd []string, timeout time.Duration) (int, []byte, error)

func (f execFunc) Exec(ctx context.Context, id string, cmd []string, timeout time.Duration) (int, []byte, error) {
	return f(ctx, id, cmd, timeout)
}

// answer is an Execer that always answers the same.
func answer(exit int, output string, err error) Execer {
	return execFunc(func(context.Context, string, []string, time.Duration) (int, []byte, error) {
		return exit, []byte(output), err
	})
}

func execProbe(d Deps, cmd ...string) Handler {
	p := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: cmd}}}
	return d.Handlers()(&corev1.Container{}, Liveness, p)
}

func TestR53Exec(t *testing.T) {
	try := func(exit int, output string, err error) Outcome {
		return execProbe(Deps{Exec: answer(exit, output, err)}, "sleep", "9").Try(t.Context(), Target{})
	}
	want(t, try(0, "fine", nil), Passed, "fine")
	want(t, try(1, "bad", nil), Failed, "bad")
	want(t, try(127, "", nil), Failed, "")
	want(t, try(0, "", fmt.Errorf("exec: %w", ErrExecTimeout)), Failed, `command timed out: "sleep 9" timed out after 1s`)
	if o := try(0, "", errors.New("no such container")); o.Err == nil || o.Verdict != Undecided {
		t.Fatalf("outcome %+v, want an error", o)
	}
	if o := try(1, strings.Repeat("x", 20_000), nil); len(o.Output) != maxOutput {
		t.Fatalf("%d bytes of output", len(o.Output))
	}
}

func TestR22ExpandStatic(t *testing.T) {
	env := []corev1.EnvVar{
		{Name: "A", Value: "1"},
		{Name: "B", Value: "$(A)2"},
		{Name: "A", Value: "last"},
		{Name: "S", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}},
	}
	in := []string{"t", "$(A)", "$(B)", "<$(S)>", "$(NOPE)", "$$(A)", "$A", "${A}", "$(", "a$", "x$(A)y$(A)", "$$$(A)", "$(A", ""}
	out := []string{"t", "last", "$(A)2", "<>", "$(NOPE)", "$(A)", "$A", "${A}", "$(", "a$", "xlastylast", "$last", "$(A", ""}
	if got := ExpandStatic(in, env); !reflect.DeepEqual(got, out) {
		t.Fatalf("got  %q\nwant %q", got, out)
	}
}

func TestLimiterBoundsExecAndLeavesTheTimeoutAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int32
		exec := execFunc(func(_ context.Context, _ string, _ []string, timeout time.Duration) (int, []byte, error) {
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			if timeout != time.Second {
				t.Errorf("timeout %s", timeout)
			}
			time.Sleep(900 * time.Millisecond)
			return 0, nil, nil
		})
		d := Deps{Exec: exec, Limit: NewLimiter(2)}
		passedAll := make(chan Outcome, 10)
		for range 10 {
			go func() { passedAll <- execProbe(d, "x").Try(t.Context(), Target{}) }()
		}
		begin := time.Now()
		for range 10 {
			want(t, <-passedAll, Passed, "")
		}
		if most.Load() != 2 || time.Since(begin) != 4500*time.Millisecond {
			t.Fatalf("%d at a time, %s in all", most.Load(), time.Since(begin))
		}
	})
}

func TestLimiterGivesUpWithItsContext(t *testing.T) {
	d := Deps{Exec: answer(0, "", nil), Limit: NewLimiter(1)}
	if err := d.Limit.acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if o := execProbe(d, "x").Try(ctx, Target{}); o.Err == nil {
		t.Fatalf("outcome %+v", o)
	}
}

func TestR51TCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	try := func() Outcome {
		a := &corev1.TCPSocketAction{Port: intstr.FromInt(l.Addr().(*net.TCPAddr).Port)}
		p := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: a}}
		return Deps{Dialer: &net.Dialer{}}.Handlers()(&corev1.Container{}, Readiness, p).Try(t.Context(), Target{PodIP: "127.0.0.1"})
	}
	want(t, try(), Passed, "")
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Fatalf("the probe sent %d bytes, %v", n, err)
	}
	l.Close()
	want(t, try(), Failed, "connection refused")
}

func grpcServer(t *testing.T, setup func(*grpc.Server)) int32 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	setup(s)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	return int32(l.Addr().(*net.TCPAddr).Port)
}

func tryGRPC(t *testing.T, port int32, service string, timeout time.Duration) Outcome {
	t.Helper()
	a := &corev1.GRPCAction{Port: port, Service: &service}
	h := &grpcHandler{dialer: &net.Dialer{}, action: a, timeout: timeout}
	return h.Try(t.Context(), Target{PodIP: "127.0.0.1"})
}

func TestR52GRPC(t *testing.T) {
	var agent atomic.Value
	port := grpcServer(t, func(s *grpc.Server) {
		h := health.NewServer()
		h.SetServingStatus("down", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
		h.SetServingStatus("odd", grpc_health_v1.HealthCheckResponse_UNKNOWN)
		grpc_health_v1.RegisterHealthServer(s, spy{h, &agent})
	})
	want(t, tryGRPC(t, port, "", 10*time.Second), Passed, "service healthy")
	want(t, tryGRPC(t, port, "down", 10*time.Second), Failed, `service unhealthy (responded with "NOT_SERVING")`)
	want(t, tryGRPC(t, port, "odd", 10*time.Second), Failed, `"UNKNOWN"`)
	want(t, tryGRPC(t, port, "absent", 10*time.Second), Failed, "error: health rpc probe failed: rpc error: code = NotFound")
	if a := agent.Load().(string); !strings.HasPrefix(a, "kube-probe/1.36 grpc-go/") {
		t.Fatalf("user agent %q", a)
	}
	none := grpcServer(t, func(*grpc.Server) {})
	want(t, tryGRPC(t, none, "", 10*time.Second), Failed, "this server does not implement the grpc health protocol")
}

// spy remembers the caller's user agent.
type spy struct {
	*health.Server
	agent *atomic.Value
}

func (s spy) Check(ctx context.Context, r *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	s.agent.Store(strings.Join(md.Get("user-agent"), ""))
	return s.Server.Check(ctx, r)
}

func TestR52RefusedPortCostsTheWholeTimeout(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	begin := time.Now()
	o := tryGRPC(t, int32(l.Addr().(*net.TCPAddr).Port), "", time.Second)
	want(t, o, Failed, "timeout: failed to connect service \""+l.Addr().String()+"\" within 1s")
	if took := time.Since(begin); took < 900*time.Millisecond {
		t.Fatalf("it took only %s", took)
	}
}

func TestR96HookExecAndSleep(t *testing.T) {
	run := func(d Deps, h corev1.LifecycleHandler) error {
		return d.RunHook(t.Context(), &h, &corev1.Container{}, Target{PodIP: "127.0.0.1", ContainerID: "c"})
	}
	var got []string
	d := Deps{Exec: execFunc(func(_ context.Context, _ string, cmd []string, timeout time.Duration) (int, []byte, error) {
		got = cmd
		if timeout != 0 {
			t.Errorf("a hook has a timeout of %s", timeout)
		}
		return len(cmd) - 1, nil, nil
	})}
	if err := run(d, corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"$(A)"}}}); err != nil || got[0] != "$(A)" {
		t.Errorf("command %q: %v", got, err)
	}
	err := run(d, corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"a", "b"}}})
	if err == nil || !strings.Contains(err.Error(), "exited with 1") {
		t.Error(err)
	}
	if err := run(d, corev1.LifecycleHandler{TCPSocket: &corev1.TCPSocketAction{}}); err == nil {
		t.Error("a tcpSocket hook must fail")
	}
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		h := &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: 7}}
		if err := d.RunHook(t.Context(), h, &corev1.Container{}, Target{}); err != nil || time.Since(begin) != 7*time.Second {
			t.Errorf("sleep of %s: %v", time.Since(begin), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := d.RunHook(ctx, h, &corev1.Container{}, Target{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a sleep that is cut short: %v", err)
		}
	})
}

func TestR96HookHTTP(t *testing.T) {
	var agent, auth atomic.Value
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		agent.Store(r.UserAgent())
		auth.Store(r.Header.Get("Authorization"))
		w.WriteHeader(500)
	}))
	defer server.Close()
	u, _ := url.Parse(server.URL)
	port, _ := strconv.Atoi(u.Port())
	run := func(scheme corev1.URIScheme) error {
		h := &corev1.LifecycleHandler{HTTPGet: &corev1.HTTPGetAction{
			Port: intstr.FromInt(port), Scheme: scheme, HTTPHeaders: []corev1.HTTPHeader{{Name: "Authorization", Value: "x"}},
		}}
		return Deps{Dialer: &net.Dialer{}}.RunHook(t.Context(), h, &corev1.Container{}, Target{PodIP: "127.0.0.1"})
	}
	if err := run("HTTP"); err != nil || agent.Load() != "kube-lifecycle/1.36" || auth.Load() != "x" {
		t.Fatalf("%v, agent %v, auth %v", err, agent.Load(), auth.Load())
	}
	if err := run("HTTPS"); err != nil || auth.Load() != "" {
		t.Fatalf("HTTPS to a plain server: %v, auth %v", err, auth.Load())
	}
	server.Close()
	if err := run("HTTP"); err == nil {
		t.Fatal("no answer must be an error")
	}
}
