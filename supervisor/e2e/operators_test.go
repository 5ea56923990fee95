package e2e_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lyandev/lyandev/services/mariadb"
	"github.com/lyandev/lyandev/services/redis"
	"github.com/lyandev/lyandev/supervisor/e2e/harness"
)

// TestOperatorsByHand: the stateful part of the flagship's ha profile: status tells that it is right, a promotion and its
// way back, a planned failover, and requests that cannot be met.
func TestOperatorsByHand(t *testing.T) {
	t.Parallel()
	i := harness.New(t, "services: {}\n")
	file, err := filepath.Abs("../../lyanna.dev.yaml")
	if err != nil {
		t.Fatal(err)
	}
	i.Setenv("LYANDEV_FILE", file)
	i.Up("--wait", "--profile", "ha", "lyanna-mariadb-master", "lyanna-mariadb-slave", "redis-master", "redis", "redis-sentinel")

	var db mariadb.Status
	i.JSON(&db, "mariadb", "status", "--json")
	if !db.Right || db.Master != "lyanna-mariadb-master-0" || len(db.Servers) != 2 {
		t.Errorf("mariadb: %+v", db)
	}
	var cache redis.Status
	i.JSON(&cache, "redis", "status", "--json")
	if !cache.Right || !cache.Agreed || cache.Master != "redis-master" || len(cache.Servers) != 3 || len(cache.Watch) != 3 {
		t.Errorf("redis: %+v", cache)
	}

	for _, step := range []struct{ action, master string }{{"promote", "lyanna-mariadb-slave-0"}, {"switchback", "lyanna-mariadb-master-0"}} {
		if out := i.Must("mariadb", step.action); !strings.HasPrefix(out, step.master+" is now the master") {
			t.Errorf("%s: %s", step.action, out)
		}
		i.JSON(&db, "mariadb", "status", "--json")
		if db.Master != step.master {
			t.Errorf("after %s the master is %s", step.action, db.Master)
		}
	}
	out := i.Must("redis", "failover")
	i.JSON(&cache, "redis", "status", "--json")
	if cache.Master == "redis-master" || !strings.HasPrefix(out, cache.Master+" is now the master (was redis-master)") {
		t.Errorf("after the failover the master is %s: %s", cache.Master, out)
	}
	i.Until(time.Minute, "everything is right again", func(s *state) bool {
		return s.Phase == "ready" && s.Operators["redis"].Right && s.Operators["mariadb"].Right
	})
	// A sentinel may still report the failover when the state is first right.
	i.Eventually(time.Minute, "status says that redis is right", func() bool {
		r := i.Run("status")
		return r.Code == 0 && strings.Contains(r.Out, "redis: healthy, master "+cache.Master)
	})
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"mariadb", "promote", "nobody-0"}, "cannot promote nobody-0: there is no slave"},
		{[]string{"mariadb", "promote", "a", "b"}, "mariadb promote accepts at most 1 argument"},
		{[]string{"scale", "redis-master=2"}, "cannot scale redis-master: a Pod has no replicas"},
	} {
		if r := i.Run(c.args...); r.Code == 0 || !strings.Contains(r.Err, c.want) {
			t.Errorf("%v ended with %d: %s", c.args, r.Code, r.Err)
		}
	}
}
