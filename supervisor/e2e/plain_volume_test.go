package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/e2e/harness"
)

// lockingDatabase is a plain service with a database that locks its directory, in a named volume; its image is built in ./db.
const lockingDatabase = `
services:
  db:
    build: ./db
    environment: {MARIADB_ALLOW_EMPTY_ROOT_PASSWORD: "yes", STEP: "%s"}
    volumes: [data:/data/mariadb]
    healthcheck: {test: [CMD, mariadb-admin, -uroot, ping], interval: 500ms, retries: 100}
    develop: {watch: [{path: ./db/Dockerfile, action: rebuild}]}
volumes: {data: {}}
x-lyandev:
  defaultProfile: small
  profiles:
    small: {}
    large: {services: {db: {command: [mariadbd, --max-connections=50]}}}
`

// lives follows the containers of a workload.
type lives struct {
	mu sync.Mutex
	// running are the IDs of those that run; starts counts all.
	running map[string]bool
	starts  int
	// most is how many ran at the same time.
	most int
}

// follow begins to count the containers of a workload that run at the same time.
func follow(t *testing.T, i *harness.Instance, workload string) *lives {
	t.Helper()
	events, _, err := i.Engine().Events(t.Context(), map[string]string{services.ProjectLabel: i.Name, services.WorkloadLabel: workload})
	if err != nil {
		t.Fatal(err)
	}
	l := &lives{running: map[string]bool{}}
	go func() {
		for e := range events {
			l.mu.Lock()
			switch e.Type {
			case "start":
				l.running[e.ID] = true
				l.starts++
				l.most = max(l.most, len(l.running))
			case "die":
				delete(l.running, e.ID)
			}
			l.mu.Unlock()
		}
	}()
	return l
}

func (l *lives) counts() (starts, most int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.starts, l.most
}

// TestPlainVolumeHasOneProcess: whatever changes a database server, the old one has ended before the new one starts on its volume,
// and the data stay.
func TestPlainVolumeHasOneProcess(t *testing.T) {
	t.Parallel()
	var i *harness.Instance
	t.Cleanup(func() { removeImages(t, i.Name) })
	i = harness.New(t, fmt.Sprintf(lockingDatabase, "1"))
	if err := os.CopyFS(filepath.Join(i.Dir, "db"), os.DirFS("../../assets/images/mariadb")); err != nil {
		t.Fatal(err)
	}
	l := follow(t, i, "db")
	sql := func(text string) string {
		t.Helper()
		return strings.TrimSpace(i.Must("exec", "db", "mariadb", "-uroot", "-BNe", text))
	}
	id := func() string { return harness.ContainerID(i.Pod("db-1"), "db") }
	i.Up("--wait")
	sql("CREATE DATABASE a; CREATE TABLE a.steps (name VARCHAR(20))")
	for n, step := range []struct {
		name    string
		inPlace bool
		do      func()
	}{
		{"rebuild", false, func() {
			i.Write("db/Dockerfile", i.Read("db/Dockerfile")+"RUN echo again >/again\n")
			i.UntilEvent(2*time.Minute, "the image is rebuilt", isEvent("Rebuilt", "db/Dockerfile: rebuild, 1 pod in "))
		}},
		{"environment", false, func() { i.Write("compose.yaml", fmt.Sprintf(lockingDatabase, "2")); i.Up("--wait") }},
		{"restart", true, func() { i.Must("restart", "db") }},
		{"profile", false, func() { i.Must("profile", "use", "large") }},
		{"up", true, func() { i.Up("--wait") }},
	} {
		before := id()
		sql("INSERT INTO a.steps VALUES ('" + step.name + "')")
		step.do()
		i.Ready(30 * time.Second)
		if step.inPlace != (id() == before) {
			t.Errorf("%s: container %s, then %s", step.name, before, id())
		}
		if got := sql("SELECT COUNT(*) FROM a.steps"); got != fmt.Sprint(n+1) {
			t.Errorf("%s: the table has %s rows, want %d", step.name, got, n+1)
		}
	}
	if starts, most := l.counts(); starts != 5 || most != 1 {
		t.Errorf("%d starts, %d at the same time", starts, most)
	}
	if log := i.Must("logs", "db"); strings.Contains(log, "nable to lock") || strings.Contains(log, "t lock") {
		t.Errorf("it waited for the lock of another:\n%s", log)
	}
}
