package controller

import (
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

func TestMemoKeepsWhatLooksUse(t *testing.T) {
	var m memo[string, int]
	computed := 0
	ask := func(key string) {
		t.Helper()
		if got := m.get(key, func() int { computed++; return len(key) }); got != len(key) {
			t.Errorf("%s gives %d", key, got)
		}
	}
	ask("used")
	ask("unused")
	for range 3 {
		m.age()
		ask("used")
		ask("used")
	}
	if computed != 2 {
		t.Errorf("%d computations for 2 keys, one of them used at every look", computed)
	}
	if n := len(m.used) + len(m.former); n != 2 {
		t.Errorf("%d entries are kept, want the one that is used, of two looks", n)
	}
	ask("unused")
	if computed != 3 {
		t.Errorf("%d computations: what was not used is still known", computed)
	}
}

func TestACacheForgetsFormerTemplates(t *testing.T) {
	var c Cache
	for i := range 10 {
		set, daemon := &appsv1.StatefulSet{}, &appsv1.DaemonSet{}
		set.Name, daemon.Name = "db", "log"
		set.Spec.Template.Spec.Containers = []corev1.Container{{Image: fmt.Sprint(i)}}
		Reconcile(View{StatefulSets: []*appsv1.StatefulSet{set}, DaemonSets: []*appsv1.DaemonSet{daemon}, Cache: &c}, time.Time{})
	}
	data, hashes := len(c.data.used)+len(c.data.former), len(c.hashes.used)+len(c.hashes.former)
	if data != 2 || hashes != 2 {
		t.Errorf("after 10 templates each, %d of StatefulSets and %d of DaemonSets are kept, want those of two looks", data, hashes)
	}
}

func TestOrdinalR177(t *testing.T) {
	for pod, want := range map[string]int{
		"db-0": 0, "db-12": 12, "db-007": 7, "db-9223372036854775807": 9223372036854775807,
		"db": -1, "db-": -1, "db-x": -1, "db-1x": -1, "db-+1": -1, "db--1": -1, "db-1-2": -1, "db1": -1, "other-1": -1,
		"db-9223372036854775808": -1,
	} {
		if got := ordinal("db", pod); got != want {
			t.Errorf("%s is ordinal %d of db, want %d", pod, got, want)
		}
	}
	if got := ordinal("db-1", "db-1-2"); got != 2 {
		t.Errorf("db-1-2 is ordinal %d of db-1, want 2", got)
	}
}
