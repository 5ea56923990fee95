package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/e2e/harness"
)

// psPod is a pod in `ps --json`.
type psPod struct {
	Name, Workload, Kind, Phase, IP string
	Ready                           bool
	Restarts                        int
	Containers                      []struct {
		Name, ID string
		Ready    bool
	}
}

// lyanna is the flagship stack, of the file at the root of the repository, under a name and a port of its own.
func lyanna(t *testing.T) (i *harness.Instance, port int) {
	t.Helper()
	i = harness.New(t, sleeper)
	file, err := filepath.Abs("../../lyanna.dev.yaml")
	if err != nil {
		t.Fatal(err)
	}
	port = freePort(t)
	i.Setenv("LYANDEV_FILE", file)
	i.Setenv("LYANNA_PORT", fmt.Sprint(port))
	i.Setenv("LYANNA_SRC", "")
	return i, port
}

// lyannaPods are the pods of a profile: kind and number by workload.
var lyannaPods = map[string]map[string]struct {
	kind string
	n    int
	has  string // the containers
}{
	"minimal": {
		"lyanna-mariadb-master": {"StatefulSet", 1, "mariadb"}, "lyanna-memcached": {"StatefulSet", 1, "memcached"},
		"redis-master": {"Pod", 1, "master"}, "lyanna-deployment": {"Deployment", 1, "web"}, "lyanna-arq": {"DaemonSet", 1, "arq"},
	},
	"ha": {
		"lyanna-mariadb-master": {"StatefulSet", 1, "mariadb"}, "lyanna-mariadb-slave": {"StatefulSet", 1, "mariadb"},
		"lyanna-memcached": {"StatefulSet", 3, "memcached"}, "redis-master": {"Pod", 1, "master sentinel"},
		"redis": {"ReplicaSet", 2, "redis"}, "redis-sentinel": {"ReplicaSet", 2, "sentinel"},
		"lyanna-deployment": {"Deployment", 3, "web"}, "lyanna-arq": {"DaemonSet", 1, "arq"},
	},
}

// checkPods compares `ps --json` with what a profile has: all ready, none ever restarted.
func checkPods(t *testing.T, i *harness.Instance, profile string) []psPod {
	t.Helper()
	var pods []psPod
	i.JSON(&pods, "ps", "--json")
	count := map[string]int{}
	for _, p := range pods {
		count[p.Workload]++
		want, ok := lyannaPods[profile][p.Workload]
		var has []string
		for _, c := range p.Containers {
			has = append(has, c.Name)
			if !c.Ready || c.ID == "" {
				t.Errorf("%s: container %s of %s: %+v", profile, c.Name, p.Name, c)
			}
		}
		if !ok || p.Kind != want.kind || !p.Ready || p.Phase != "Running" || p.Restarts != 0 || p.IP == "" || strings.Join(has, " ") != want.has {
			t.Errorf("%s: pod %+v, want %+v", profile, p, want)
		}
	}
	for w, want := range lyannaPods[profile] {
		if count[w] != want.n {
			t.Errorf("%s: %s has %d pods, want %d", profile, w, count[w], want.n)
		}
	}
	return pods
}

// page fetches a page of the blog.
func page(t *testing.T, address string) (string, int) {
	t.Helper()
	resp, err := http.Get(address)
	if err != nil {
		return err.Error(), 0
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body), resp.StatusCode
}

// comment posts a comment and waits until arq has published it on the page.
func comment(t *testing.T, i *harness.Instance, base, text string) {
	t.Helper()
	resp, err := http.PostForm(base+"/post/1/comment", url.Values{"author": {"e2e"}, "body": {text}})
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("the comment is answered with %s", resp.Status)
	}
	i.Eventually(20*time.Second, "arq has published the comment", func() bool { return published(t, base, text) })
}

// published says whether the page shows a comment as an article, which only the worker makes.
func published(t *testing.T, base, text string) bool {
	body, code := page(t, base+"/post/1")
	return code == http.StatusOK && regexp.MustCompile(`(?s)<article[^>]*id="comment-\d+".*`+regexp.QuoteMeta(text)).MatchString(body)
}

// sql runs a statement in a MariaDB pod.
func sql(i *harness.Instance, pod, statement string) string {
	return inPod(i, pod, "sh", "-c", `exec mariadb -N -uroot -p"$MARIADB_ROOT_PASSWORD" test -e "$0"`, statement)
}

// TestLyanna takes the whole stack through its life: minimal, its supervisor killed, down, ha with the same data, and gone.
func TestLyanna(t *testing.T) {
	t.Parallel()
	i, port := lyanna(t)
	base := fmt.Sprintf("http://127.0.0.1:%d", port)
	up := func(profile string) {
		t.Helper()
		began := time.Now()
		i.Up("--wait", "--profile", profile)
		t.Logf("FIGURE %s up in %s", profile, time.Since(began).Round(100*time.Millisecond))
	}
	up("minimal")
	before := checkPods(t, i, "minimal")
	comment(t, i, base, "written in minimal")
	attachAndDetach(t, i)

	i.KillSupervisor()
	if body, code := page(t, base+"/status"); code != http.StatusOK {
		t.Errorf("without a supervisor /status says %d: %s", code, body)
	}
	i.Up("--wait")
	if after := checkPods(t, i, "minimal"); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("adoption changed the pods: %+v, they were %+v", after, before)
	}

	i.Must("down", "--quiet")
	nothingLeft(t, i)
	if n := volumes(t, i); n == 0 {
		t.Error("down deleted the volumes")
	}

	up("ha")
	checkPods(t, i, "ha")
	if !published(t, base, "written in minimal") {
		t.Error("the comment of the minimal profile is gone")
	}
	replication(t, i)
	sentinels(t, i)
	threeWebs(t, i)
	comment(t, i, base, "written in ha")

	r := i.Run("down", "--volumes")
	for _, v := range []string{"mariadb-master", "mariadb-slave", "redis-master"} { // the others went with their pods
		if r.Code != 0 || !strings.Contains(r.Err, "deleted volume "+i.Name+"_"+v) {
			t.Errorf("down --volumes ends with %d and does not name %s:\n%s", r.Code, v, r.Err)
		}
	}
	nothingLeft(t, i)
	if left := volumes(t, i); left != 0 {
		t.Errorf("%d volumes are left", left)
	}
}

// volumes are how many volumes the instance has.
func volumes(t *testing.T, i *harness.Instance) int {
	t.Helper()
	list, err := i.Engine().ListVolumes(context.Background(), map[string]string{services.ProjectLabel: i.Name})
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// attachAndDetach: up in a second terminal attaches, and Ctrl-C there leaves the stack alone.
func attachAndDetach(t *testing.T, i *harness.Instance) {
	t.Helper()
	pid := i.Snapshot().PID
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := i.Command(t.Context(), "up")
	cmd.Stderr = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	var said strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(said.String(), "attached") {
		n, err := r.Read(buf)
		said.Write(buf[:n])
		if err != nil {
			t.Fatalf("the second up ended: %v\n%s", err, said.String())
		}
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, r)
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 0 && code != codeInterrupted {
		t.Errorf("the second up ended with %d", code)
	}
	if s := i.Snapshot(); s.PID != pid || s.Phase != "ready" {
		t.Errorf("after the second up the supervisor is %d (it was %d), the stack %s", s.PID, pid, s.Phase)
	}
}

// replication: both threads run, and a row written on the master is read on the slave.
func replication(t *testing.T, i *harness.Instance) {
	t.Helper()
	status := inPod(i, "lyanna-mariadb-slave-0", "sh", "-c", `exec mariadb -uroot -p"$MARIADB_ROOT_PASSWORD" -e 'SHOW REPLICA STATUS\G'`)
	for _, want := range []string{"Slave_IO_Running: Yes", "Slave_SQL_Running: Yes"} {
		if !strings.Contains(status, want) {
			t.Errorf("the slave's status lacks %q:\n%s", want, status)
		}
	}
	sql(i, "lyanna-mariadb-master-0", "CREATE TABLE e2e (n INT); INSERT INTO e2e VALUES (4711)")
	i.Eventually(10*time.Second, "the slave has the row", func() bool {
		r := i.Run("exec", "lyanna-mariadb-slave-0", "--", "sh", "-c", `mariadb -N -uroot -p"$MARIADB_ROOT_PASSWORD" test -e "SELECT n FROM e2e"`)
		return strings.TrimSpace(r.Out) == "4711"
	})
}

// sentinels: they agree, and know two replicas.
func sentinels(t *testing.T, i *harness.Instance) {
	t.Helper()
	if out := inPod(i, "redis-master/sentinel", "redis-cli", "-p", "26379", "sentinel", "ckquorum", "mymaster"); !strings.HasPrefix(out, "OK 3 usable") {
		t.Errorf("ckquorum says %q", out)
	}
	out := inPod(i, "redis-master/sentinel", "redis-cli", "-p", "26379", "sentinel", "replicas", "mymaster")
	if n := strings.Count(out, "master-link-status\nok"); n != 2 {
		t.Errorf("the sentinel knows %d replicas with a link:\n%s", n, out)
	}
}

// threeWebs: each web pod answers by itself, by way of the service address also, and talks to the right masters.
func threeWebs(t *testing.T, i *harness.Instance) {
	t.Helper()
	svc := endpoints(t, i)["lyanna-svc"]
	if len(svc.Ready) != 3 {
		t.Fatalf("lyanna-svc has %+v", svc.Ready)
	}
	for _, e := range svc.Ready {
		body, code := page(t, "http://"+e.Address+":8000/status")
		var status struct {
			OK      bool
			Pod     string
			Mariadb struct{ Hostname string }
			Redis   struct {
				Via, Role string
				Replicas  int
			}
		}
		if err := json.Unmarshal([]byte(body), &status); err != nil || code != http.StatusOK {
			t.Errorf("pod %s says %d: %s", e.Pod, code, body)
			continue
		}
		if !status.OK || status.Pod != e.Pod || status.Mariadb.Hostname != "lyanna-mariadb-master-0" || status.Redis.Via != "sentinel" ||
			status.Redis.Role != "master" || status.Redis.Replicas != 2 {
			t.Errorf("pod %s says %s", e.Pod, body)
		}
	}
}
