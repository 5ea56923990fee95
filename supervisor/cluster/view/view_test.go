package view_test

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/supervisor/cluster/view"
)

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
		"no image":        {pod(0, "ErrImageNeverPull", false), "ErrImageNeverPull"},
	} {
		if got := view.Never(c.pod); !strings.Contains(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%s: %q", name, got)
		}
	}
}
