package view_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/cluster/view"
	"github.com/lyandev/lyandev/supervisor/order"
)

// TestFactsOfHealth: what the engine's health check says about a plain service's pod reaches those that wait for it.
func TestFactsOfHealth(t *testing.T) {
	for reason, want := range map[string]order.Facts{
		services.HealthUnhealthy: {Pods: 1, Waiting: "has pod db-1, which is unhealthy: no route", Unhealthy: "it is unhealthy: no route"},
		services.HealthStarting:  {Pods: 1, Waiting: "has pod db-1 not ready yet"},
		services.HealthNone:      {Pods: 1, Waiting: "has pod db-1 not ready yet", NoCheck: "container no route has no healthcheck configured"},
	} {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "db-1"}}
		p.Spec.Containers = []corev1.Container{{Name: "db"}}
		p.Status.Conditions = []corev1.PodCondition{{Type: services.HealthCheck, Reason: reason, Message: "no route"}}
		x := &services.Workload{Object: &services.ComposeService{}}
		if diff := cmp.Diff(want, view.Facts(x, []*corev1.Pod{p})); diff != "" {
			t.Errorf("%s: %s", reason, diff)
		}
	}
}

func TestNever(t *testing.T) {
	pod := func(restarts int32, waiting string, deleted bool) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{
			Name: "c", RestartCount: restarts, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: waiting}},
			LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 7}},
		}}
		if deleted {
			p.DeletionTimestamp = &metav1.Time{Time: time.Now()}
		}
		return p
	}
	for name, c := range map[string]struct {
		pod  *corev1.Pod
		want string
	}{
		"first crash":     {pod(0, "CrashLoopBackOff", false), ""},
		"again and again": {pod(2, "CrashLoopBackOff", false), "exits with 7 again and again"},
		"going anyway":    {pod(9, "CrashLoopBackOff", true), ""},
		"creating":        {pod(0, "ContainerCreating", false), ""},
		"refused":         {pod(0, "InvalidContainer", false), "InvalidContainer"},
		"no image":        {pod(0, "ErrImageNeverPull", false), "ErrImageNeverPull"},
	} {
		if got := view.Never(c.pod); !strings.Contains(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%s: %q", name, got)
		}
	}
}
