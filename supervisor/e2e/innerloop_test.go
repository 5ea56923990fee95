package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/e2e/harness"
	"github.com/lyandev/lyandev/supervisor/innerloop"
)

// TestLoopSync: files come, change, move and go in a running container, by no tool of its image, as they do here.
func TestLoopSync(t *testing.T) {
	t.Parallel()
	r := newLoopRig(t, restartRules, "")
	r.Up("--wait")
	before := r.web()[0]
	r.answers("static/a.css", "first")
	r.Write("app/static/a.css", "second")
	r.answers("static/a.css", "second")
	r.Write("app/static/new/deep/b.css", "b")
	r.answers("static/new/deep/b.css", "b")
	if err := os.Rename(filepath.Join(r.Dir, "app/static/new"), filepath.Join(r.Dir, "app/static/moved")); err != nil {
		t.Fatal(err)
	}
	r.answers("static/moved/deep/b.css", "b")
	r.answers("static/new", "absent")
	r.remove("app/static/a.css")
	r.answers("static/a.css", "absent")
	after := r.web()[0]
	if after.UID != before.UID || harness.ContainerID(after, "web") != harness.ContainerID(before, "web") {
		t.Error("a sync replaced the container")
	}
	if r.get("") != "one" {
		t.Error("the process was restarted")
	}
	e := r.event("Synced", "app/static/a.css: sync, 1 pod in ")
	t.Log(e.Message)
}

// TestLoopSyncRestart: an edit restarts the process, not the container.
func TestLoopSyncRestart(t *testing.T) {
	t.Parallel()
	r := newLoopRig(t, restartRules, "")
	r.Up("--wait")
	before := r.web()[0]
	for n := range 5 {
		r.version(fmt.Sprint("v", n))
		r.answers("", fmt.Sprint("v", n))
	}
	r.Ready(20 * time.Second)
	after := r.web()[0]
	s := harness.Status(after, "web")
	if after.UID != before.UID || s.ContainerID != harness.ContainerID(before, "web") || s.RestartCount != 0 {
		t.Errorf("the container was restarted: %+v", s)
	}
	r.event("Restarted", "app/server.pl: sync+restart, 1 pod in ")
	var out struct {
		Stats   []innerloop.ActionStats `json:"stats"`
		Records []innerloop.Record      `json:"records"`
	}
	r.JSON(&out, "stats", "loop", "--json")
	if len(out.Records) < 5 || len(out.Stats) != 1 || out.Stats[0].Action != "sync+restart" {
		t.Errorf("%+v", out)
	}
	t.Log("\n" + r.Must("stats", "loop"))
}

// TestLoopReplicasTakeTurns: with two pods no request fails while both are restarted. New code that does not start stops
// with the first, the other goes on serving, and the next edit brings both back.
func TestLoopReplicasTakeTurns(t *testing.T) {
	t.Parallel()
	r := newLoopRig(t, restartRules, "deploy: {replicas: 2}")
	r.Up("--wait")
	stop := r.load(100)
	for n := range 3 {
		r.version(fmt.Sprint("v", n))
		r.Eventually(30*time.Second, "both are restarted", func() bool {
			return strings.Contains(fmt.Sprint(r.Events("web")), "sync+restart, 2 pods in ") && r.loops() == n+1
		})
	}
	r.Write("app/server.pl", "this is not perl(")
	r.event("FailedRestarted", "the other 1 pods are not restarted")
	r.version("mended")
	r.Eventually(40*time.Second, "both serve the mended version", func() bool {
		for range 6 {
			if r.get("") != "mended" {
				return false
			}
		}
		return r.loops() == 4
	})
	asked, failures := stop()
	clean(t, asked, failures)
}

// loops is how many edits were brought to two pods.
func (r *loopRig) loops() int {
	var records []innerloop.Record
	if err := r.Client().Loop(r.t.Context(), &records); err != nil {
		r.t.Fatal(err)
	}
	n := 0
	for _, x := range records {
		if x.Pods == 2 && x.Error == "" {
			n++
		}
	}
	return n
}

// TestLoopExecAndRestart: sync+exec runs its command after the files are there; restart restarts the container.
func TestLoopExecAndRestart(t *testing.T) {
	t.Parallel()
	r := newLoopRig(t, `
- {path: ./app/static, action: sync+exec, target: /app/static, exec: {command: [sh, -c, "cat /app/static/a.css > /tmp/seen; [ $$(cat /tmp/seen) != bad ]"]}}
- {path: ./app/requirements.txt, action: restart}`, `user: "0"`)
	r.Up("--wait")
	r.Write("app/static/a.css", "good")
	r.answers("../tmp/seen", "good")
	r.event("Synced", "app/static/a.css: sync, exec, 1 pod in ")
	r.Write("app/static/a.css", "bad")
	r.event("FailedSynced", "ended with exit code 1")
	r.answers("static/a.css", "bad") // the failure of the command did not undo the sync
	before := r.web()[0]
	r.Write("app/requirements.txt", "something")
	r.event("Restarted", "app/requirements.txt: restart, 1 pod in ")
	after := r.web()[0]
	if s := harness.Status(after, "web"); after.UID != before.UID || s.ContainerID == harness.ContainerID(before, "web") || s.RestartCount != 1 {
		t.Errorf("%+v", s)
	}
	r.answers("static/a.css", "bad") // the new container has what was synced
}

// TestLoopSurvives: what was synced and removed is so in containers made later, after a supervisor's death too, until an
// image has it.
func TestLoopSurvives(t *testing.T) {
	t.Parallel()
	r := newLoopRig(t, restartRules, "")
	r.Up("--wait")
	r.Write("app/static/b.css", "synced")
	r.answers("static/b.css", "synced")
	r.remove("app/static/a.css")
	r.answers("static/a.css", "absent")
	r.version("two")
	r.answers("", "two")
	r.restartContainer()
	check := func(when string) {
		t.Helper()
		r.answers("", "two")
		for path, want := range map[string]string{"static/b.css": "synced", "static/a.css": "absent"} {
			if got := r.get(path); got != want {
				t.Errorf("%s: %s is %q, want %q", when, path, got, want)
			}
		}
	}
	check("after the container ended")
	r.KillSupervisor()
	r.Up("--wait", "--no-build")
	check("after the supervisor died")
	r.restartContainer()
	check("after both")
	r.Must("restart", "web")
	r.Eventually(40*time.Second, "another pod", func() bool { p := r.web(); return len(p) == 1 && harness.Status(p[0], "web").RestartCount == 0 })
	r.Ready(30 * time.Second)
	check("in another pod")
	r.Write("app/requirements.txt", "more\n")
	r.event("Rebuilt", "app/requirements.txt: rebuild, 1 pod in ")
	check("in another image")
}

// restartContainer ends the pod's container as a failed liveness probe does, and waits for the next one.
func (r *loopRig) restartContainer() {
	r.t.Helper()
	p := r.web()[0]
	old := harness.ContainerID(p, "web")
	if err := r.Engine().KillContainer(r.t.Context(), old, "SIGKILL"); err != nil {
		r.t.Fatal(err)
	}
	r.UntilPod(40*time.Second, p.Name, "runs again", func(p *corev1.Pod) bool {
		s := harness.Status(p, "web")
		return s.Ready && s.ContainerID != old
	})
}

// TestLoopWithoutTheShim: the annotation keeps the shim out; files still come and go, and the container is restarted.
func TestLoopWithoutTheShim(t *testing.T) {
	t.Parallel()
	r := newLoopRig(t, restartRules, `
labels: {}
`)
	r.Write("compose.yaml", strings.Replace(r.Read("compose.yaml"), "      container: {name: web}\n",
		"      container: {name: web}\n      annotations: {dev.lyandev/shim: \"false\"}\n", 1))
	r.Up("--wait")
	r.Write("app/static/b.css", "synced")
	r.answers("static/b.css", "synced")
	r.remove("app/static/a.css")
	r.answers("static/a.css", "absent")
	before := r.web()[0]
	r.version("two")
	r.answers("", "two")
	after := r.web()[0]
	if s := harness.Status(after, "web"); after.UID != before.UID || s.ContainerID == harness.ContainerID(before, "web") || s.RestartCount != 1 {
		t.Errorf("%+v", s)
	}
	if got := r.get("static/a.css"); got != "absent" {
		t.Errorf("a removed file is back: %q", got)
	}
}

// TestLoopThousandsAtOnce: ten thousand files at once arrive whole, and are gone again at once.
func TestLoopThousandsAtOnce(t *testing.T) {
	t.Parallel()
	const n = 10000
	r := newLoopRig(t, restartRules, "")
	r.Up("--wait")
	for f := range n {
		r.Write(fmt.Sprintf("app/static/many/d%d/f%d", f%100, f), fmt.Sprint("content ", f))
	}
	r.answers(fmt.Sprintf("static/many/d%d/f%d", (n-1)%100, n-1), fmt.Sprint("content ", n-1))
	var records []innerloop.Record
	total := 0
	r.Eventually(60*time.Second, "all came", func() bool {
		if err := r.Client().Loop(t.Context(), &records); err != nil {
			t.Fatal(err)
		}
		total = 0
		for _, x := range records {
			total += x.Files
			if x.Error != "" {
				t.Fatal(x.Error)
			}
		}
		return total >= n
	})
	t.Logf("%d files in %d batches, the first took %s", total, len(records), records[0].Total)
	for f := 0; f < n; f += 997 {
		if got := r.get(fmt.Sprintf("static/many/d%d/f%d", f%100, f)); got != fmt.Sprint("content ", f) {
			t.Errorf("file %d is %q", f, got)
		}
	}
	r.remove("app/static/many")
	r.answers("static/many", "absent")
}

// TestLoopBurst: batches that come while others are still on their way lose nothing and fail nothing.
func TestLoopBurst(t *testing.T) {
	t.Parallel()
	const bursts, files = 8, 150
	r := newLoopRig(t, restartRules, "")
	r.Up("--wait")
	tick := time.NewTicker(120 * time.Millisecond)
	defer tick.Stop()
	for b := range bursts {
		for f := range files {
			r.Write(fmt.Sprintf("app/static/burst/f%d", f), fmt.Sprintf("%d of burst %d", f, b))
		}
		if b%3 == 0 {
			r.version(fmt.Sprint("v", b))
		}
		<-tick.C
	}
	r.answers(fmt.Sprintf("static/burst/f%d", files-1), fmt.Sprintf("%d of burst %d", files-1, bursts-1))
	r.answers("", "v6")
	for f := range files {
		r.answers(fmt.Sprintf("static/burst/f%d", f), fmt.Sprintf("%d of burst %d", f, bursts-1))
	}
	var records []innerloop.Record
	if err := r.Client().Loop(t.Context(), &records); err != nil {
		t.Fatal(err)
	}
	for _, x := range records {
		if x.Error != "" {
			t.Errorf("%+v", x)
		}
	}
	t.Logf("%d batches", len(records))
}

// TestLoopInitialSync: with initial_sync what is younger than the image is there from the start.
func TestLoopInitialSync(t *testing.T) {
	t.Parallel()
	r := newLoopRig(t, "- {path: ./app/static, action: sync, target: /app/static, initial_sync: true}", "")
	r.Must("build")
	r.Write("app/static/late.css", "late")
	r.Up("--wait", "--no-build")
	r.answers("static/late.css", "late")
	r.restartContainer()
	r.answers("static/late.css", "late")
}

// TestLoopOffAndDown: --no-watch watches nothing and puts nothing into the pods; down leaves no volume of the shim.
func TestLoopOffAndDown(t *testing.T) {
	t.Parallel()
	r := newLoopRig(t, restartRules, "")
	r.Up("--wait", "--no-watch")
	r.Write("app/static/a.css", "second")
	labels := map[string]string{services.ProjectLabel: r.Name, "dev.lyandev.kind": "shim"}
	if list, err := r.Engine().ListVolumes(t.Context(), labels); err != nil || len(list) != 0 {
		t.Errorf("%v %v", list, err)
	}
	r.Up("--wait") // now it watches
	r.Write("app/static/b.css", "watched")
	r.answers("static/b.css", "watched")
	if got := r.get("static/a.css"); got != "first" && got != "second" {
		t.Errorf("a.css is %q", got)
	}
	r.Must("down")
	if list, err := r.Engine().ListVolumes(t.Context(), labels); err != nil || len(list) != 0 {
		t.Errorf("after down: %v %v", list, err)
	}
}
