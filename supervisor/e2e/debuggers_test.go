//go:build debuggers

package e2e_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lyandev/lyandev/supervisor/e2e/harness"
	known "github.com/lyandev/lyandev/supervisor/state"
)

// debugged is a service that answers GET with its version, and a debugger of it.
type debugged struct {
	*harness.Instance
	t *testing.T
	// app and debug are the forwarded addresses of the service and of its debugger.
	app, debug string
	version    func(v string)
	// attach attaches a debugger, sets a breakpoint where requests are answered, calls hit when it would be hit, and returns when the
	// process stands at it. resume lets it go on and detaches.
	attach func(ctx context.Context, at string, hit func()) (resume func() error, err error)
}

// newDebugged prepares an instance with a Dockerfile after "FROM debian:trixie-slim" and a command of the service.
func newDebugged(t *testing.T, port int, dockerfile, command, file string) *debugged {
	t.Helper()
	if os.Getenv("LYANDEV_DEBUGGERS") == "" {
		t.Fatal("LYANDEV_DEBUGGERS must name the directory that scripts/debuggers has filled; run `make debuggers`")
	}
	var i *harness.Instance
	t.Cleanup(func() { removeImages(t, i.Name) })
	i = harness.New(t, "")
	i.Write("compose.yaml", fmt.Sprintf(`
services:
  web:
    image: %s/web
    build: ./app
    stop_grace_period: 2s
    command: %s
    develop:
      watch: [{action: sync+restart, path: ./app/%s, target: /app/%s}]
    x-lyandev:
      kind: Deployment
      annotations: {dev.lyandev/pause-probes: "true"}
      probes:
        readiness: {httpGet: {path: /, port: 8000}, periodSeconds: 1, failureThreshold: 2}
        liveness: {httpGet: {path: /, port: 8000}, periodSeconds: 1, failureThreshold: 2}
`, i.Name, command, file, file))
	i.Write("app/Dockerfile", "FROM debian:trixie-slim\n"+dockerfile+"\nCOPY "+file+" /app/\nWORKDIR /app\n")
	return &debugged{Instance: i, t: t}
}

// tool copies a file that scripts/debuggers fetched into the build context.
func (d *debugged) tool(name, as string) {
	d.t.Helper()
	b, err := os.ReadFile(filepath.Join(os.Getenv("LYANDEV_DEBUGGERS"), name))
	if err == nil {
		err = os.WriteFile(filepath.Join(d.Dir, "app", as), b, 0o755)
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *debugged) get() string {
	resp, err := (&http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + d.app)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return string(b)
}

// stands attaches, holds the process at a breakpoint for longer than its probes would allow, and lets it answer.
func (d *debugged) stands(want string) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), time.Minute)
	defer cancel()
	answer := make(chan string, 1)
	var resume func() error
	d.Eventually(30*time.Second, "a debugger attaches at "+d.debug, func() bool {
		var err error
		if resume, err = d.attach(ctx, d.debug, func() { go func() { answer <- d.get() }() }); err != nil {
			d.t.Logf("attaching: %v", err)
		}
		return err == nil
	})
	time.Sleep(8 * time.Second)
	for _, p := range d.Snapshot().PodsOf("web") {
		if s := harness.Status(p, "web"); p.DeletionTimestamp == nil && (s.RestartCount != 0 || !s.Ready) {
			d.t.Fatalf("the process that stands: %+v", s)
		}
	}
	select {
	case got := <-answer:
		d.t.Fatalf("it did not stand at the breakpoint: it answered %q", got)
	default:
	}
	if err := resume(); err != nil {
		d.t.Fatal(err)
	}
	if got := <-answer; got != want {
		d.t.Fatalf("the request that hit the breakpoint got %q, want %q", got, want)
	}
}

// check debugs the service, then after a live restart, and then a pod of a rollout, at the same address.
func (d *debugged) check(debugPort int) {
	d.t.Helper()
	d.Up("--wait")
	d.app, d.debug = portForward(d.t, d.Instance, "web", ":8000"), portForward(d.t, d.Instance, "web", fmt.Sprint(":", debugPort))
	answers := func(want string) {
		d.t.Helper()
		d.Eventually(time.Minute, "it answers "+want, func() bool { return d.get() == want })
		d.Ready(time.Minute) // a pod that is not ready is asked by its probe until it is, also at a breakpoint
	}
	answers("one")
	d.stands("one")
	first := d.Snapshot().PodsOf("web")[0].UID
	d.version("two")
	answers("two")
	d.stands("two")
	d.Must("restart", "web")
	d.Until(time.Minute, "another pod serves", func(s *known.Status) bool {
		pods := s.PodsOf("web")
		return len(pods) == 1 && pods[0].UID != first && podReady(pods[0])
	})
	answers("two")
	d.stands("two")
}

const pythonApp = `from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"one"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

ThreadingHTTPServer(("", 8000), Handler).serve_forever()
`

func TestDebugpy(t *testing.T) {
	d := newDebugged(t, 5678, `RUN apt-get update && apt-get install -y --no-install-recommends python3
COPY debugpy.whl /tmp/
RUN python3 -m zipfile -e /tmp/debugpy.whl /usr/lib/python3/dist-packages/`,
		"[python3, -Xfrozen_modules=off, -m, debugpy, --listen, 0.0.0.0:5678, /app/app.py]", "app.py")
	d.version = func(v string) { d.Write("app/app.py", strings.Replace(pythonApp, "one", v, 1)) }
	d.version("one")
	d.tool("debugpy.whl", "debugpy.whl")
	d.attach = attachDAP("/app/app.py", 6)
	d.check(5678)
}

const goApp = `package main

import "net/http"

//go:noinline
func answer() string { return "one" }

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(answer())) })
	panic(http.ListenAndServe(":8000", nil))
}
`

func TestDelve(t *testing.T) {
	d := newDebugged(t, 2345, "COPY dlv /usr/bin/",
		"[dlv, exec, /app/server, --headless, '--listen=:2345', '--api-version=2', --accept-multiclient, --continue]", "server")
	src := t.TempDir()
	d.version = func(v string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(src, "main.go"), []byte(strings.Replace(goApp, "one", v, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		built := filepath.Join(src, "server")
		cmd := exec.Command("go", "build", "-gcflags=all=-N -l", "-o", built, "main.go")
		cmd.Dir, cmd.Env = src, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if err := os.Rename(built, filepath.Join(d.Dir, "app", "server")); err != nil {
			t.Fatal(err)
		}
	}
	d.tool("dlv", "dlv")
	d.version("one")
	d.attach = attachDelve("main.answer")
	d.check(2345)
}

const nodeApp = `const http = require("http");
http.createServer((req, res) => {
  const body = "one";
  res.end(body);
}).listen(8000);
`

func TestNodeInspector(t *testing.T) {
	d := newDebugged(t, 9229, "RUN apt-get update && apt-get install -y --no-install-recommends nodejs",
		"[node, --inspect=0.0.0.0:9229, /app/app.js]", "app.js")
	d.version = func(v string) { d.Write("app/app.js", strings.Replace(nodeApp, "one", v, 1)) }
	d.version("one")
	d.attach = attachInspector(`.*/app\.js`, 3)
	d.check(9229)
}
