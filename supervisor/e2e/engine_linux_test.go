package e2e_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/e2e/harness"
	"github.com/lyandev/lyandev/supervisor/engine"
)

// lastingStack is a chain db <- api <- web; db has a volume, web a port of the host.
const lastingStack = `
x-lyandev: {semantics: kubernetes}
services:
  db:
    image: lyandev-e2e/alone:dev
    command: [/testpod, serve, /data/log]
    volumes: [data:/data]
    stop_grace_period: 2s
    x-lyandev: {kind: StatefulSet, probes: {readiness: {httpGet: {path: /ready, port: 8080}, periodSeconds: 1}}}
  api:
    image: lyandev-e2e/alone:dev
    command: [/testpod, serve]
    stop_grace_period: 2s
    depends_on: {db: {condition: service_healthy}}
    x-lyandev: {kind: Deployment, probes: {readiness: {httpGet: {path: /ready, port: 8080}, periodSeconds: 1}}}
  web:
    image: lyandev-e2e/alone:dev
    command: [/testpod, serve]
    stop_grace_period: 2s
    ports: ["18080:8080"]
    depends_on: {api: {condition: service_healthy}}
    deploy: {replicas: 2}
    x-lyandev: {kind: Deployment, probes: {readiness: {httpGet: {path: /ready, port: 8080}, periodSeconds: 1}}}
volumes: {data: {}}
`

// lasting is a stack on an engine that is about to suffer.
type lasting struct {
	*harness.Instance
	engine *harness.PrivateEngine
	t      *testing.T
	ips    map[string]string
	// restarts is how often every container has been restarted so far.
	restarts int32
}

// TestAnEngineIsKilledStoppedAndHangs under a running stack. The supervisor says so and stays; when the engine is back
// everything is, in the start order, at the same addresses, with its data, once each, and the host's port answers.
func TestAnEngineIsKilledStoppedAndHangs(t *testing.T) {
	p := harness.NewPrivateEngine(t)
	importTestpod(t, p)
	l := &lasting{Instance: harness.New(t, lastingStack), engine: p, t: t, ips: map[string]string{}}
	l.RunWith(p.Network()...)
	l.Up("--wait")
	for _, pod := range l.Snapshot().Pods {
		l.ips[pod.Name] = pod.Status.PodIP
	}
	l.check(l.Snapshot())

	p.Signal("KILL")
	l.away()
	for name, ip := range l.ips { // nobody has stopped them
		if body := l.get(ip + ":8080"); body != name+"/" {
			t.Errorf("pod %s answers %q while the engine is away", name, body)
		}
	}
	p.Gone()
	p.Start()
	l.back(1)

	p.Signal("TERM")
	l.away()
	p.Gone()
	p.Start()
	l.back(1)

	p.Signal("STOP")
	l.away()
	p.Signal("CONT")
	l.back(0)
}

// away waits until the supervisor knows that the engine is, and looks at what commands say then.
func (l *lasting) away() {
	l.t.Helper()
	s := l.Until(30*time.Second, "the supervisor says that the engine does not answer", func(s *state) bool { return s.Engine != "" })
	if s.Phase != "degraded" || len(s.Pods) != len(l.ips) {
		l.t.Errorf("the stack is %s with %d pods while the engine is away", s.Phase, len(s.Pods))
	}
	const says = "the Docker engine does not answer"
	for _, c := range []struct {
		code int
		args []string
	}{{0, []string{"ps"}}, {3, []string{"status"}}, {3, []string{"why", "web"}}, {4, []string{"up", "-d"}}, {4, []string{"down"}}} {
		if r := l.Run(c.args...); r.Code != c.code || !strings.Contains(r.Out+r.Err, says) {
			l.t.Errorf("%v ended with %d, want %d:\n%s%s", c.args, r.Code, c.code, r.Out, r.Err)
		}
	}
}

// back waits until the stack is, after as many restarts of every container, and checks it.
func (l *lasting) back(restarts int32) {
	l.t.Helper()
	l.restarts += restarts
	l.check(l.Until(2*time.Minute, "the stack is back", func(s *state) bool {
		return s.Engine == "" && s.Phase == "ready" && !slices.ContainsFunc(s.Pods, func(p *corev1.Pod) bool {
			return p.Status.ContainerStatuses[0].RestartCount < l.restarts
		})
	}))
}

// check looks at everything there is.
func (l *lasting) check(s *state) {
	l.t.Helper()
	began, ready := map[string]time.Time{}, map[string]time.Time{}
	running := 0
	list, err := l.engine.ListContainers(l.t.Context(), map[string]string{services.ProjectLabel: l.Name})
	if err != nil {
		l.t.Fatal(err)
	}
	for _, c := range list {
		if c.State != engine.StateRunning {
			continue
		}
		running++
		w := c.Labels[services.WorkloadLabel]
		if began[w].IsZero() || c.Created.Before(began[w]) {
			began[w] = c.Created
		}
		ready[w] = c.Started // no earlier than that
	}
	if running != len(l.ips)+1 || len(s.Pods) != 4 {
		l.t.Errorf("%d containers run, and there are %d pods; want 4 and the agent", running, len(s.Pods))
	}
	for _, next := range [][2]string{{"db", "api"}, {"api", "web"}} {
		if ready[next[0]].IsZero() || !began[next[1]].After(ready[next[0]]) {
			l.t.Errorf("%s was made at %v, and %s started at %v", next[1], began[next[1]], next[0], ready[next[0]])
		}
	}
	for _, p := range s.Pods {
		if n := p.Status.ContainerStatuses[0].RestartCount; p.Status.PodIP != l.ips[p.Name] || n != l.restarts {
			l.t.Errorf("pod %s has address %s, had %q, and %d restarts, want %d", p.Name, p.Status.PodIP, l.ips[p.Name], n, l.restarts)
		}
		for _, e := range l.Events(p.Name) {
			if e.Reason == "BackOff" {
				l.t.Errorf("pod %s: %s", p.Name, e.Message)
			}
		}
	}
	if lines := strings.Count(l.data(), "\n"); lines != int(l.restarts)+1 {
		l.t.Errorf("db has noted %d starts, want %d", lines, l.restarts+1)
	}
	if body := l.get("127.0.0.1:18080"); !strings.HasPrefix(body, "web-") {
		l.t.Errorf("the host's port answers %q", body)
	}
}

// get is the answer of an HTTP server in the engine's network.
func (l *lasting) get(at string) string {
	l.t.Helper()
	path, err := testpod()
	if err != nil {
		l.t.Fatal(err)
	}
	argv := append(l.engine.Network(), path, "get", "http://"+at+"/")
	out, err := exec.CommandContext(l.t.Context(), argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%v: %s", err, out)
	}
	return strings.TrimPrefix(strings.TrimSpace(string(out)), "200 ")
}

// data is what db has written to its volume.
func (l *lasting) data() string {
	l.t.Helper()
	rc, err := l.engine.CopyFrom(l.t.Context(), harness.ContainerID(l.Pod("db-0"), "db"), "/data/log")
	if err != nil {
		l.t.Fatal(err)
	}
	defer rc.Close()
	archive := tar.NewReader(rc)
	if _, err := archive.Next(); err != nil {
		l.t.Fatal(err)
	}
	text, err := io.ReadAll(archive)
	if err != nil {
		l.t.Fatal(err)
	}
	return string(text)
}

// importTestpod makes an image of nothing but testpod: an engine of one's own has none.
func importTestpod(t *testing.T, e engine.Engine) {
	t.Helper()
	path, err := testpod()
	if err != nil {
		t.Fatal(err)
	}
	binary, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []tar.Header{
		{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777}, {Typeflag: tar.TypeReg, Name: "testpod", Mode: 0o755, Size: int64(len(binary))},
	} {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Write(binary); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := e.ImportImage(t.Context(), "lyandev-e2e/alone:dev", nil, &b); err != nil {
		t.Fatal(err)
	}
}
