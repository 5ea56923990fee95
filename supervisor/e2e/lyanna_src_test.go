//go:build lyanna

package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/e2e/harness"
)

// blog is the checkout of testdata/lyanna-src, run with LYANNA_SRC.
type blog struct {
	*harness.Instance
	t    *testing.T
	base string
}

func newBlog(t *testing.T) blog {
	t.Helper()
	i, port := lyanna(t)
	src, err := filepath.Abs("testdata/lyanna-src")
	if err != nil {
		t.Fatal(err)
	}
	i.Setenv("LYANNA_SRC", src)
	return blog{i, t, fmt.Sprintf("http://127.0.0.1:%d", port)}
}

// up starts a profile and waits until it is ready and its front page is served. The web asks Sentinel only once and for 0.1 s at
// most, so a busy machine may need more than one try: restarts are not counted here.
func (b blog) up(profile string) {
	b.t.Helper()
	began := time.Now()
	b.Up("--wait", "--profile", profile)
	b.t.Logf("FIGURE checkout, %s up in %s", profile, time.Since(began).Round(100*time.Millisecond))
	b.served()
}

// use switches to a profile.
func (b blog) use(profile string) {
	b.t.Helper()
	b.Must("profile", "use", profile, "-q")
	b.served()
}

func (b blog) served() {
	b.t.Helper()
	b.Eventually(30*time.Second, "the front page is served", func() bool {
		_, code := page(b.t, b.base+"/")
		return code == http.StatusOK
	})
}

// send posts a form and decodes the answer. It tries again while web pods are replaced that keep to an old Redis master.
func (b blog) send(path string, form url.Values, into any) {
	b.t.Helper()
	b.Eventually(90*time.Second, "POST "+path+" succeeds", func() bool {
		resp, err := http.PostForm(b.base+path, form)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK && json.NewDecoder(resp.Body).Decode(into) == nil
	})
}

// publish publishes a post as the administrator that the schema step has added.
func (b blog) publish(title string) (id int) {
	b.t.Helper()
	var answer struct{ Post struct{ ID int } }
	b.send("/api/post/new", url.Values{"name": {"admin"}, "password": {"admin123"}, "title": {title}, "content": {"text of " + title}}, &answer)
	return answer.Post.ID
}

// holds checks that posts have their texts, which are in Redis; the rest of them is in MariaDB. It reads the posts' own pages: each web
// pod caches the list of posts in one Memcached of several.
func (b blog) holds(posts ...int) {
	b.t.Helper()
	for _, id := range posts {
		body, code := page(b.t, fmt.Sprintf("%s/post/%d/", b.base, id))
		if code != http.StatusOK || !strings.Contains(body, "<p>text of ") {
			b.t.Errorf("post %d is answered with %d:\n%s", id, code, body)
		}
	}
}

// mention comments on a post and waits until the worker has found whom the comment mentions.
func (b blog) mention(post int) {
	b.t.Helper()
	var answer struct{ ID int }
	b.send(fmt.Sprintf("/j/post/%d/comment", post), url.Values{"content": {"hello @admin"}}, &answer)
	done := regexp.MustCompile(fmt.Sprintf(`id="comment-%d" data-mentioned="admin"`, answer.ID))
	b.Eventually(60*time.Second, "the worker has done its job", func() bool {
		body, _ := page(b.t, fmt.Sprintf("%s/post/%d/", b.base, post))
		return done.MatchString(body)
	})
}

// failover stops the process of the Redis master, so that its clients wait without an error, until the sentinels have elected
// another one, and returns how long no front page was served.
func (b blog) failover() (away time.Duration) {
	b.t.Helper()
	master := func() string {
		for _, p := range b.Snapshot().Pods {
			if p.Labels[services.RoleLabel] == "master" && strings.HasPrefix(p.Name, "redis") {
				return p.Name
			}
		}
		return ""
	}
	old := master()
	id := harness.ContainerID(b.Pod(old), "master")
	client := http.Client{Timeout: time.Second}
	defer client.CloseIdleConnections()
	served := func() bool {
		resp, err := client.Get(b.base + "/")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}
	eng := b.Engine()
	if err := eng.KillContainer(b.t.Context(), id, "SIGSTOP"); err != nil {
		b.t.Fatal(err)
	}
	stopped := time.Now()
	b.Eventually(time.Minute, "the front page is away", func() bool { return !served() })
	b.Eventually(2*time.Minute, "another master was elected", func() bool { return master() != old && master() != "" })
	elected := time.Since(stopped)
	b.Eventually(2*time.Minute, "the front page is served", served)
	away = time.Since(stopped)
	b.t.Logf("FIGURE checkout, failover of Redis: another master after %s, the front page after %s",
		elected.Round(10*time.Millisecond), away.Round(10*time.Millisecond))
	_ = eng.KillContainer(b.t.Context(), id, "SIGCONT") // its liveness probe may have ended it
	return away
}

// TestLyannaCheckout runs a checkout that behaves as lyanna does, unmodified: the schema is made once and never again, the worker
// that connects to localhost:6379 does its jobs, and the web finds the new master after a failover.
func TestLyannaCheckout(t *testing.T) {
	t.Parallel()
	b := newBlog(t)
	b.Must("build")
	b.up("minimal")
	first := b.publish("first")
	b.mention(first)
	b.Must("restart", "lyanna-deployment")
	b.Ready(time.Minute)
	b.holds(first)

	b.use("ha")
	b.holds(first)
	second := b.publish("second")
	b.mention(second)
	// 5 s pass until the master counts as down, 1.3 to 2 s until another one is known. The rest is the start of a Python process,
	// which takes 0.5 s of processor time: on a busy machine it is most of the time.
	if away := b.failover(); away > 90*time.Second {
		t.Errorf("the front page was away for %s", away)
	}
	b.Ready(2 * time.Minute)
	b.holds(first, second)
	third := b.publish("third")
	b.mention(third)
	b.Must("redis", "failover")
	b.mention(first) // once the web pods that take writes to the old master have been replaced
	b.holds(first, second, third)

	b.Must("down", "--quiet")
	b.up("minimal")
	b.holds(first, second, third)
	b.mention(first)
	if r := b.Run("test", "--profile", "minimal"); r.Code != 0 || !strings.Contains(r.Out+r.Err, "the front page answers with status 200") {
		t.Errorf("lyandev test ended with %d:\n%s%s", r.Code, r.Out, r.Err)
	}
}

// TestLocalhost: a program that insists on localhost is explained by `why`, and x-lyandev.localhost runs it unmodified.
func TestLocalhost(t *testing.T) {
	t.Parallel()
	const file = `
services:
  cache:
    image: debian:trixie-slim
    command: [perl, -MIO::Socket::INET, -e, '$$l = IO::Socket::INET->new(LocalPort => 6379, Listen => 5, ReuseAddr => 1) or die; while ($$c = $$l->accept) { print $$c "hello\n"; close $$c }']
    stop_grace_period: 0s
    x-lyandev: {service: {name: store, ports: [{port: 6379}]}}
  worker:
    image: debian:trixie-slim
    command: [bash, -ec, 'exec 3<>/dev/tcp/127.0.0.1/6379; read -u 3 word; echo "heard $$word"; exec sleep infinity']
    stop_grace_period: 0s
    depends_on: {cache: {condition: service_started}}
`
	i := harness.New(t, file)
	i.Begin()
	i.Eventually(time.Minute, "why explains the refused connection", func() bool {
		return strings.Contains(i.Run("why", "worker").Out, "a connection to 127.0.0.1:6379 was refused. 127.0.0.1 is the pod itself; Service store listens on port 6379")
	})
	i.Write("compose.yaml", file+"    x-lyandev: {localhost: {6379: store:6379}}\n")
	i.Up("--wait")
	i.Eventually(time.Minute, "the worker has heard the cache", func() bool {
		return strings.Contains(i.Run("logs", "worker").Out, "heard hello")
	})
}
