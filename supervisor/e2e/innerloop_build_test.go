package e2e_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lyandev/lyandev/supervisor/innerloop"
	known "github.com/lyandev/lyandev/supervisor/state"
)

// TestLoopRebuildUnderLoad: a client at 200 requests a second sees five rebuilds and no failure.
func TestLoopRebuildUnderLoad(t *testing.T) {
	t.Parallel()
	r := newLoopRig(t, "- {path: ./app, action: rebuild}", "")
	r.Up("--wait")
	stop := r.load(200)
	for n := range 5 {
		r.version(fmt.Sprint("v", n))
		r.Eventually(60*time.Second, "the new version serves", func() bool { return r.get("") == fmt.Sprint("v", n) })
		r.Ready(60 * time.Second)
	}
	asked, failures := stop()
	clean(t, asked, failures)
	if len(r.web()) != 1 {
		t.Errorf("%d pods", len(r.web()))
	}
}

// TestLoopFailedBuilds: neither a build that fails nor new code that does not start touches what serves; both say why, and
// the next good build takes over.
func TestLoopFailedBuilds(t *testing.T) {
	t.Parallel()
	r := newLoopRig(t, "- {path: ./app, action: rebuild}", "")
	r.Up("--wait")
	stop := r.load(50)
	good := r.Read("app/Dockerfile")
	before := r.web()[0].UID
	r.Write("app/Dockerfile", strings.Replace(good, "USER", "RUN echo what went wrong; exit 3\nUSER", 1))
	e := r.event("FailedRebuilt", "what went wrong")
	if !strings.Contains(e.Message, "exit code: 3") || !strings.Contains(e.Message, "the running pods are unchanged") {
		t.Errorf("%s", e.Message)
	}
	if p := r.web(); len(p) != 1 || p[0].UID != before {
		t.Error("a failed build changed the pods")
	}
	r.Write("app/server.pl", "this is not perl(")
	r.Write("app/Dockerfile", good)
	r.event("FailedRebuilt", "the old pods keep serving")
	if got := r.get(""); got != "one" {
		t.Errorf("it serves %q", got)
	}
	r.version("mended")
	r.answers("", "mended")
	r.Until(60*time.Second, "one pod is left", func(s *known.Status) bool { return s.Phase == known.Ready && len(s.PodsOf("web")) == 1 })
	asked, failures := stop()
	clean(t, asked, failures)
}

// TestLoopSupersededBuild: a newer change cancels the build that goes on, and only the last one is rolled out.
func TestLoopSupersededBuild(t *testing.T) {
	t.Parallel()
	r := newLoopRig(t, "- {path: ./app, action: rebuild}", "")
	r.Up("--wait")
	slow := strings.Replace(r.Read("app/Dockerfile"), "USER", "RUN sleep 4\nUSER", 1)
	r.Write("app/Dockerfile", slow)
	began := time.Now()
	for n := range 3 {
		running(r)
		r.version(fmt.Sprint("v", n))
	}
	r.answers("", "v2")
	if took := time.Since(began); took > 25*time.Second {
		t.Errorf("it took %s", took)
	}
	r.Ready(30 * time.Second)
	var records []innerloop.Record
	r.Eventually(20*time.Second, "it is told", func() bool {
		if err := r.Client().Loop(t.Context(), &records); err != nil {
			t.Fatal(err)
		}
		return len(records) == 1
	})
	if x := records[0]; x.Error != "" || x.Files != 2 {
		t.Errorf("%+v", x)
	}
}

// running waits until the slow step of a build has begun.
func running(r *loopRig) {
	r.t.Helper()
	r.Until(20*time.Second, "the build is at its slow step", func(s *known.Status) bool {
		return len(s.Builds) == 1 && s.Builds[0].State == "running" && strings.Contains(s.Builds[0].Step, "sleep 4")
	})
	// The step shown may be that of the build before: the next one has its own start.
	_ = r
}
