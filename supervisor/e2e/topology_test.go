package e2e_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lyandev/lyandev/supervisor/drill"
	"github.com/lyandev/lyandev/supervisor/e2e/harness"
	"github.com/lyandev/lyandev/supervisor/snapshot"
)

// pair is a database and a Redis in minimal, a slave besides in ha, and two profiles that cannot get ready.
const pair = `
name: pair
x-lyandev:
  semantics: kubernetes
  defaultProfile: minimal
  profiles:
    minimal: {}
    ha: {}
    crashing: {activate: [ha, crashing], extends: minimal}
services:
  db: &db
    image: lyandev/mariadb:dev
    build: IMAGES/mariadb
    user: "1001:1001"
    stop_grace_period: 20s
    environment: &db-env
      LYANDEV_OPERATOR: "1"
      MARIADB_ROOT_PASSWORD: passwd
      MARIADB_REPLICATION_USER: replicator
      MARIADB_REPLICATION_PASSWORD: replica
      MARIADB_REPLICATION_MODE: master
      MARIADB_DATABASE: app
      MARIADB_USER: app
      MARIADB_PASSWORD: app
    volumes: [db:/data/mariadb]
    expose: ["3306"]
    x-lyandev: &db-k8s
      kind: StatefulSet
      operator: mariadb
      options: {role: master}
      labels: {app: db}
      service:
        name: db
        clusterIP: None
        selector: {app: db, dev.lyandev/role: master}
        ports: [{name: mysql, port: 3306}]
      pod: {securityContext: {runAsUser: 1001, fsGroup: 1001}}
  db-slave:
    <<: *db
    profiles: [ha]
    environment: {<<: *db-env, MARIADB_REPLICATION_MODE: slave, MARIADB_MASTER_HOST: db}
    volumes: [db-slave:/data/mariadb]
    depends_on:
      db: {condition: service_healthy}
    x-lyandev:
      <<: *db-k8s
      options: {role: slave}
      service: false
  redis:
    image: lyandev/redis:dev
    build: IMAGES/redis
    user: "1001:1001"
    stop_grace_period: 10s
    environment: {REDIS_MODE: server, REDIS_REPLICATION_MODE: master}
    volumes: [redis:/data]
    expose: ["6379"]
    x-lyandev:
      kind: Pod
      operator: redis
      options: {role: master}
      env: [{name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]
      pod: {securityContext: {runAsUser: 1001, fsGroup: 1001}}
  crashing:
    image: lyandev/redis:dev
    profiles: [crashing]
    command: [sh, -c, "exit 3"]
volumes:
  db:
  db-slave:
  redis:
`

// store is the pair's data as its clients see it.
type store struct{ *harness.Instance }

func newStore(t *testing.T) store {
	t.Helper()
	images, err := filepath.Abs("../../assets/images")
	if err != nil {
		t.Fatal(err)
	}
	return store{harness.New(t, strings.ReplaceAll(pair, "IMAGES", images))}
}

func (s store) sql(pod, query string) string {
	return strings.TrimSpace(s.Must("exec", "-T", pod, "--", "sh", "-c", `mariadb -N -uroot -p"$MARIADB_ROOT_PASSWORD" app -e "`+query+`"`))
}

func (s store) redis(args ...string) string {
	return strings.TrimSpace(s.Must(append([]string{"exec", "-T", "redis", "--", "redis-cli"}, args...)...))
}

// containers are the containers of pods, by pod, as "ID address".
func (s store) containers(pods ...string) map[string]string {
	out := map[string]string{}
	for _, name := range pods {
		p := s.Pod(name)
		out[name] = harness.ContainerID(p, p.Spec.Containers[0].Name) + " " + p.Status.PodIP
	}
	return out
}

// TestSwitchProfiles: what both profiles share goes on, the slave is seeded from the running master, a promoted slave's data
// is what the single server has afterwards, and a profile that does not get ready is taken back.
func TestSwitchProfiles(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"profile", "use", "nope"}, 2, `there is no profile "nope"`},
		{[]string{"profile", "use"}, 2, "lyandev profile use NAME"},
		{[]string{"profile", "use", "ha"}, 1, "no pods are running; start it with"},
		{[]string{"profile", "use", "ha", "--limit", "-1s"}, 2, "must be greater than 0"},
	} {
		if r := s.Run(c.args...); r.Code != c.code || !strings.Contains(r.Err, c.want) {
			t.Errorf("%v ended with %d: %s", c.args, r.Code, r.Err)
		}
	}
	s.Up("--wait")
	s.sql("db-0", "CREATE TABLE t (n INT PRIMARY KEY); INSERT INTO t VALUES (1)")
	s.redis("set", "k", "1")
	before := s.containers("db-0", "redis")

	var plan switchPlan
	s.JSON(&plan, "profile", "use", "ha", "--dry-run", "--json")
	if got := plan.text(); got != "keep db, start db-slave, keep redis" && got != "keep db, keep redis, start db-slave" {
		t.Errorf("the plan is: %s", got)
	}
	if s.Snapshot().Profile != "minimal" {
		t.Fatal("a dry run has changed the profile")
	}
	s.Must("profile", "use", "ha", "-q")
	s.sql("db-0", "INSERT INTO t VALUES (2)")
	s.Eventually(30*time.Second, "the slave has both rows", func() bool { return s.sql("db-slave-0", "SELECT COUNT(*) FROM t") == "2" })
	if got := s.containers("db-0", "redis"); fmt.Sprint(got) != fmt.Sprint(before) {
		t.Errorf("what both profiles share was replaced: %v, was %v", got, before)
	}

	s.Must("mariadb", "promote")
	s.sql("db-slave-0", "INSERT INTO t VALUES (3)")
	r := s.Run("profile", "use", "minimal", "-q")
	if r.Code != 0 || !strings.Contains(r.Err, "move") || !strings.Contains(r.Err, "db-0 was promoted to master during the switch") {
		t.Fatalf("back to minimal with a promoted slave ended with %d: %s", r.Code, r.Err)
	}
	if got := s.sql("db-0", "SELECT GROUP_CONCAT(n ORDER BY n) FROM t"); got != "1,2,3" {
		t.Errorf("the single server has the rows %s", got)
	}
	s.sql("db-0", "INSERT INTO t VALUES (4)")

	r = s.Run("profile", "use", "crashing", "-q")
	if r.Code != 3 || !strings.Contains(r.Err, "rolled back") || !strings.Contains(r.Err, "exits with 3 again and again") {
		t.Errorf("a profile that crashes ended with %d: %s", r.Code, r.Err)
	}
	if s.Snapshot().Profile != "minimal" {
		t.Error("the profile was not taken back")
	}
	s.Ready(time.Minute)
	if got := s.sql("db-0", "SELECT COUNT(*) FROM t") + s.redis("get", "k"); got != "41" {
		t.Errorf("after it all there are rows and key %s", got)
	}
	if got := s.containers("db-0", "redis"); fmt.Sprint(got) != fmt.Sprint(before) {
		t.Errorf("what both profiles share was replaced: %v, was %v", got, before)
	}
}

// switchPlan is the plan as JSON has it.
type switchPlan struct {
	Steps []struct{ Do, Name string }
}

func (p switchPlan) text() string {
	var out []string
	for _, s := range p.Steps {
		out = append(out, s.Do+" "+s.Name)
	}
	return strings.Join(out, ", ")
}

// TestSwitchSurvivesAKill: the supervisor is killed in the middle of a switch; the next one goes on with it.
func TestSwitchSurvivesAKill(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.Up("--wait")
	s.sql("db-0", "CREATE TABLE t (n INT PRIMARY KEY); INSERT INTO t VALUES (1)")
	began := s.Command(t.Context(), "profile", "use", "ha", "-q")
	if err := began.Start(); err != nil {
		t.Fatal(err)
	}
	s.Until(30*time.Second, "the slave is there", func(n *state) bool { return n.Pod("db-slave-0") != nil })
	s.KillSupervisor()
	_ = began.Wait() // its supervisor has gone
	r := s.Run("profile", "use", "ha", "-q")
	if r.Code != 0 || !strings.Contains(r.Err, "still in progress") {
		t.Errorf("the next command ended with %d: %s", r.Code, r.Err)
	}
	s.Eventually(30*time.Second, "the slave has the row", func() bool { return s.sql("db-slave-0", "SELECT COUNT(*) FROM t") == "1" })
}

// TestSnapshots: saved while it runs, restored with the roles right, into the other profile too; what cannot be done
// changes nothing.
func TestSnapshots(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.Up("--wait", "--profile", "ha")
	t.Cleanup(func() { s.Run("snapshot", "rm", "base") })
	s.sql("db-0", "CREATE TABLE t (n INT PRIMARY KEY); INSERT INTO t VALUES (1),(2)")
	s.redis("set", "k", "1")

	var m snapshot.Meta
	s.JSON(&m, "snapshot", "save", "base", "--json")
	if len(m.Claims) != 3 || m.Bytes < 10<<20 || m.Frozen <= 0 || m.Profile != "ha" {
		t.Errorf("saved %+v", m)
	}
	if i := slices.IndexFunc(m.Claims, func(c snapshot.ClaimMeta) bool { return c.Role == "slave" && c.Product == "mariadb" && c.Version != "" }); i < 0 {
		t.Errorf("the slave's copy is not told: %+v", m.Claims)
	}
	s.sql("db-0", "INSERT INTO t VALUES (3); CREATE TABLE later (n INT)")
	s.redis("set", "k", "2")
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"snapshot", "save", "base"}, 1, "a snapshot of that name already exists"},
		{[]string{"snapshot", "save", "Bad_Name"}, 2, "cannot use"},
		{[]string{"snapshot", "save"}, 2, "snapshot save requires NAME"},
		{[]string{"snapshot", "save", "x", "nobody"}, 2, `there is no service "nobody"`},
		{[]string{"snapshot", "restore", "other"}, 2, `there is no snapshot "other"; known: base`},
		{[]string{"snapshot", "rm", "base", "other"}, 2, `there is no snapshot "other"; known: base`},
	} {
		if r := s.Run(c.args...); r.Code != c.code || !strings.Contains(r.Err, c.want) {
			t.Errorf("%v ended with %d: %s", c.args, r.Code, r.Err)
		}
	}
	if got := s.sql("db-0", "SELECT COUNT(*) FROM t") + s.redis("get", "k"); got != "32" {
		t.Fatalf("what could not be done has changed the data: %s", got)
	}
	s.Must("snapshot", "restore", "base")
	s.holds(t, "12", "1")
	s.sql("db-0", "INSERT INTO t VALUES (9)")
	s.Eventually(30*time.Second, "the slave follows the restored master", func() bool {
		return s.sql("db-slave-0", "SELECT GROUP_CONCAT(n ORDER BY n SEPARATOR '') FROM t") == "129"
	})

	s.Must("profile", "use", "minimal", "-q")
	s.Must("snapshot", "restore", "base")
	s.holds(t, "12", "1")
	var only snapshot.Meta
	s.JSON(&only, "snapshot", "save", "base", "--replace", "--json")
	if len(only.Claims) != 2 || only.Profile != "minimal" {
		t.Errorf("replaced by %+v", only)
	}
	s.Must("profile", "use", "ha", "-q")
	s.sql("db-0", "INSERT INTO t VALUES (8)")
	s.Must("snapshot", "restore", "base") // the slave has no copy in it
	s.holds(t, "12", "1")
	s.Eventually(time.Minute, "the slave was seeded anew", func() bool {
		return s.sql("db-slave-0", "SELECT GROUP_CONCAT(n ORDER BY n SEPARATOR '') FROM t") == "12"
	})

	r := s.Run("down", "--volumes", "-q")
	if r.Code != 0 || !strings.Contains(r.Err, "kept snapshot base") {
		t.Errorf("down ended with %d: %s", r.Code, r.Err)
	}
	s.Must("snapshot", "restore", "base") // nothing runs
	s.Up("--wait")
	s.holds(t, "12", "1")
	s.Must("snapshot", "rm", "base")
	if out := s.Must("snapshot", "ls"); strings.Contains(out, "base") {
		t.Errorf("it is still listed:\n%s", out)
	}
}

// holds checks the rows of the master and the key.
func (s store) holds(t *testing.T, rows, key string) {
	t.Helper()
	if got := s.sql("db-0", "SELECT GROUP_CONCAT(n ORDER BY n SEPARATOR '') FROM t"); got != rows {
		t.Errorf("the master has the rows %s, want %s", got, rows)
	}
	if got := s.redis("get", "k"); got != key {
		t.Errorf("Redis has %s, want %s", got, key)
	}
}

// TestRestoreSurvivesAKill: killed while services are stopped for a restore, the next supervisor finishes it.
func TestRestoreSurvivesAKill(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.Up("--wait")
	t.Cleanup(func() { s.Run("snapshot", "rm", "base") })
	s.sql("db-0", "CREATE TABLE t (n INT PRIMARY KEY); INSERT INTO t VALUES (1),(2)")
	s.redis("set", "k", "1")
	s.Must("snapshot", "save", "base")
	s.sql("db-0", "INSERT INTO t VALUES (3)")
	began := s.Command(t.Context(), "snapshot", "restore", "base")
	if err := began.Start(); err != nil {
		t.Fatal(err)
	}
	s.Until(30*time.Second, "a pod is being stopped", func(n *state) bool {
		p := n.Pod("db-0")
		return p == nil || p.DeletionTimestamp != nil
	})
	s.KillSupervisor()
	_ = began.Wait()
	s.Up("--wait")
	s.holds(t, "12", "1")
}

// TestDrill: a crash is reported with real clients' figures, limits decide the exit code, and nothing stays broken.
func TestDrill(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.Up("--wait")
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"drill", "nope"}, 2, "there is no drill"},
		{[]string{"drill", "partition"}, 2, "needs a service"},
		{[]string{"drill", "partition", "nobody"}, 1, `no service "nobody" with a pod`},
		{[]string{"drill", "mariadb-failover"}, 1, "no slave to promote"},
		{[]string{"drill", "redis-failover"}, 1, "no sentinels"},
		{[]string{"drill", "web-hang"}, 1, "cannot start drill web-hang"},
	} {
		if r := s.Run(c.args...); r.Code != c.code || !strings.Contains(r.Err, c.want) {
			t.Errorf("%v ended with %d: %s", c.args, r.Code, r.Err)
		}
	}
	var rep drill.Report
	s.JSON(&rep, "drill", "mariadb-crash", "--json")
	if !rep.Passed || rep.Lost != 0 || rep.Recovered <= 0 || rep.Right < rep.Recovered || rep.Detected <= 0 || rep.Target != "db-0" {
		t.Errorf("report: %+v", rep)
	}
	r := s.Run("drill", "mariadb-crash", "--max-recover", "1ms")
	if r.Code != 3 || !strings.Contains(r.Out, "the limit is 1ms") {
		t.Errorf("a limit that cannot be kept ended with %d: %s%s", r.Code, r.Out, r.Err)
	}
	if got := s.sql("db-0", "SHOW TABLES"); got != "" {
		t.Errorf("the drill has left tables: %s", got)
	}
}

// TestFaultOfAKilledDrill: what a drill that was killed had broken is undone by the supervisor.
func TestFaultOfAKilledDrill(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.Up("--wait")
	cmd := s.Command(t.Context(), "drill", "partition", "db", "--for", "1m")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	id := harness.ContainerID(s.Pod("db-0"), s.Pod("db-0").Spec.Containers[0].Name)
	addresses := func() int {
		c, err := s.Engine().InspectContainer(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return len(c.IPs)
	}
	s.Eventually(30*time.Second, "the database is off the network", func() bool { return addresses() == 0 })
	time.Sleep(3 * time.Second) // the supervisor looks every second for pods that somebody else disconnected
	if addresses() != 0 {
		t.Error("the supervisor has undone the drill's partition")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	s.Eventually(15*time.Second, "it is back", func() bool { return addresses() == 1 })
	s.Ready(time.Minute)
}
