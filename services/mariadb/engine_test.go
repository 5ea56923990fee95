package mariadb

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/catalogue/enginetest"
)

const (
	image     = "lyandev/mariadb:dev"
	masterPod = "lyanna-mariadb-master-0"
	slavePod  = "lyanna-mariadb-slave-0"
	masterIP  = "10.249.0.10"
	slaveIP   = "10.249.0.11"
)

func podOf(role, ip string) enginetest.Pod {
	return enginetest.Pod{
		Name: "lyanna-mariadb-" + role + "-0", IP: ip, Workload: "lyanna-mariadb-" + role,
		Containers: []enginetest.Container{{
			Name: "mariadb", Image: image, Volume: role, Mount: "/data/mariadb",
			Port: corev1.ContainerPort{Name: "mysql", ContainerPort: 3306},
			Env: map[string]string{
				"MARIADB_REPLICATION_MODE": role, "MARIADB_ROOT_PASSWORD": "passwd", "MARIADB_DATABASE": "test",
				"MARIADB_USER": "lyanna", "MARIADB_PASSWORD": "lyanna", "MARIADB_REPLICATION_USER": "replicator",
				"MARIADB_REPLICATION_PASSWORD": "lyanna", "LYANDEV_OPERATOR": "1",
			},
		}},
	}
}

func newOperator(t *testing.T) *Operator {
	o := &Operator{}
	if os.Getenv("LYANDEV_TEST_LOG") != "" {
		o.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	t.Cleanup(func() { _ = o.Close() })
	return o
}

// pair starts a master and a slave and waits until they are right.
func pair(t *testing.T) (*enginetest.Lab, *Operator) {
	t.Helper()
	l := enginetest.New(t, "mariadb", "10.249.0.0/26")
	o := newOperator(t)
	l.Start(podOf("master", masterIP))
	l.Start(podOf("slave", slaveIP))
	l.Until(o, 60*time.Second, "right", enginetest.Right)
	return l, o
}

func openAs(t *testing.T, user, password, host string) *sql.DB {
	t.Helper()
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr = user, password, "tcp", host+":3306"
	cfg.Timeout, cfg.ReadTimeout = 2*time.Second, 20*time.Second
	cfg.Logger = quiet{}
	c, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func root(t *testing.T, host string) *sql.DB { t.Helper(); return openAs(t, "root", "passwd", host) }

func do(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer discard(conn)
	for _, q := range statements {
		if _, err := conn.ExecContext(t.Context(), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
}

func count(t *testing.T, db *sql.DB, query string) int {
	t.Helper()
	var n int
	if err := db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// sameRows compares a table on both servers by checksum. A slave may lag by the seconds that are right, so it is given time
// to apply what it has not yet.
func sameRows(t *testing.T, table string) {
	t.Helper()
	var sums [2]string
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(500 * time.Millisecond) {
		sums = [2]string{checksum(t, masterIP, table), checksum(t, slaveIP, table)}
		if sums[0] == sums[1] && sums[0] != "" {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s differs: master %q, slave %q", table, sums[0], sums[1])
		}
	}
}

func checksum(t *testing.T, host, table string) string {
	t.Helper()
	var ignored string
	var sum sql.NullString
	if err := root(t, host).QueryRow("CHECKSUM TABLE "+table).Scan(&ignored, &sum); err != nil {
		t.Fatal(err)
	}
	return sum.String
}

// purge leaves a server only the binary log that it writes to. Older ones it keeps, without a word, until what they tell is
// durable in the tables.
func purge(t *testing.T, db *sql.DB) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		files := binaryLogs(t, db)
		if len(files) == 1 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("cannot purge the binary logs: there are %v", files)
		}
		do(t, db, "PURGE BINARY LOGS TO '"+files[len(files)-1]+"'")
	}
}

func binaryLogs(t *testing.T, db *sql.DB) []string {
	t.Helper()
	rows, err := db.Query("SHOW BINARY LOGS")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var name string
		var size int64
		if err := rows.Scan(&name, &size); err != nil {
			t.Fatal(err)
		}
		out = append(out, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestFreshPairAttaches(t *testing.T) {
	l, o := pair(t)
	app := openAs(t, "lyanna", "lyanna", masterIP)
	do(t, app, "CREATE TABLE test.t (id INT PRIMARY KEY, v VARCHAR(20))", "INSERT INTO test.t VALUES (1, 'one')")
	v := l.Until(o, 10*time.Second, "right", enginetest.Right)
	if v.Pods[masterPod].Role != "master" || v.Pods[slavePod].Role != "slave" {
		t.Fatalf("roles: %+v", v.Pods)
	}
	if got := v.Facts[MasterFact]; got != masterIP+":3306" {
		t.Fatalf("fact %q", got)
	}
	sameRows(t, "test.t")
	_, err := openAs(t, "lyanna", "lyanna", slaveIP).Exec("INSERT INTO test.t VALUES (2, 'two')")
	if number(err) != 1290 {
		t.Fatalf("the app user could write on the slave: %v", err)
	}
	for _, e := range l.Events {
		if strings.Contains(e, "Reseed") {
			t.Fatalf("a fresh slave was seeded although it could replay: %s", e)
		}
	}
}

func TestBrokenSlaveIsRightAgain(t *testing.T) {
	l, o := pair(t)
	m, s := root(t, masterIP), root(t, slaveIP)
	app := openAs(t, "lyanna", "lyanna", masterIP)
	do(t, app, "CREATE TABLE test.t (id INT PRIMARY KEY, v VARCHAR(20))", "INSERT INTO test.t VALUES (1, 'one'), (2, 'two')")
	l.Until(o, 10*time.Second, "right", enginetest.Right)

	faults := []struct {
		name   string
		break_ func(t *testing.T)
	}{
		{"row deleted on the slave, then updated on the master", func(t *testing.T) {
			do(t, s, "SET SESSION sql_log_bin=0", "DELETE FROM test.t WHERE id = 2")
			do(t, m, "UPDATE test.t SET v = 'zwei' WHERE id = 2")
		}},
		{"conflicting insert", func(t *testing.T) {
			do(t, s, "SET SESSION sql_log_bin=0", "INSERT INTO test.t VALUES (3, 'wrong')")
			do(t, m, "INSERT INTO test.t VALUES (3, 'three')")
		}},
		{"table missing", func(t *testing.T) {
			do(t, s, "SET SESSION sql_log_bin=0", "DROP TABLE test.t")
			do(t, m, "INSERT INTO test.t VALUES (4, 'four')")
		}},
		{"root wrote on the slave", func(t *testing.T) {
			do(t, s, "INSERT INTO test.t VALUES (5, 'errant')")
			do(t, m, "INSERT INTO test.t VALUES (6, 'six')")
		}},
		{"binlog purged", func(t *testing.T) {
			do(t, s, "STOP SLAVE")
			do(t, m, "INSERT INTO test.t VALUES (7, 'seven')", "FLUSH BINARY LOGS")
			purge(t, m)
		}},
		{"slave stopped", func(t *testing.T) { do(t, s, "STOP SLAVE") }},
		{"slave reset", func(t *testing.T) { do(t, s, "STOP SLAVE", "RESET SLAVE ALL") }},
		{"slave follows another address", func(t *testing.T) {
			do(t, s, "STOP SLAVE", "CHANGE MASTER TO MASTER_HOST='10.249.0.60'", "START SLAVE")
		}},
		{"replication password changed on the master", func(t *testing.T) {
			do(t, m, "SET SESSION sql_log_bin=0", "ALTER USER replicator@'%' IDENTIFIED BY 'other'")
			do(t, s, "STOP SLAVE", "START SLAVE")
		}},
		{"slave writable", func(t *testing.T) { do(t, s, "SET GLOBAL read_only=0") }},
		{"same server id", func(t *testing.T) {
			do(t, s, "STOP SLAVE", fmt.Sprintf("SET GLOBAL server_id=%d", count(t, m, "SELECT @@server_id")), "START SLAVE")
		}},
	}
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			f.break_(t)
			l.Until(o, 40*time.Second, "right", enginetest.Right)
			l.Until(o, 10*time.Second, "still right", enginetest.Right)
			sameRows(t, "test.t")
		})
	}
}

func TestMasterVolumeReplaced(t *testing.T) {
	l, o := pair(t)
	do(t, openAs(t, "lyanna", "lyanna", masterIP), "CREATE TABLE test.t (id INT PRIMARY KEY)", "INSERT INTO test.t VALUES (1), (2)")
	l.Until(o, 10*time.Second, "right", enginetest.Right)

	l.Remove(masterPod, true)
	l.Start(podOf("master", masterIP))
	v := l.Until(o, 20*time.Second, "refused", func(v services.Verdict) bool {
		return v.Pods[masterPod].Reason == "MasterEmpty"
	})
	if v.Right {
		t.Fatal("an emptied master is right")
	}
	if n := count(t, root(t, slaveIP), "SELECT COUNT(*) FROM test.t"); n != 2 {
		t.Fatalf("the slave holds %d rows", n)
	}

	// Somebody restores other data on the master: it has the say then, and what the slave had is kept in a file.
	do(t, root(t, masterIP), "CREATE TABLE test.t (id INT PRIMARY KEY)", "INSERT INTO test.t VALUES (10), (11), (12)")
	l.Until(o, 40*time.Second, "right", enginetest.Right)
	sameRows(t, "test.t")
	if exit, out, err := l.View().Exec(t.Context(), slavePod, "mariadb", []string{
		"sh", "-c",
		"gzip -dc /data/mariadb/lyandev-kept.sql.gz | grep -c 'VALUES (1),'",
	}, nil); exit != 0 || err != nil {
		// The dump writes a row a line or all in one, by version.
		if exit, out2, _ := l.View().Exec(t.Context(), slavePod, "mariadb", []string{
			"sh", "-c",
			"gzip -dc /data/mariadb/lyandev-kept.sql.gz | grep -A2 'INSERT INTO `t`'",
		}, nil); exit != 0 {
			t.Fatalf("nothing was kept: %s %s %v", out, out2, err)
		}
	}
}

func TestKilledServersComeBack(t *testing.T) {
	l, o := pair(t)
	do(t, openAs(t, "lyanna", "lyanna", masterIP), "CREATE TABLE test.t (id INT PRIMARY KEY)", "INSERT INTO test.t VALUES (1), (2)")
	for _, pod := range []string{masterPod, slavePod} {
		l.Kill(pod, "mariadb")
		l.Until(o, 20*time.Second, "seen", func(v services.Verdict) bool { return !v.Right })
		l.Restart(pod, "mariadb")
		l.Until(o, 30*time.Second, "right", enginetest.Right)
		sameRows(t, "test.t")
	}
	l.Pause(masterPod, "mariadb")
	v := l.Until(o, 20*time.Second, "seen", func(v services.Verdict) bool { return !v.Right && !v.Pods[slavePod].Right })
	if v.Pods[masterPod].Reason != string(NoAnswer) {
		t.Fatalf("a paused master: %+v", v.Pods[masterPod])
	}
	l.Unpause(masterPod, "mariadb")
	l.Until(o, 30*time.Second, "right", enginetest.Right)
}

// writer writes one row after the other on whoever is the master, as the application would through the Service.
type writer struct {
	master atomic.Value // address
	acked  atomic.Int64
	failed atomic.Int64
}

func (w *writer) run(ctx context.Context, t *testing.T) {
	dbs := map[string]*sql.DB{masterIP: openAs(t, "lyanna", "lyanna", masterIP), slaveIP: openAs(t, "lyanna", "lyanna", slaveIP)}
	for n := 1; ctx.Err() == nil; n++ {
		_, err := dbs[w.master.Load().(string)].ExecContext(ctx, "INSERT INTO test.w (id) VALUES (?)", n)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			w.failed.Add(1)
			_ = pause(ctx, 5*time.Millisecond)
			continue
		}
		if _, err := dbs[w.master.Load().(string)].ExecContext(ctx, "INSERT INTO test.acked (id) VALUES (?)", n); err == nil {
			w.acked.Add(1)
		}
	}
}

func TestPromoteAndSwitchbackLoseNothing(t *testing.T) {
	l, o := pair(t)
	do(t, openAs(t, "lyanna", "lyanna", masterIP), "CREATE TABLE test.w (id INT PRIMARY KEY)", "CREATE TABLE test.acked (id INT PRIMARY KEY)")
	ctx, stop := context.WithCancel(t.Context())
	var w writer
	w.master.Store(masterIP)
	done := make(chan struct{})
	go func() { defer close(done); w.run(ctx, t) }()
	for i := range 3 {
		l.Until(o, 30*time.Second, "right", func(v services.Verdict) bool { return v.Right && w.acked.Load() > int64(100*i) })
		p, err := o.Promote(t.Context(), l.View(), slavePod, false)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("promoted: %+v", p)
		w.master.Store(slaveIP)
		v := l.Until(o, 30*time.Second, "right", enginetest.Right)
		if v.Pods[slavePod].Role != "master" || v.Facts[MasterFact] != slaveIP+":3306" {
			t.Fatalf("%+v", v)
		}
		p, err = o.Switchback(t.Context(), l.View())
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("switched back: %+v", p)
		w.master.Store(masterIP)
	}
	l.Until(o, 30*time.Second, "right", enginetest.Right)
	stop()
	<-done
	l.Until(o, 30*time.Second, "right", enginetest.Right)
	sameRows(t, "test.w")
	rows := int64(count(t, root(t, masterIP), "SELECT COUNT(*) FROM test.acked"))
	if rows < w.acked.Load() {
		t.Fatalf("%d acknowledged, %d there", w.acked.Load(), rows)
	}
	if gaps := count(t, root(t, masterIP), "SELECT COUNT(*) FROM test.acked a LEFT JOIN test.w w USING (id) WHERE w.id IS NULL"); gaps > 0 {
		t.Fatalf("%d acknowledged rows are lost", gaps)
	}
	t.Logf("%d acknowledged, %d failed", w.acked.Load(), w.failed.Load())
	for _, e := range l.Events {
		if strings.Contains(e, "Reseed") {
			t.Fatalf("a planned change needed seeding: %s", e)
		}
	}
}

func TestPromoteByForceAndOldMasterReturns(t *testing.T) {
	l, o := pair(t)
	do(t, openAs(t, "lyanna", "lyanna", masterIP), "CREATE TABLE test.t (id INT PRIMARY KEY)", "INSERT INTO test.t VALUES (1)")
	l.Until(o, 10*time.Second, "right", enginetest.Right)
	l.Kill(masterPod, "mariadb")
	l.Until(o, 20*time.Second, "seen", func(v services.Verdict) bool { return !v.Pods[masterPod].Right })
	if _, err := o.Promote(t.Context(), l.View(), "", false); err == nil || !strings.Contains(err.Error(), "--force") {
		t.Fatalf("promoted without force: %v", err)
	}
	p, err := o.Promote(t.Context(), l.View(), "", true)
	if err != nil || p.Lost == "" {
		t.Fatalf("%+v %v", p, err)
	}
	do(t, openAs(t, "lyanna", "lyanna", slaveIP), "INSERT INTO test.t VALUES (2)")
	l.Restart(masterPod, "mariadb")
	v := l.Until(o, 30*time.Second, "right", enginetest.Right)
	if v.Pods[masterPod].Role != "slave" {
		t.Fatalf("%+v", v.Pods)
	}
	sameRows(t, "test.t")
	// Another operator, which remembers nothing, sees the same.
	v = l.Until(newOperator(t), 10*time.Second, "right", enginetest.Right)
	if v.Pods[masterPod].Role != "slave" {
		t.Fatalf("%+v", v.Pods)
	}
}
