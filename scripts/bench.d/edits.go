//go:build unix

package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// The edits are made in a directory of their own for lyandev and for each peer, with the same files, image and Compose file. All are
// asked at the containers' addresses. The peer has no readiness: it restarts all replicas at once, while lyandev takes one after
// the other out of service.

const (
	// editRest is how long everything is left alone between two edits.
	editRest = 700 * time.Millisecond
	// editLimit is how long an edit may take until it is live.
	editLimit = 90 * time.Second
	manyFiles = 2000
)

//go:embed edits-server.py
var editServer string

const editDockerfile = `FROM lyandev/lyanna-app:dev
USER 0
WORKDIR /app
RUN rm -rf /app/* && mkdir /app/static
COPY . /app/
CMD ["python3", "/app/server.py"]
`

const editFile = `x-lyandev: {semantics: kubernetes}
services:
  web:
    image: %s/web
    build: ./app
    stop_grace_period: 5s
    deploy: {replicas: %d}
    develop:
      watch:
        - {path: ./app, action: sync+restart, target: /app, ignore: [static/, requirements.txt, Dockerfile]}
        - {path: ./app/static, action: sync, target: /app/static}
        - {path: ./app/requirements.txt, action: rebuild}
    x-lyandev:
      kind: Deployment
      probes:
        readiness: {httpGet: {path: /, port: 8000}, periodSeconds: 5}
`

// edited is a stack whose files are edited while it runs.
type edited struct {
	b        *bench
	name     string
	dir      string
	replicas int
	add      func(key string, value float64)
}

// measureEdits makes the same edits for lyandev and for the peer, in turn.
func measureEdits(ctx context.Context, b *bench) error {
	for _, replicas := range []int{1, 3} {
		if err := b.editsOf(ctx, replicas); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) editsOf(ctx context.Context, replicas int) error {
	defer b.cleanUp(len(b.undo))
	ours, err := b.editedByUs(ctx, replicas)
	if err != nil {
		return err
	}
	keys := []string{fmt.Sprintf("edit/sync-%d", replicas), fmt.Sprintf("edit/restart-%d", replicas)}
	if replicas == 1 {
		keys = append(keys, "edit/rebuild", "edit/many")
	}
	both := []*edited{ours}
	if theirs, err := b.editedByCompose(ctx, "classic", replicas, b.peer.plain, "DOCKER_BUILDKIT=0"); err == nil {
		both = append(both, theirs)
	} else {
		b.noPeer(err, keys...)
	}
	for _, key := range keys {
		if err := b.turns(ctx, key, both); err != nil {
			return err
		}
	}
	if replicas > 1 {
		return nil
	}
	both = both[:1]
	err = b.peer.buildxErr
	var theirs *edited
	if err == nil {
		theirs, err = b.editedByCompose(ctx, "buildx", 1, b.peer.buildx, "DOCKER_BUILDKIT=1")
	}
	if err == nil {
		both = append(both, theirs)
	} else {
		b.noPeer(err, "edit/buildx")
	}
	return b.turns(ctx, "edit/buildx", both)
}

// turns lets each of the stacks make the edit of a row, in turn. A first turn is not counted: it starts what the later ones find.
func (b *bench) turns(ctx context.Context, key string, list []*edited) error {
	for n := range b.runs + 1 {
		for _, e := range list {
			took, err := e.edit(ctx, key)
			if err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
			if n > 0 {
				e.add(key, took.Seconds())
			}
		}
	}
	return nil
}

// edit makes the edit of a row, and returns how long it took until all replicas served it.
func (e *edited) edit(ctx context.Context, key string) (time.Duration, error) {
	if err := sleep(ctx, editRest); err != nil {
		return 0, err
	}
	v := fmt.Sprint("v", time.Now().UnixNano())
	began := time.Now()
	var err error
	path, want := "", v
	switch {
	case strings.HasPrefix(key, "edit/sync"):
		path, err = "static/a.css", e.write("static/a.css", v)
	case strings.HasPrefix(key, "edit/restart"):
		err = e.write("server.py", strings.Replace(editServer, `"v0"`, `"`+v+`"`, 1))
	case key == "edit/many":
		for n := 0; n < manyFiles && err == nil; n++ {
			err = e.write(fmt.Sprintf("static/many/d%d/f%d", n%50, n), v)
		}
		if err == nil { // counting costs more than bringing the files, so the last one is awaited first
			err = e.until(ctx, fmt.Sprintf("static/many/d%d/f%d", (manyFiles-1)%50, manyFiles-1), v)
		}
		path, want = "count/"+v, fmt.Sprint(manyFiles)
	default:
		path, err = "requirements.txt", e.write("requirements.txt", v)
	}
	if err == nil {
		err = e.until(ctx, path, want)
	}
	return time.Since(began), err
}

func (e *edited) write(name, text string) error {
	return writeFiles(e.dir, map[string]string{"app/" + name: text})
}

// until waits until all replicas answer so.
func (e *edited) until(ctx context.Context, path, want string) error {
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	var at []string
	var listed time.Time
	for began := time.Now(); time.Since(began) < editLimit; {
		if time.Since(listed) > 200*time.Millisecond || len(at) != e.replicas {
			at, listed = e.addresses(ctx), time.Now()
		}
		good := 0
		for _, a := range at {
			if get(client, "http://"+a+":8000/"+path) == want {
				good++
			}
		}
		if good >= e.replicas {
			return nil
		}
		if err := sleep(ctx, 4*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s: /%s was not %q at all of %v within %s", e.name, path, want, at, editLimit)
}

func get(client *http.Client, url string) string {
	resp, err := client.Get(url)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return ""
	}
	return string(body)
}

// addresses are those of the stack's running containers.
func (e *edited) addresses(ctx context.Context) []string {
	ids, err := e.b.command(ctx, "docker", "ps", "-q", "--filter", "label=com.docker.compose.project="+e.name,
		"--filter", "label=com.docker.compose.service=web")
	if err != nil || ids == "" {
		return nil
	}
	argv := []string{"docker", "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}"}
	out, _ := e.b.command(ctx, append(argv, strings.Fields(ids)...)...) // one that has ended meanwhile has no address
	return strings.Fields(out)
}

func editFiles(name string, replicas int) map[string]string {
	return map[string]string{
		"compose.yaml": fmt.Sprintf(editFile, name, replicas), "app/server.py": editServer, "app/static/a.css": "v0",
		"app/requirements.txt": "v0", "app/Dockerfile": editDockerfile,
	}
}

func (b *bench) editedByUs(ctx context.Context, replicas int) (*edited, error) {
	name := fmt.Sprintf("edit%d", replicas)
	s, err := b.written(name, editFiles(b.name+"-"+name, replicas))
	if err != nil {
		return nil, err
	}
	b.removeImage(s.name + "/web")
	if _, err := s.lyandev(ctx, "up", "-d", "--wait", "--quiet"); err != nil {
		return nil, err
	}
	e := &edited{b, s.name, s.dir, replicas, b.ours}
	return e, e.until(ctx, "", "v0")
}

// removeImage removes an image at the end, before the stack that is taken down: the down has to come first, so the step is put below
// the last one.
func (b *bench) removeImage(tag string) {
	last := len(b.undo) - 1
	down := b.undo[last]
	b.undo[last] = func(ctx context.Context) {
		down(ctx)
		_, _ = b.command(ctx, "docker", "rmi", "-f", tag)
	}
}

// editedByCompose runs `compose up` and `compose watch` with a builder.
func (b *bench) editedByCompose(ctx context.Context, builder string, replicas int, config, buildkit string) (*edited, error) {
	name := fmt.Sprintf("edit%d-%s", replicas, builder)
	dir := filepath.Join(b.tmp, name)
	if err := writeFiles(dir, editFiles(b.name+"-"+name, replicas)); err != nil {
		return nil, err
	}
	p, err := b.newProject(name, dir, "compose.yaml")
	if err != nil {
		return nil, err
	}
	b.removeImage(p.name + "/web")
	p.env = append(p.env, "DOCKER_CONFIG="+config, buildkit)
	if _, err := p.compose(ctx, "up", "-d", "--build"); err != nil {
		return nil, err
	}
	if err := p.watch(ctx); err != nil {
		return nil, err
	}
	e := &edited{b, p.name, dir, replicas, b.theirs}
	return e, e.until(ctx, "", "v0")
}

// watch starts `compose watch`, which is ended at the end of the program, and returns when it watches.
func (p *project) watch(ctx context.Context) error {
	c := p.command("watch", "--no-up")
	w := exec.Command(c.argv[0], c.argv[1:]...)
	log := new(lockedLog)
	w.Dir, w.Env, w.Stdout, w.Stderr = c.dir, c.env, log, log
	w.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := w.Start(); err != nil {
		return err
	}
	p.b.onEnd(func(context.Context) {
		_ = w.Process.Signal(os.Interrupt)
		kill := time.AfterFunc(10*time.Second, func() { _ = w.Process.Kill() })
		defer kill.Stop()
		_ = w.Wait()
	})
	for began := time.Now(); !strings.Contains(log.String(), "Watch enabled"); {
		if time.Since(began) > 20*time.Second {
			return fmt.Errorf("compose watch does not watch after 20 s:\n%s", lastLines(log.String(), 8))
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// lockedLog is what a command writes while the benchmark reads it.
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
