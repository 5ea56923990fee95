package cluster

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/bootstrap"
)

func (e VerdictEvent) text() string {
	return fmt.Sprintf("%s/%s %s: %s", e.Kind, e.Name, e.Reason, e.Message)
}

// TestAVerdictBecomesRolesAndConditions: the role is on the stored pod, which Services select on; every pod that the operator
// was shown gets a condition, also one that it said nothing about; a pod that has gone since gets none.
func TestAVerdictBecomesRolesAndConditions(t *testing.T) {
	c := upWith(t, prepared(t, operated(deployment("redis", 3), "redis")))
	pods := c.PodsOf("redis")
	seen := services.View{Pods: pods}
	v := services.Verdict{Message: "looking", Pods: map[string]services.PodVerdict{
		pods[0].Name: {Role: "master", Right: true}, pods[1].Name: {Role: "replica", Reason: "Lagging", Message: "3 s behind"},
	}}
	if err := c.PodGone(pods[2].UID); err != nil {
		t.Fatal(err)
	}
	got, err := c.TakeVerdict("redis", seen, v, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for i, role := range []string{"master", "replica"} {
		if got := c.Pod(pods[i].UID).Labels[services.RoleLabel]; got != role {
			t.Errorf("pod %d has role %q, want %q", i, got, role)
		}
	}
	if n := len(got.Conditions); n != 2 {
		t.Errorf("%d conditions", n)
	}
	if cond := got.Conditions[pods[0].Name]; cond.Type != services.RightGate || cond.Status != corev1.ConditionTrue {
		t.Errorf("the master's condition is %+v", cond)
	}
	if cond := got.Conditions[pods[1].Name]; cond.Status != corev1.ConditionFalse || cond.Reason != "Lagging" || cond.Message != "3 s behind" {
		t.Errorf("the replica's condition is %+v", cond)
	}
	if len(got.Events) != 0 {
		t.Errorf("a first role is no change: %v", got.Events)
	}
	v.Pods = map[string]services.PodVerdict{pods[0].Name: {Role: "replica", Right: true}}
	if got, err = c.TakeVerdict("redis", seen, v, time.Now()); err != nil {
		t.Fatal(err)
	}
	if cond := got.Conditions[pods[1].Name]; cond.Reason != "NotLookedAt" || cond.Message != "looking" {
		t.Errorf("a pod that the operator says nothing of has condition %+v", cond)
	}
	if _, labelled := c.Pod(pods[1].UID).Labels[services.RoleLabel]; labelled {
		t.Error("a pod without a role keeps its label")
	}
	want := "Pod/" + pods[0].Name + " RoleChanged: Role is replica now, was master"
	if len(got.Events) != 2 || got.Events[0].text() != want && got.Events[1].text() != want {
		t.Errorf("events %v, want %s and one more", got.Events, want)
	}
}

// TestTheSameVerdictTwice does nothing, unless a pod has no condition of the operator yet.
func TestTheSameVerdictTwice(t *testing.T) {
	c := upWith(t, prepared(t, operated(deployment("redis", 1), "redis")))
	p := c.PodsOf("redis")[0]
	v := services.Verdict{Right: true, Pods: map[string]services.PodVerdict{p.Name: {Right: true}}}
	for range 2 {
		got, err := c.TakeVerdict("redis", services.View{Pods: c.PodsOf("redis")}, v, time.Now())
		if err != nil || len(got.Conditions) != 1 {
			t.Fatalf("the pod has no condition yet: %+v, %v", got, err)
		}
	}
	edit(t, c, p, func(p *corev1.Pod) {
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: services.RightGate, Status: corev1.ConditionTrue})
	})
	if got, err := c.TakeVerdict("redis", services.View{Pods: c.PodsOf("redis")}, v, time.Now()); err != nil || len(got.Conditions) != 0 {
		t.Errorf("said again: %+v, %v", got, err)
	}
}

// TestBootstrapHoldsItsWorkload until its steps have passed; what is said of a workload that left is dropped.
func TestBootstrapHoldsItsWorkload(t *testing.T) {
	db := deployment("db", 1)
	db.Bootstrap = []services.BootstrapStep{{Name: "schema", Run: []string{"make"}}}
	c := upWith(t, prepared(t, db))
	now := time.Now()
	seen := services.View{Pods: c.PodsOf("db")}
	operator := bootstrap.OperatorName("db")
	for _, at := range []time.Time{now, now.Add(time.Minute)} {
		got, err := c.TakeVerdict(operator, seen, services.Verdict{Message: "step schema"}, at)
		if err != nil || got.Conditions[seen.Pods[0].Name].Type != bootstrap.Gate {
			t.Fatalf("%+v, %v", got, err)
		}
		if h, held := c.holdOf("db"); !held || h.Reason != "waits for its bootstrap: step schema" || !h.Since.Equal(now) {
			t.Errorf("hold %+v", h)
		}
	}
	if _, err := c.TakeVerdict(operator, seen, services.Verdict{Right: true}, now); err != nil {
		t.Fatal(err)
	}
	if h, held := c.holdOf("db"); held {
		t.Errorf("still held: %+v", h)
	}
	want(t, c, prepared(t))
	settle(t, c, now)
	if got, err := c.TakeVerdict(operator, seen, services.Verdict{Message: "late"}, now); err != nil || len(got.Conditions) != 0 {
		t.Errorf("a late verdict: %+v, %v", got, err)
	}
	if _, held := c.holdOf("db"); held {
		t.Error("a late verdict holds a workload that is gone")
	}
}
