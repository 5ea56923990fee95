package mariadb

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/catalogue/enginetest"
)

// TestSeedingUnderAWriter: a slave joins a master that holds data and is written all the time.
func TestSeedingUnderAWriter(t *testing.T) {
	l := enginetest.New(t, "mariadb", "10.249.0.0/26")
	o := newOperator(t)
	l.Start(podOf("master", masterIP))
	l.Until(o, 30*time.Second, "right", enginetest.Right)
	app := openAs(t, "lyanna", "lyanna", masterIP)
	do(t, app, "CREATE TABLE test.big (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(500))",
		"INSERT INTO test.big (v) SELECT REPEAT(MD5(seq), 12) FROM test.seq_1_to_100000",
		"CREATE TABLE test.w (id INT PRIMARY KEY)", "CREATE TABLE test.acked (id INT PRIMARY KEY)",
		"CREATE VIEW test.view1 AS SELECT COUNT(*) FROM test.big", "CREATE PROCEDURE test.p() SELECT 1")
	do(t, root(t, masterIP), "CREATE TRIGGER test.tr BEFORE INSERT ON test.w FOR EACH ROW SET NEW.id = NEW.id",
		"CREATE USER reader@'%' IDENTIFIED BY 'r'", "GRANT SELECT ON test.* TO reader@'%'",
		"FLUSH BINARY LOGS")
	purge(t, root(t, masterIP))
	ctx, stop := context.WithCancel(t.Context())
	var w writer
	w.master.Store(masterIP)
	done := make(chan struct{})
	go func() { defer close(done); w.run(ctx, t) }()

	l.Start(podOf("slave", slaveIP))
	l.Until(o, 30*time.Second, "seeding", func(v services.Verdict) bool {
		return v.Pods[slavePod].Reason == "Seeding" && strings.Contains(v.Pods[slavePod].Message, " MB of about ")
	})
	started := time.Now()
	l.Until(o, 90*time.Second, "seeded", enginetest.Right)
	t.Logf("seeded in %s", time.Since(started).Round(10*time.Millisecond))
	stop()
	<-done
	l.Until(o, 20*time.Second, "right", enginetest.Right)
	for _, table := range []string{"test.big", "test.w", "test.acked"} {
		sameRows(t, table)
	}
	if n := count(t, openAs(t, "reader", "r", slaveIP), "SELECT * FROM test.view1"); n != 100000 {
		t.Fatalf("%d rows through the view", n)
	}
	t.Logf("%d acknowledged meanwhile, %d failed", w.acked.Load(), w.failed.Load())
	if w.failed.Load() > 0 {
		t.Fatal("the master was not writable while the slave was seeded")
	}

	// A seeded slave can be promoted, and the old master follows it without a new copy.
	if _, err := o.Promote(t.Context(), l.View(), slavePod, false); err != nil {
		t.Fatal(err)
	}
	do(t, openAs(t, "lyanna", "lyanna", slaveIP), "INSERT INTO test.w VALUES (-1)")
	v := l.Until(o, 20*time.Second, "right", enginetest.Right)
	if v.Pods[masterPod].Role != "slave" {
		t.Fatalf("%+v", v.Pods)
	}
	sameRows(t, "test.w")
	for _, e := range l.Events {
		if strings.HasPrefix(e, masterPod) && strings.Contains(e, "Reseed") {
			t.Fatal(e)
		}
	}
}

// TestRefusedRoot: root may not come by the network, so the operator makes its own account over the socket.
func TestRefusedRoot(t *testing.T) {
	l := enginetest.New(t, "mariadb", "10.249.0.0/26")
	o := newOperator(t)
	for _, p := range []enginetest.Pod{podOf("master", masterIP), podOf("slave", slaveIP)} {
		p.Containers[0].Env["MARIADB_ROOT_HOST"] = "localhost"
		l.Start(p)
	}
	l.Until(o, 60*time.Second, "right", enginetest.Right)
	do(t, openAs(t, "lyanna", "lyanna", masterIP), "CREATE TABLE test.t (id INT PRIMARY KEY)", "INSERT INTO test.t VALUES (1)")
	// Breaking it shows that seeding works with that account too.
	do(t, openAs(t, ownUser, derive("passwd", "own"), slaveIP), "SET SESSION sql_log_bin=0", "DROP DATABASE test")
	do(t, openAs(t, "lyanna", "lyanna", masterIP), "INSERT INTO test.t VALUES (2)")
	// The slave is right until the row that it cannot apply has come, so what it holds is what is waited for.
	slave := openAs(t, ownUser, derive("passwd", "own"), slaveIP)
	l.Until(o, 60*time.Second, "right with both rows", func(v services.Verdict) bool {
		var n int
		err := slave.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM test.t").Scan(&n)
		return v.Right && err == nil && n == 2
	})
}

// TestPlainServers: servers that no image of ours prepared: id 1 on both, writable from the start, root only.
func TestPlainServers(t *testing.T) {
	l := enginetest.New(t, "mariadb", "10.249.0.0/26")
	o := newOperator(t)
	script := `set -e; d=/var/lib/mysql
[ -d $d/mysql ] || mariadb-install-db --user=mysql --datadir=$d --skip-test-db --auth-root-authentication-method=normal >/dev/null
printf "%s\n" "SET sql_log_bin=0;" "ALTER USER root@localhost IDENTIFIED BY 'secret';" "CREATE USER IF NOT EXISTS root@'%' IDENTIFIED BY 'secret';" \
  "GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;" >/tmp/init.sql
mkdir -p /run/mysqld; chown mysql /run/mysqld /tmp/init.sql $d
exec mariadbd --user=mysql --datadir=$d --bind-address=0.0.0.0 --log-bin --log-slave-updates --skip-name-resolve --init-file=/tmp/init.sql`
	for i, role := range []string{"master", "slave"} {
		l.Start(enginetest.Pod{
			Name: fmt.Sprintf("lyanna-mariadb-%s-0", role), IP: fmt.Sprintf("10.249.0.1%d", i), Workload: "db-" + role,
			Options: map[string]string{"role": role},
			Containers: []enginetest.Container{{
				Name: "db", Image: plainImage(t), Args: []string{"bash", "-c", script}, Volume: role, Mount: "/var/lib/mysql",
				Env:  map[string]string{"MYSQL_ROOT_PASSWORD": "secret"},
				Port: corev1.ContainerPort{ContainerPort: 3306},
			}},
		})
	}
	l.Until(o, 60*time.Second, "right", enginetest.Right)
	m := openAs(t, "root", "secret", masterIP)
	do(t, m, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY)", "INSERT INTO app.t VALUES (1)")
	l.Until(o, 20*time.Second, "right", enginetest.Right)
	if n := count(t, openAs(t, "root", "secret", slaveIP), "SELECT COUNT(*) FROM app.t"); n != 1 {
		t.Fatalf("%d rows", n)
	}
	for _, pod := range []string{masterPod, slavePod} {
		l.Kill(pod, "db")
		l.Restart(pod, "db")
	}
	l.Until(o, 60*time.Second, "right after both were killed", enginetest.Right)
	if count(t, m, "SELECT @@server_id") == count(t, openAs(t, "root", "secret", slaveIP), "SELECT @@server_id") {
		t.Fatal("both have the same server id")
	}
}

// TestQuietDivergence: a row that only differs, which no statement stumbles over.
func TestQuietDivergence(t *testing.T) {
	l, o := pair(t)
	do(t, openAs(t, "lyanna", "lyanna", masterIP), "CREATE TABLE test.t (id INT PRIMARY KEY)", "INSERT INTO test.t VALUES (1), (2)")
	l.Until(o, 10*time.Second, "right", enginetest.Right)
	o.VerifyEvery = time.Millisecond
	l.Until(o, 10*time.Second, "right", enginetest.Right)
	do(t, root(t, slaveIP), "SET SESSION sql_log_bin=0", "DELETE FROM test.t WHERE id = 2")
	l.Until(o, 20*time.Second, "seen", func(v services.Verdict) bool { return !v.Right })
	l.Until(o, 30*time.Second, "right", enginetest.Right)
	sameRows(t, "test.t")
}

// TestEmptiedMasterIsDecidedByPeople: both ways on from an emptied master.
func TestEmptiedMasterIsDecidedByPeople(t *testing.T) {
	for _, c := range []struct {
		name string
		way  func(t *testing.T, l *enginetest.Lab, o *Operator)
		rows string
	}{
		{"the slave's data", func(t *testing.T, l *enginetest.Lab, o *Operator) {
			if _, err := o.Promote(t.Context(), l.View(), slavePod, false); err != nil {
				t.Fatal(err)
			}
		}, "1"},
		{"nothing", func(t *testing.T, l *enginetest.Lab, o *Operator) {
			if err := o.Reseed(t.Context(), l.View(), slavePod); err != nil {
				t.Fatal(err)
			}
		}, "0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, o := pair(t)
			do(t, openAs(t, "lyanna", "lyanna", masterIP), "CREATE TABLE test.t (id INT PRIMARY KEY)", "INSERT INTO test.t VALUES (1)")
			l.Until(o, 10*time.Second, "right", enginetest.Right)
			l.Remove(masterPod, true)
			l.Start(podOf("master", masterIP))
			l.Until(o, 20*time.Second, "refused", func(v services.Verdict) bool { return v.Pods[masterPod].Reason == "MasterEmpty" })
			c.way(t, l, o)
			l.Until(o, 40*time.Second, "right", enginetest.Right)
			for _, host := range []string{masterIP, slaveIP} {
				n := count(t, root(t, host), "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'test'")
				if fmt.Sprint(n) != c.rows {
					t.Fatalf("%s has %d tables", host, n)
				}
			}
		})
	}
}

func plainImage(t *testing.T) string {
	t.Helper()
	return enginetest.BuildPlain(t, "lyandev-test-mariadb:plain", "mariadb-server")
}
