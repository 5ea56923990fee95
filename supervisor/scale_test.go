package supervisor

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/lyandev/lyandev/services"
)

func scaleStack() *services.Stack {
	s := &services.Stack{}
	for name, o := range map[string]runtime.Object{"web": &appsv1.Deployment{}, "db": &appsv1.StatefulSet{}, "rs": &appsv1.ReplicaSet{}, "job": &batchv1.Job{}, "ds": &appsv1.DaemonSet{}} {
		w := &services.Workload{Object: o}
		w.Meta().Name = name
		s.Workloads = append(s.Workloads, w)
	}
	return s
}

func TestScaledChangesOnlyWhatIsNamed(t *testing.T) {
	was := scaleStack()
	next, err := scaled(was, map[string]int{"web": 3, "db": 0})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int32{"web": 3, "db": 0, "rs": 1} {
		if got := next.Workload(name).Replicas(); got != want {
			t.Errorf("%s has %d, want %d", name, got, want)
		}
		if got := was.Workload(name).Replicas(); got != 1 {
			t.Errorf("the stack before was changed: %s has %d", name, got)
		}
	}
	if next.Workload("rs") != was.Workload("rs") {
		t.Error("a workload that was not named is another one")
	}
}

func TestScaledRefuses(t *testing.T) {
	fixed := scaleStack()
	fixed.Find("web").FixedName = "compose.yaml:4"
	if _, err := scaled(fixed, map[string]int{"web": 1}); err != nil {
		t.Errorf("a service with container_name cannot have its one container: %v", err)
	}
	for _, c := range []struct {
		stack    *services.Stack
		replicas map[string]int
		want     string
	}{
		{scaleStack(), map[string]int{"web": -1}, "cannot scale web to -1: a service cannot have less than 0 pods"},
		{scaleStack(), map[string]int{"web": 101}, "cannot scale web to 101: 100 are the most for one machine"},
		{scaleStack(), map[string]int{"wbe": 2}, "cannot scale wbe: there is no such service; there are "},
		{scaleStack(), map[string]int{"job": 2}, "cannot scale job: a Job has no replicas"},
		{fixed, map[string]int{"web": 2}, "cannot scale web to 2: compose.yaml:4: container_name is the name of one container"},
		{scaleStack(), map[string]int{"ds": 2}, "cannot scale ds: a DaemonSet has no replicas"},
		{nil, map[string]int{"web": 2}, "cannot scale: no stack has been applied yet"},
	} {
		if _, err := scaled(c.stack, c.replicas); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%v: error %v, want %q", c.replicas, err, c.want)
		}
	}
	_, err := scaled(scaleStack(), map[string]int{"job": 2, "wbe": 1})
	if err == nil || strings.Count(err.Error(), "cannot scale") != 2 {
		t.Errorf("not everything that is wrong is told: %v", err)
	}
}
