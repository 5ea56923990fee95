package cluster

import (
	"slices"
	"testing"
	"time"

	"github.com/lyandev/lyandev/services"
)

func TestAnOperatorIsAskedBeforeItsPodsLeave(t *testing.T) {
	w := upWith(t, prepared(t, operated(deployment("db", 1), "mariadb"), operated(deployment("slave", 1), "mariadb")))
	w.Handover.SetAble("mariadb", true)
	now := time.Now()
	want(t, w, prepared(t, operated(deployment("db", 1), "mariadb")))
	settle(t, w, now)
	if !w.Handover.needed || len(w.PodsOf("slave")) != 1 {
		t.Fatalf("the slave left unasked: wanted %v", w.Handover.needed)
	}
	w.Handover.approvedUntil = now.Add(approvalValid)
	settle(t, w, now.Add(approvalValid+time.Second))
	if len(w.PodsOf("slave")) != 1 || !w.Handover.needed {
		t.Error("an old word let the slave go")
	}
	settle(t, w, now.Add(time.Second))
	if len(w.PodsOf("slave")) != 0 || w.Handover.needed {
		t.Error("the slave stays although its operator has agreed")
	}
	want(t, w, prepared(t, operated(deployment("db", 1), "mariadb"), deployment("web", 1)))
	if !w.Handover.approvedUntil.IsZero() {
		t.Error("the word of another stack counts")
	}
}

func TestPodsWithoutSuchAnOperatorJustLeave(t *testing.T) {
	w := upWith(t, prepared(t, deployment("web", 1), operated(deployment("cache", 1), "memcached")))
	want(t, w, prepared(t, deployment("web", 1)))
	settle(t, w, time.Now())
	if len(w.PodsOf("cache")) != 0 || w.Handover.needed {
		t.Error("a cache waits for an operator that cannot be asked")
	}
}

func TestSuspendedWorkloadsGoInOrderAndComeBack(t *testing.T) {
	s := prepared(t, deployment("db", 1), deployment("slave", 1, services.Dependency{Workload: "db", Condition: services.Healthy}), deployment("web", 1))
	w := upWith(t, s)
	names := []string{"db", "slave"}
	if left := w.SuspendMore(names, "waits for a snapshot"); left != 2 {
		t.Errorf("%d pods are left", left)
	}
	if got := settle(t, w, time.Now()); !slices.Equal(got, []string{"slave"}) {
		t.Errorf("first went %v", got)
	}
	if left := w.SuspendMore(names, "waits for a snapshot"); left != 1 {
		t.Errorf("%d pods are left", left)
	}
	if got := settle(t, w, time.Now()); !slices.Equal(got, []string{"db"}) {
		t.Errorf("then went %v", got)
	}
	if left := w.SuspendMore(names, "waits for a snapshot"); left != 0 {
		t.Errorf("%d pods are left", left)
	}
	settle(t, w, time.Now())
	if len(w.PodsOf("db"))+len(w.PodsOf("slave")) != 0 || len(w.PodsOf("web")) != 1 {
		t.Error("suspended workloads have pods, or others have none")
	}
	if h := w.holds["db"]; h.Kind != "snapshot" || h.Reason != "waits for a snapshot" {
		t.Errorf("the hold is %+v", h)
	}
	w.Suspensions.Remove(names)
	settle(t, w, time.Now())
	if len(w.PodsOf("db")) != 1 || len(w.PodsOf("slave")) != 0 {
		t.Error("they do not come back in start order")
	}
}

// TestPodsCountAsSuspendedOnlyWhenTheyAreGone: also those of workloads that no stack has, so that nobody replaces the content of
// volumes that are in use.
func TestPodsCountAsSuspendedOnlyWhenTheyAreGone(t *testing.T) {
	c := upWith(t, prepared(t, deployment("db", 1), deployment("web", 1)))
	want(t, c, prepared(t, deployment("web", 1)))
	if left := c.SuspendMore([]string{"db"}, "waits for a snapshot"); left != 1 {
		t.Errorf("%d pods of a workload that left the stack are counted, want 1", left)
	}
	adopted := NewCluster(Config{})
	if err := adopted.AdoptPods(c.PodsOf("db")); err != nil {
		t.Fatal(err)
	}
	if left := adopted.SuspendMore([]string{"db"}, "waits for a snapshot"); left != 1 {
		t.Errorf("%d pods are counted while no stack is known, want 1", left)
	}
}
