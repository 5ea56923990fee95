package mariadb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
)

func viewOf(env map[string]string, files map[string]string) services.View {
	return services.View{
		Env: func(string, string) (map[string]string, error) { return env, nil },
		Exec: func(_ context.Context, _, _ string, cmd, _ []string) (int, []byte, error) {
			if text, ok := files[cmd[1]]; ok && cmd[0] == "cat" {
				return 0, []byte(text), nil
			}
			return 1, nil, nil
		},
	}
}

func TestReadCredentials(t *testing.T) {
	files := map[string]string{"/run/root": "from file\n"}
	for _, c := range []struct {
		name             string
		env              map[string]string
		root, repl, fail string
	}{
		{"bitnami", map[string]string{"MARIADB_ROOT_PASSWORD": "a", "MARIADB_REPLICATION_USER": "replicator", "MARIADB_REPLICATION_PASSWORD": "b"}, "root:a", "replicator:b", ""},
		{"bitnami slave", map[string]string{"MARIADB_MASTER_ROOT_PASSWORD": "a", "MARIADB_MASTER_ROOT_USER": "admin"}, "admin:a", "lyandev_repl:" + derive("a", "replication"), ""},
		{"official", map[string]string{"MYSQL_ROOT_PASSWORD": "a"}, "root:a", "lyandev_repl:" + derive("a", "replication"), ""},
		{"the manifests' own names", map[string]string{"MYSQL_ROOT_PASSWORD": "a", "MARIADB_MASTER_USER": "r", "MARIADB_MASTER_PASSWORD": "s"}, "root:a", "r:s", ""},
		{"in a file", map[string]string{"MARIADB_ROOT_PASSWORD_FILE": "/run/root"}, "root:from file", "lyandev_repl:" + derive("from file", "replication"), ""},
		{"in a file that is missing", map[string]string{"MARIADB_ROOT_PASSWORD_FILE": "/run/none"}, "", "", "/run/none"},
		{"empty", nil, "root:", "lyandev_repl:" + derive("", "replication"), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := readCredentials(t.Context(), viewOf(c.env, files), "p", "c", c.env)
			if c.fail != "" {
				if err == nil || !strings.Contains(err.Error(), c.fail) {
					t.Fatalf("error %v", err)
				}
				return
			}
			if err != nil || got.Root.User+":"+got.Root.Password != c.root || got.Repl.User+":"+got.Repl.Password != c.repl {
				t.Fatalf("%+v %v", got, err)
			}
			if got.Own.Password == got.Repl.Password || len(got.Own.Password) != 32 {
				t.Fatalf("own password %q", got.Own.Password)
			}
		})
	}
}

func TestMode(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want Role
	}{
		{nil, ""},
		{map[string]string{"MARIADB_REPLICATION_MODE": "Master"}, Master},
		{map[string]string{"MARIADB_REPLICATION_MODE": "replica"}, Slave},
		{map[string]string{"MARIADB_MASTER_HOST": "m"}, Slave},
		{map[string]string{"MARIADB_REPLICATION_MODE": "master", "MARIADB_MASTER_HOST": "m"}, Master},
	} {
		if got := mode(c.env); got != c.want {
			t.Errorf("%v is %q, want %q", c.env, got, c.want)
		}
	}
}

func TestServerOf(t *testing.T) {
	port := func(name string, n int32) []corev1.ContainerPort {
		return []corev1.ContainerPort{{Name: name, ContainerPort: n}}
	}
	for _, c := range []struct {
		name       string
		containers []corev1.Container
		want       string
	}{
		{"by number", []corev1.Container{{Name: "exporter", Ports: port("metrics", 9104)}, {Name: "db", Ports: port("", 3306)}}, "db:3306"},
		{"by name", []corev1.Container{{Name: "a"}, {Name: "db", Ports: port("mysql", 3307)}}, "db:3307"},
		{"by environment", []corev1.Container{{Name: "db"}}, "db:3306"},
		{"none", nil, ":3306"},
	} {
		pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: c.containers}}
		container, n := serverOf(viewOf(map[string]string{"MARIADB_DATABASE": "x"}, nil), pod)
		if got := fmt.Sprintf("%s:%d", container, n); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestWorkloadOf(t *testing.T) {
	w := func(name string) *services.Workload {
		return &services.Workload{Object: &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}}}
	}
	view := services.View{Workloads: []*services.Workload{w("db"), w("db-slave")}}
	for pod, want := range map[string]string{"db-0": "db", "db-slave-0": "db-slave", "db-slave": "db-slave", "other": ""} {
		got := ""
		if found := workloadOf(view, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: pod}}); found != nil {
			got = found.Name()
		}
		if got != want {
			t.Errorf("%s is of %q, want %q", pod, got, want)
		}
	}
}

func TestTroubleOf(t *testing.T) {
	for _, c := range []struct {
		err  error
		want Trouble
	}{
		{&mysql.MySQLError{Number: 1045}, NoAccess},
		{&mysql.MySQLError{Number: 1130}, NoAccess},
		{fmt.Errorf("cannot: %w", &mysql.MySQLError{Number: 1205}), LookFailed},
		{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, Refused},
		{fmt.Errorf("cannot: %w", context.DeadlineExceeded), NoAnswer},
		{io.EOF, NoAnswer},
		{errors.New("no route to host"), Refused},
	} {
		if got := troubleOf(c.err); got != c.want {
			t.Errorf("%v is %s, want %s", c.err, got, c.want)
		}
	}
}

func TestQuoting(t *testing.T) {
	if got := quote(`a'b\c`); got != `'a\'b\\c'` {
		t.Errorf("%s", got)
	}
	if got := name("a`b"); got != "`a``b`" {
		t.Errorf("%s", got)
	}
	for _, q := range append(accountSQL(account{"u", "top secret"}, "ALL PRIVILEGES", true), changeMaster("h", 1, account{"u", "top secret"}, true)) {
		if strings.Contains(verb(q), "secret") {
			t.Errorf("%q tells a password", verb(q))
		}
	}
}

// TestOneSlowLook: a pod that was right stays so for a moment when it is only slow, and not when it says that it is wrong.
func TestOneSlowLook(t *testing.T) {
	say := func(reason string) services.Verdict {
		return services.Verdict{
			Right: reason == "", Message: reason,
			Pods: map[string]services.PodVerdict{"m": {Role: "master", Right: reason == "", Reason: reason}},
		}
	}
	for _, c := range []struct {
		reason string
		after  time.Duration
		right  bool
	}{
		{string(NoAnswer), time.Second, true},
		{string(NoAnswer), 4 * time.Second, false},
		{"MasterUnreachable", time.Second, true},
		{string(Refused), time.Second, false},
		{"Diverged", time.Second, false},
	} {
		o := New()
		o.soften(say(""), now)
		if v := o.soften(say(c.reason), now.Add(c.after)); v.Right != c.right || v.Pods["m"].Right != c.right {
			t.Errorf("%s after %s: %+v", c.reason, c.after, v)
		}
	}
}

func TestStrikes(t *testing.T) {
	o := New()
	f := rightPair(channel(func(c *Channel) { c.IO = "No" }))
	for range strikesToAttach {
		o.countStrikes(f, Decide(f))
	}
	if got := o.recall("s").strikes; got != strikesToAttach {
		t.Fatalf("%d strikes", got)
	}
	o.countStrikes(rightPair(nil), nil)
	if got := o.recall("s").strikes; got != 0 {
		t.Fatalf("%d strikes after it was right", got)
	}
}

// TestOneAtATime: while a role change has the turn, a look says what is going on and does nothing.
func TestOneAtATime(t *testing.T) {
	o := New()
	release, err := o.waitTurn(t.Context(), "promoting s")
	if err != nil {
		t.Fatal(err)
	}
	v, err := o.Reconcile(t.Context(), services.View{})
	if err != nil || v.Message != "promoting s" {
		t.Fatalf("%+v %v", v, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := o.waitTurn(ctx, "another"); !errors.Is(err, context.Canceled) {
		t.Fatalf("%v", err)
	}
	release()
	if v, err := o.Reconcile(t.Context(), services.View{}); err != nil || v.Message != "no pod yet" {
		t.Fatalf("%+v %v", v, err)
	}
}

// TestFactsStay: a master that is away does not take the fact with it, for its coming back is no change.
func TestFactsStay(t *testing.T) {
	o := New()
	r := &round{facts: *rightPair(nil)}
	v := o.conclude(Judge(&r.facts), r)
	r.facts = *rightPair(func(_ *Facts, m, _ *Server) { m.Reached, m.Trouble = false, Refused })
	if away := o.conclude(Judge(&r.facts), r); away.Right || away.Facts[MasterFact] != v.Facts[MasterFact] {
		t.Fatalf("%+v", away)
	}
}

func TestStatus(t *testing.T) {
	s := statusOf(rightPair(func(_ *Facts, m, _ *Server) { m.BinlogPos = position("0-7001-15") }))
	if !s.Right || s.Master != "m" || s.Epoch != 1 || len(s.Servers) != 2 {
		t.Fatalf("%+v", s)
	}
	if slave := s.Servers[1]; slave.Behind != 5 || slave.IO != "Yes" || slave.Role != "slave" {
		t.Fatalf("%+v", slave)
	}
}
