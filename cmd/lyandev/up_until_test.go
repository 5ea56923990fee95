package main

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/state"
)

// TestEndIn: which end of a container stops an up in the foreground, by flag.
func TestEndIn(t *testing.T) {
	began := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	type end struct {
		name  string
		code  int32
		after time.Duration
	}
	exit, failure, fromTests := untilEnd{exit: true}, untilEnd{failure: true}, untilEnd{from: "tests"}
	for _, c := range []struct {
		name  string
		until untilEnd
		ends  []end
		want  string
	}{
		{"nothing ended", exit, nil, ""},
		{"one ended", exit, []end{{"tests", 0, time.Second}}, "tests"},
		{"the first of two", exit, []end{{"tests", 0, 2 * time.Second}, {"db", 3, time.Second}}, "db"},
		{"an end of an earlier up", exit, []end{{"tests", 0, -time.Minute}}, ""},
		{"a seed that another service waits for", exit, []end{{"seed", 0, time.Second}}, ""},
		{"the seed failed", exit, []end{{"seed", 1, time.Second}}, "seed"},
		{"success is no failure", failure, []end{{"tests", 0, time.Second}}, ""},
		{"a failure", failure, []end{{"tests", 0, time.Second}, {"db", 3, 2 * time.Second}}, "db"},
		{"another container than that of the code", fromTests, []end{{"db", 0, time.Second}}, "db"},
		{"the code is asked of the seed", untilEnd{from: "seed"}, []end{{"seed", 0, time.Second}}, "seed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			stack := &services.Stack{Workloads: []*services.Workload{{
				Object:    &services.ComposeService{ObjectMeta: metav1.ObjectMeta{Name: "tests"}},
				DependsOn: []services.Dependency{{Workload: "seed", Condition: services.Completed}},
			}}}
			s := &state.Status{}
			for _, name := range []string{"db", "seed", "tests"} {
				s.Workloads = append(s.Workloads, state.Workload{Name: name, Kind: services.ComposeServiceKind.Kind})
				p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
					Name: name + "-1", Labels: map[string]string{services.WorkloadLabel: name}, Annotations: map[string]string{compose.Annotation: "{}"},
				}, Status: corev1.PodStatus{Phase: corev1.PodRunning}}
				for _, e := range c.ends {
					if e.name != name {
						continue
					}
					if p.Status.Phase = corev1.PodSucceeded; e.code != 0 {
						p.Status.Phase = corev1.PodFailed
					}
					p.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{
						Terminated: &corev1.ContainerStateTerminated{ExitCode: e.code, FinishedAt: metav1.NewTime(began.Add(e.after))},
					}}}
				}
				s.Pods = append(s.Pods, p)
			}
			got := ""
			if e := c.until.endIn(s, stack, began); e != nil {
				got = e.Service
			}
			if got != c.want {
				t.Errorf("%q stops the stack, want %q", got, c.want)
			}
		})
	}
}
