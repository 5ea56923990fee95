package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lyandev/lyandev/supervisor/e2e/harness"
	"github.com/lyandev/lyandev/supervisor/engine"
)

// BenchmarkLoop measures from an edit until every replica answers with it, for lyandev and for Docker Compose, whose binary
// BENCH_COMPOSE names: the same directory, file, image and way of looking. BENCH_IMAGE names an image with python3 in it,
// BENCH_ROUNDS how often each is measured (5); the medians are printed. Run by scripts/bench.d/innerloop.
func BenchmarkLoop(b *testing.B) {
	compose, image := os.Getenv("BENCH_COMPOSE"), os.Getenv("BENCH_IMAGE")
	if compose == "" || image == "" {
		b.Fatal("BENCH_COMPOSE and BENCH_IMAGE must name Compose's binary and an image with python3")
	}
	rounds := 5
	if n, err := strconv.Atoi(os.Getenv("BENCH_ROUNDS")); err == nil && n > 0 {
		rounds = n
	}
	for b.Loop() {
		var ours, theirs []figure
		for _, replicas := range []int{1, 3} {
			ours = append(ours, measure(b, newOurs(b, image, replicas), replicas, rounds)...)
			theirs = append(theirs, measure(b, newTheirs(b, compose, image, replicas), replicas, rounds)...)
		}
		for n, o := range ours {
			us, them := median(o.times), median(theirs[n].times)
			fmt.Printf("%-34s lyandev %6d ms   compose %6d ms   %.2f x compose\n",
				o.name, us.Milliseconds(), them.Milliseconds(), us.Seconds()/them.Seconds())
		}
	}
	b.ReportMetric(0, "ns/op")
}

type figure struct {
	name  string
	times []time.Duration
}

func median(list []time.Duration) time.Duration {
	list = slices.Clone(list)
	slices.Sort(list)
	return list[len(list)/2]
}

// peer is a stack that runs and is watched.
type peer struct {
	b       *testing.B
	project string
	dir     string
	eng     engine.Engine
	stop    func()
}

const benchServer = `import http.server, os, signal, sys, threading
VERSION = "v0"
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/":
            body = VERSION
        elif self.path.startswith("/count/"):
            want, n = self.path[7:], 0
            for d, _, files in os.walk("/app/static/many"):
                for f in files:
                    with open(os.path.join(d, f)) as g:
                        n += g.read() == want
            body = str(n)
        else:
            try:
                with open("/app" + self.path) as f:
                    body = f.read()
            except OSError:
                body = ""
        body = body.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *a):
        pass
class S(http.server.ThreadingHTTPServer):
    request_queue_size = 128
signal.signal(signal.SIGTERM, lambda *a: os._exit(0))
S(("", 8000), H).serve_forever()
`

func benchFiles(b *testing.B, dir, image string) {
	b.Helper()
	for name, text := range map[string]string{
		"app/server.py": benchServer, "app/static/a.css": "v0", "app/requirements.txt": "v0", "app/slow.txt": "v0",
		"app/Dockerfile": "FROM " + image + "\nUSER 0\nWORKDIR /app\nRUN rm -rf /app/* && mkdir /app/static\n" +
			"COPY slow.txt /app/\nRUN if [ $(cat slow.txt) != v0 ]; then sleep 3; fi\n" +
			"COPY . /app/\nCMD [\"python3\", \"/app/server.py\"]\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
	}
}

func benchCompose(project string, replicas int) string {
	return fmt.Sprintf(`
x-lyandev: {semantics: kubernetes}
services:
  web:
    image: %s/web
    build: ./app
    stop_grace_period: 5s
    deploy: {replicas: %d}
    develop:
      watch:
        - {path: ./app, action: sync+restart, target: /app, ignore: [static/, requirements.txt, slow.txt, Dockerfile]}
        - {path: ./app/static, action: sync, target: /app/static}
        - {path: ./app/requirements.txt, action: rebuild}
        - {path: ./app/slow.txt, action: rebuild}
    x-lyandev:
      kind: Deployment
      probes:
        readiness: {httpGet: {path: /, port: 8000}, periodSeconds: 5}
`, project, replicas)
}

func newOurs(b *testing.B, image string, replicas int) *peer {
	b.Helper()
	i := harness.New(b, "")
	i.Write("compose.yaml", benchCompose(i.Name, replicas))
	p := &peer{b: b, project: i.Name, dir: i.Dir, eng: i.Engine(), stop: func() {
		i.Run("down", "--volumes", "--quiet")
		removeImages(b, i.Name)
	}}
	benchFiles(b, i.Dir, image)
	i.Up("--wait")
	return p
}

func newTheirs(b *testing.B, compose, image string, replicas int) *peer {
	b.Helper()
	eng, err := engine.NewDocker(false)
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	project := fmt.Sprintf("bench-peer-%d", os.Getpid())
	benchFiles(b, dir, image)
	if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(benchCompose(project, replicas)), 0o644); err != nil {
		b.Fatal(err)
	}
	run := func(ctx context.Context, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, compose, append([]string{"-p", project, "-f", filepath.Join(dir, "compose.yaml")}, args...)...)
		cmd.Dir = dir
		return cmd
	}
	if out, err := run(b.Context(), "up", "-d", "--build").CombinedOutput(); err != nil {
		b.Fatalf("compose up: %v\n%s", err, out)
	}
	ctx, cancel := context.WithCancel(context.Background())
	watch := run(ctx, "watch", "--no-up")
	var log lockedLog
	watch.Stdout, watch.Stderr = &log, &log
	if err := watch.Start(); err != nil {
		b.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for !strings.Contains(log.String(), "Watch enabled") && time.Now().Before(deadline) {
		<-time.After(20 * time.Millisecond)
	}
	return &peer{b: b, project: project, dir: dir, eng: eng, stop: func() {
		cancel()
		_ = watch.Wait()
		if out, err := run(context.Background(), "down", "-t", "1", "--rmi", "all").CombinedOutput(); err != nil {
			b.Logf("compose down: %v\n%s", err, out)
		}
		_ = eng.Close()
	}}
}

// measure does every kind of edit, and stops the peer.
func measure(b *testing.B, p *peer, replicas, rounds int) []figure {
	b.Helper()
	defer p.stop()
	p.until("", "v0", replicas)
	name := func(what string) string { return fmt.Sprintf("%s, %d replica(s)", what, replicas) }
	out := []figure{
		p.times(name("sync"), rounds, func(v string) { p.write("static/a.css", v) }, func(v string) { p.until("static/a.css", v, replicas) }),
		p.times(name("sync+restart"), rounds, p.version, func(v string) { p.until("", v, replicas) }),
	}
	if replicas > 1 {
		return out
	}
	out = append(out,
		p.times("rebuild of a layer that copies", rounds, func(v string) { p.write("requirements.txt", v) },
			func(v string) { p.until("requirements.txt", v, replicas) }),
		p.times("2,000 files at once", min(rounds, 3), func(v string) {
			for n := range 2000 {
				p.write(fmt.Sprintf("static/many/d%d/f%d", n%50, n), v)
			}
		}, func(v string) {
			p.until("static/many/d49/f1999", v, replicas) // counting costs more than bringing the files
			p.until("count/"+v, "2000", replicas)
		}),
		p.superseded(replicas),
	)
	return out
}

// times does an edit of a new version again and again. Between two everything is let come to rest: Python tells a stale
// .pyc by its source's time in whole seconds.
func (p *peer) times(name string, rounds int, edit, await func(v string)) figure {
	f := figure{name: name}
	for range rounds {
		<-time.After(1500 * time.Millisecond)
		v := fmt.Sprint("v", time.Now().UnixNano())
		began := time.Now()
		edit(v)
		await(v)
		f.times = append(f.times, time.Since(began))
	}
	return f
}

// superseded edits what a slow build is made from four times, a second apart, and times the last one.
func (p *peer) superseded(replicas int) figure {
	<-time.After(1500 * time.Millisecond)
	v := ""
	var began time.Time
	for n := range 4 {
		if n > 0 {
			<-time.After(time.Second)
		}
		v = fmt.Sprint("v", time.Now().UnixNano())
		began = time.Now()
		p.write("slow.txt", v)
	}
	p.until("slow.txt", v, replicas)
	return figure{"3 s build, superseded 3 times", []time.Duration{time.Since(began)}}
}

func (p *peer) write(name, text string) {
	path := filepath.Join(p.dir, "app", name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.b.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		p.b.Fatal(err)
	}
}

func (p *peer) version(v string) {
	p.write("server.py", strings.Replace(benchServer, `"v0"`, `"`+v+`"`, 1))
}

// until waits until all replicas answer so, each asked at its own address.
func (p *peer) until(path, want string, replicas int) {
	p.b.Helper()
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	var at []string
	listed := time.Time{}
	for deadline := time.Now().Add(90 * time.Second); time.Now().Before(deadline); <-time.After(4 * time.Millisecond) {
		if time.Since(listed) > 60*time.Millisecond || len(at) != replicas {
			at, listed = p.addresses(), time.Now()
		}
		good := 0
		for _, a := range at {
			if ask(client, "http://"+a+":8000/"+path) == want {
				good++
			}
		}
		if good >= replicas {
			return
		}
	}
	p.b.Fatalf("%s: /%s never was %q at %d addresses (%v)", p.project, path, want, replicas, at)
}

func (p *peer) addresses() []string {
	list, err := p.eng.ListContainers(p.b.Context(), map[string]string{
		"com.docker.compose.project": p.project, "com.docker.compose.service": "web",
	})
	if err != nil {
		p.b.Fatal(err)
	}
	var out []string
	for _, c := range list {
		for _, ip := range c.IPs {
			if c.State == engine.StateRunning {
				out = append(out, ip.String())
			}
		}
	}
	return out
}

func ask(c *http.Client, url string) string {
	resp, err := c.Get(url)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return ""
	}
	return string(b)
}

// lockedLog is a buffer that a command writes and the benchmark reads.
type lockedLog struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
