package supervisor

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/timeline"
)

// moment is a time in seconds after an arbitrary one.
func moment(seconds int) time.Time {
	return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Add(time.Duration(seconds) * time.Second)
}

// timedPod is a pod of the workload web that was made at 1, with the time at which it got ready, or stopped being ready if that is negative.
func timedPod(uid string, ready int) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name: "web-0", UID: types.UID(uid), CreationTimestamp: metav1.NewTime(moment(1)), Labels: map[string]string{services.WorkloadLabel: "web"},
	}}
	status := corev1.ConditionTrue
	if ready < 0 {
		status, ready = corev1.ConditionFalse, -ready
	}
	if ready > 0 {
		for _, t := range []corev1.PodConditionType{corev1.ContainersReady, corev1.PodReady} {
			p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: t, Status: status, LastTransitionTime: metav1.NewTime(moment(ready))})
		}
	}
	return p
}

func TestFollower(t *testing.T) {
	times := new(timeline.Recorder)
	f := &follower{times: times}
	f.await(1, times.Open("up", "profile a", moment(0)))
	f.change = &followedSwitch{start: moment(0), end: times.Open("switch", "a -> b", moment(0))}
	held := func(on string) state.Workload {
		return state.Workload{Name: "web", Hold: &state.Hold{Kind: "dependency", For: on, Reason: "waits for " + on, Since: moment(0)}}
	}
	free := state.Workload{Name: "web"}
	gone := timedPod("1", 4)
	gone.DeletionTimestamp, gone.Status.Phase = &metav1.Time{Time: moment(9)}, corev1.PodSucceeded
	look := func(at int, phase state.Phase, applied uint64, w state.Workload, sw *state.Switch, pods ...*corev1.Pod) {
		f.look(&state.Status{Time: moment(at), Phase: phase, Applied: applied, Workloads: []state.Workload{w}, Pods: pods, Switch: sw}, func(workload string) string {
			return "operator of " + workload
		})
	}
	going := &state.Switch{Started: moment(1), Phase: state.SwitchGoing, Waiting: "web is not ready"}
	done := &state.Switch{Started: moment(1), Ended: moment(8), Phase: state.SwitchDone}
	look(0, state.Ready, 0, held("db"), &state.Switch{Started: moment(-5), Ended: moment(-4)})
	look(1, state.Starting, 0, held("db"), &state.Switch{Started: moment(1), Phase: state.SwitchPreparing})
	look(2, state.Starting, 1, held("cache"), going)
	look(3, state.Starting, 1, free, going, timedPod("1", 0))
	look(5, state.Starting, 1, free, going, timedPod("1", 4))
	look(6, state.Degraded, 1, free, going, timedPod("1", -6))
	look(7, state.Ready, 1, free, going, timedPod("1", 7))
	look(8, state.Ready, 1, free, done, timedPod("1", 7))
	look(9, state.Ready, 1, free, done, gone)
	look(10, state.Ready, 1, free, done, timedPod("2", 0))
	var got []string
	for _, name := range []string{"up", "switch"} {
		a := times.Last(name, moment(20))
		got = append(got, fmt.Sprintf("%s %s %d-%d %v", a.Name, a.Title, int(a.Start.Sub(moment(0)).Seconds()), int(a.End.Sub(moment(0)).Seconds()), a.Over))
	}
	end := times.Open("rest", "", moment(-100))
	end(moment(20), nil)
	for _, s := range times.Last("rest", moment(20)).Spans {
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s %s %d-%d %s", s.Kind, s.Name, s.Object, s.Of, int(s.Start.Sub(moment(0)).Seconds()), int(s.End.Sub(moment(0)).Seconds()), s.Detail)))
	}
	want := []string{
		"up profile a 0-7 true", "switch a -> b 0-8 true",
		"wait dependency web db 0-2 waits for db",
		"switch preparing   1-2",
		"wait dependency web cache 0-3 waits for cache",
		"mark wanted web-0 web 1-1 operator of web",
		"mark containers ready web-0 web 4-4 operator of web",
		"mark ready web-0 web 4-4 operator of web",
		"mark not ready web-0 web 6-6",
		"mark containers ready web-0 web 7-7 operator of web",
		"mark ready web-0 web 7-7 operator of web",
		"mark stack ready   7-7",
		"switch switching   2-8 web is not ready",
		"mark ended web-0 web 9-9 operator of web",
		"mark leaving web-0 web 9-9 operator of web",
		"mark gone web-0 web 10-10",
		"mark wanted web-0 web 1-1 operator of web",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
