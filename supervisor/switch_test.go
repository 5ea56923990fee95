package supervisor

import (
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
)

func operated(w *services.Workload, operator string) *services.Workload {
	w.Operator = operator
	return w
}

// upWith is a world in which the workloads of a stack run and are ready.
func upWith(t *testing.T, s *services.Stack) *world {
	t.Helper()
	w := newWorld("s")
	w.want(s)
	for range s.Workloads {
		settle(t, w, time.Now())
		for _, x := range s.Workloads {
			makeReady(w, x.Name())
		}
	}
	settle(t, w, time.Now())
	return w
}

func TestAnOperatorIsAskedBeforeItsPodsLeave(t *testing.T) {
	w := upWith(t, prepared(t, operated(deployment("db", 1), "mariadb"), operated(deployment("slave", 1), "mariadb")))
	w.handover.able["mariadb"] = true
	now := time.Now()
	w.want(prepared(t, operated(deployment("db", 1), "mariadb")))
	settle(t, w, now)
	if !w.handover.needed || len(w.podsOf("slave")) != 1 {
		t.Fatalf("the slave left unasked: wanted %v", w.handover.needed)
	}
	w.handover.approvedUntil = now.Add(approvalFresh)
	settle(t, w, now.Add(approvalFresh+time.Second))
	if len(w.podsOf("slave")) != 1 || !w.handover.needed {
		t.Error("an old word let the slave go")
	}
	settle(t, w, now.Add(time.Second))
	if len(w.podsOf("slave")) != 0 || w.handover.needed {
		t.Error("the slave stays although its operator has agreed")
	}
	w.want(prepared(t, operated(deployment("db", 1), "mariadb"), deployment("web", 1)))
	if !w.handover.approvedUntil.IsZero() {
		t.Error("the word of another stack counts")
	}
}

func TestPodsWithoutSuchAnOperatorJustLeave(t *testing.T) {
	w := upWith(t, prepared(t, deployment("web", 1), operated(deployment("cache", 1), "memcached")))
	w.want(prepared(t, deployment("web", 1)))
	settle(t, w, time.Now())
	if len(w.podsOf("cache")) != 0 || w.handover.needed {
		t.Error("a cache waits for an operator that cannot be asked")
	}
}

func TestSuspendedWorkloadsGoInOrderAndComeBack(t *testing.T) {
	s := prepared(t, deployment("db", 1), deployment("slave", 1, services.Dependency{Workload: "db", Condition: services.Healthy}), deployment("web", 1))
	w := upWith(t, s)
	names := []string{"db", "slave"}
	if left := w.suspendMore(names, "waits for a snapshot"); left != 2 {
		t.Errorf("%d pods are left", left)
	}
	if got := settle(t, w, time.Now()); !slices.Equal(got, []string{"slave"}) {
		t.Errorf("first went %v", got)
	}
	if left := w.suspendMore(names, "waits for a snapshot"); left != 1 {
		t.Errorf("%d pods are left", left)
	}
	if got := settle(t, w, time.Now()); !slices.Equal(got, []string{"db"}) {
		t.Errorf("then went %v", got)
	}
	if left := w.suspendMore(names, "waits for a snapshot"); left != 0 {
		t.Errorf("%d pods are left", left)
	}
	settle(t, w, time.Now())
	if len(w.podsOf("db"))+len(w.podsOf("slave")) != 0 || len(w.podsOf("web")) != 1 {
		t.Error("suspended workloads have pods, or others have none")
	}
	if h := w.holds["db"]; h.Kind != "snapshot" || h.Reason != "waits for a snapshot" {
		t.Errorf("the hold is %+v", h)
	}
	clear(w.suspended)
	settle(t, w, time.Now())
	if len(w.podsOf("db")) != 1 || len(w.podsOf("slave")) != 0 {
		t.Error("they do not come back in start order")
	}
}

func TestServicesOfWhatLeavesAreServed(t *testing.T) {
	svc := func(names ...string) (out []*corev1.Service) {
		for _, n := range names {
			out = append(out, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: n}})
		}
		return out
	}
	w := newWorld("s")
	w.stack = &services.Stack{Services: svc("a", "b")}
	if len(w.services()) != 2 {
		t.Error("services without a former stack")
	}
	w.former = &services.Stack{Services: svc("b", "c")}
	var names []string
	for _, v := range w.services() {
		names = append(names, v.Name)
	}
	if !slices.Equal(names, []string{"a", "b", "c"}) {
		t.Errorf("got %v", names)
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
		"no image":        {pod(0, "ErrImageNeverPull", false), "ErrImageNeverPull"},
	} {
		if got := never(c.pod); !strings.Contains(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%s: %q", name, got)
		}
	}
}
