package e2e_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/e2e/harness"
	"github.com/lyandev/lyandev/supervisor/engine"
	known "github.com/lyandev/lyandev/supervisor/state"
)

// loopServer answers / with the version it was started with and any other path with the file of that name. It ends its
// connections before it ends.
const loopServer = `use strict; use warnings; use IO::Socket::INET;
my $version = "one";
my $stop = 0;
$SIG{TERM} = sub { $stop = 1 };
my $s = IO::Socket::INET->new(LocalPort => 8000, Listen => 512, ReuseAddr => 1) or die $!;
while (1) {
  my $in = ''; vec($in, fileno($s), 1) = 1;
  my $n = select($in, undef, undef, $stop ? 0.1 : 0.5);
  last if $stop && !($n > 0);
  next unless $n > 0;
  my $c = $s->accept or next;
  my $line = <$c> // next;
  while (my $h = <$c>) { last if $h =~ /^\r?$/ }
  my ($path) = $line =~ m{^GET /(\S*)};
  my $body = $version;
  $body = content("/app/$path") if ($path // '') ne '';
  print $c "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
  close $c;
}
sub content {
  my ($name) = @_;
  return 'dir' if -d $name;
  open(my $f, '<', $name) or return 'absent';
  local $/;
  return <$f> // '';
}
`

// loopRig is an instance whose web service runs loopServer from ./app, on a port of its own.
type loopRig struct {
	*harness.Instance
	t    *testing.T
	port int
}

// newLoopRig prepares one with a build, the watch rules given (lines of YAML below watch:) and more of the service.
func newLoopRig(t *testing.T, rules, more string) *loopRig {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	indent := func(text string, by string) string {
		return by + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n"+by)
	}
	var i *harness.Instance
	t.Cleanup(func() { removeImages(t, i.Name) }) // after the instance's own, which take it down
	i = harness.New(t, "")
	r := &loopRig{Instance: i, t: t, port: port}
	i.Write("compose.yaml", fmt.Sprintf(`
x-lyandev: {semantics: kubernetes}
services:
  web:
    image: %s/web
    build: ./app
    stop_grace_period: 5s
    ports: ["127.0.0.1:%d:8000"]
%s
    develop:
      watch:
%s
    x-lyandev:
      kind: Deployment
      container: {name: web}
      probes:
        readiness: {httpGet: {path: /, port: 8000}, periodSeconds: 5}
`, i.Name, port, indent(more, "    "), indent(rules, "        ")))
	i.Write("app/server.pl", loopServer)
	i.Write("app/static/a.css", "first")
	i.Write("app/requirements.txt", "nothing\n")
	i.Write("app/Dockerfile", "FROM debian:trixie-slim\nCOPY . /app/\nUSER 65534\nCMD [\"perl\", \"/app/server.pl\"]\n")
	return r
}

// removeImages removes the images that an instance built, once it is down.
func removeImages(t testing.TB, project string) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	eng, err := engine.NewDocker(false)
	if err != nil {
		t.Error(err)
		return
	}
	defer eng.Close()
	list, err := eng.ListImages(ctx, map[string]string{services.ProjectLabel: project})
	if err != nil {
		t.Error(err)
	}
	for _, img := range list {
		if err := eng.RemoveImage(ctx, img.ID); err != nil {
			t.Error(err)
		}
	}
}

// restartRules are the usual ones.
const restartRules = `
- {path: ./app, action: sync+restart, target: /app, ignore: [static/, requirements.txt, Dockerfile]}
- {path: ./app/static, action: sync, target: /app/static}
- {path: ./app/requirements.txt, action: rebuild}
- {path: ./app/Dockerfile, action: rebuild}`

// version makes the server one of another version.
func (r *loopRig) version(v string) {
	r.t.Helper()
	r.Write("app/server.pl", strings.Replace(loopServer, `"one"`, `"`+v+`"`, 1))
}

// get asks the server; an error is its text.
func (r *loopRig) get(path string) string {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d/%s", r.port, path))
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// answers waits until the server answers so.
func (r *loopRig) answers(path, want string) {
	r.t.Helper()
	got := ""
	r.Eventually(30*time.Second, fmt.Sprintf("/%s is %q", path, want), func() bool { got = r.get(path); return got == want })
}

// web are the pods that are to stay.
func (r *loopRig) web() []*corev1.Pod {
	r.t.Helper()
	var out []*corev1.Pod
	for _, p := range r.Snapshot().PodsOf("web") {
		if p.DeletionTimestamp == nil {
			out = append(out, p)
		}
	}
	return out
}

func (r *loopRig) remove(name string) {
	r.t.Helper()
	if err := os.RemoveAll(filepath.Join(r.Dir, name)); err != nil {
		r.t.Fatal(err)
	}
}

// event waits for an event of the inner loop with the reason and text.
func (r *loopRig) event(reason, text string) known.Event {
	r.t.Helper()
	return r.UntilEvent(60*time.Second, reason+" "+text, func(e known.Event) bool {
		return e.Reason == reason && strings.Contains(e.Message, text)
	})
}

// load asks the server a number of times a second until stop, which tells how many asked and what went wrong.
func (r *loopRig) load(perSecond int) (stop func() (asked int64, failures []string)) {
	const clients = 8
	end := make(chan struct{})
	var wg sync.WaitGroup
	var asked atomic.Int64
	var mu sync.Mutex
	var failures []string
	for range clients {
		wg.Go(func() {
			tick := time.NewTicker(time.Second * clients / time.Duration(perSecond))
			defer tick.Stop()
			for {
				select {
				case <-end:
					return
				case <-tick.C:
				}
				asked.Add(1)
				if got := r.get(""); len(got) > 20 || got == "" {
					mu.Lock()
					failures = append(failures, time.Now().Format("15:04:05.000 ")+got)
					mu.Unlock()
				}
			}
		})
	}
	return func() (int64, []string) {
		close(end)
		wg.Wait()
		return asked.Load(), failures
	}
}

func clean(t *testing.T, asked int64, failures []string) {
	t.Helper()
	if len(failures) > 0 {
		t.Errorf("%d of %d requests failed, the first: %s", len(failures), asked, failures[0])
	}
	t.Logf("%d requests, %d failed", asked, len(failures))
}
