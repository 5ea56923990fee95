package main

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/innerloop"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui/screen"
)

var changesAt = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// told joins what happened to one text.
func told(list []screen.Happening) string {
	var out []string
	for _, h := range list {
		out = append(out, h.Text)
		for _, line := range h.More {
			out = append(out, "    "+line)
		}
	}
	return strings.Join(out, "|")
}

// newChanges are changes after the start.
func newChanges() *changes {
	return &changes{
		settled:   true,
		lastLines: func(string, string) []string { return []string{"DB_PASSWORD=hunter22"} },
		killed:    func(string, string, time.Time) string { return "" },
	}
}

func podWith(s corev1.ContainerStatus) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web-0", UID: "u", Labels: map[string]string{services.WorkloadLabel: "web"}}}
	s.Name = "web"
	p.Spec.Containers = []corev1.Container{{Name: "web"}}
	p.Status.ContainerStatuses = []corev1.ContainerStatus{s}
	return p
}

// restarted is a container that runs for the nth time after an end.
func restarted(n int32, end corev1.ContainerStateTerminated) corev1.ContainerStatus {
	end.FinishedAt = metav1.NewTime(changesAt.Add(time.Duration(n) * time.Minute))
	s := corev1.ContainerStatus{RestartCount: n, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}
	if n > 0 {
		s.LastTerminationState.Terminated = &end
	}
	return s
}

// TestChanges: a foreground up printed nothing of what happened after its start.
func TestChanges(t *testing.T) {
	c := newChanges()
	crash := corev1.ContainerStateTerminated{ExitCode: 3}
	for n, step := range []struct {
		workload state.Workload
		restarts int32
		want     string
	}{
		{state.Workload{Right: true, Revision: "a", Ready: 1, Want: 1}, 0, ""},
		{state.Workload{Right: true, Revision: "a", Ready: 1, Want: 1}, 0, ""},
		{state.Workload{Revision: "a", Want: 1}, 1, "web: web-0 exited with code 3; restarted (1 so far)|    DB_PASSWORD=***"},
		{state.Workload{Revision: "a", Want: 1}, 1, "web: not ready (0/1); `lyandev why web` says why"},
		{state.Workload{Revision: "a", Want: 1}, 2, "web: web-0 exited with code 3; restarted (2 so far)"}, // the same lines are not told again
		{state.Workload{Right: true, Revision: "a", Ready: 1, Want: 1}, 2, "web: ready, 1/1 pods, after 3.0 s"},
		{state.Workload{Revision: "b", Ready: 1, Want: 1}, 2, "web: rollout of a changed version begins"},
		{state.Workload{Revision: "b", Ready: 0, Want: 1}, 2, ""},
		{state.Workload{Right: true, Revision: "b", Ready: 1, Want: 1}, 2, "web: rolled out, 1/1 pods ready after 2.0 s"},
		{state.Workload{Revision: "b", Ready: 0, Want: 1}, 2, ""},
		{state.Workload{Right: true, Revision: "b", Ready: 1, Want: 1}, 2, ""}, // it was over before it was told
		{state.Workload{Revision: "b", Ready: 1, Want: 3}, 2, "web: scaled from 1 to 3 pods"},
		{state.Workload{Revision: "b", Ready: 2, Want: 3}, 2, ""},
		{state.Workload{Right: true, Revision: "b", Ready: 3, Want: 3}, 2, "web: ready, 3/3 pods, after 2.0 s"},
	} {
		step.workload.Name = "web"
		at := changesAt.Add(time.Duration(n) * time.Second)
		s := &state.Status{Phase: state.Ready, Time: at, Workloads: []state.Workload{step.workload}, Pods: []*corev1.Pod{podWith(restarted(step.restarts, crash))}}
		got := told(append(c.show(s), c.due(at)...))
		if got != step.want {
			t.Errorf("step %d: %q, want %q", n, got, step.want)
		}
	}
	if got := c.show(&state.Status{Phase: state.Stopping}); got != nil {
		t.Errorf("while stopping: %q", told(got))
	}
}

// TestEnds: an end that was meant is not told as a crash: an edit with sync+restart looked like one.
func TestEnds(t *testing.T) {
	crash := corev1.ContainerStateTerminated{ExitCode: 1}
	ended := func(code int32) corev1.ContainerStatus {
		return corev1.ContainerStatus{State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, FinishedAt: metav1.NewTime(changesAt)}}}
	}
	backOff := restarted(4, crash)
	backOff.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off 40s restarting failed container"}}
	for name, c := range map[string]struct {
		now     corev1.ContainerStatus
		killed  string
		stopped bool
		want    string
	}{
		"a plain service restarted by an edit": {
			now: restarted(1, corev1.ContainerStateTerminated{ExitCode: 137, Reason: services.ReasonRestarted, Message: "it has changed files"}),
		},
		"a pod's container restarted by an edit": {now: restarted(1, corev1.ContainerStateTerminated{ExitCode: 143}), killed: "has changed files"},
		"by hand": {
			now:  restarted(1, corev1.ContainerStateTerminated{ExitCode: 137, Reason: services.ReasonRestarted, Message: "it is restarted by hand"}),
			want: "web: web-0 is restarted by hand",
		},
		"a liveness probe": {now: restarted(1, crash), killed: "failed liveness probe", want: "web: web-0 was killed: it failed liveness probe; restarted (1 so far)|    DB_PASSWORD=***"},
		"out of memory": {
			now:  restarted(1, corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled"}),
			want: "web: web-0 exited with code 137 (OOMKilled: it used more memory than its limit); restarted (1 so far)|    DB_PASSWORD=***",
		},
		"a crash loop":            {now: backOff, want: "web: web-0 exited with code 1; restarts in 40s (4 so far)|    DB_PASSWORD=***"},
		"a one-shot that failed":  {now: ended(3), want: "web: web-0 exited with code 3|    DB_PASSWORD=***"},
		"a one-shot that is done": {now: ended(0)},
		"stopped by somebody":     {now: ended(137), stopped: true, want: "web: web-0 was stopped"},
	} {
		x := newChanges()
		x.killed = func(string, string, time.Time) string { return c.killed }
		state := func(s corev1.ContainerStatus) *state.Status {
			p := podWith(s)
			if c.stopped && s.State.Terminated != nil {
				p.Status.Reason = services.ReasonStopped
			}
			return &state.Status{Phase: state.Ready, Time: changesAt, Pods: []*corev1.Pod{p}}
		}
		x.show(state(restarted(0, crash)))
		if got := told(x.show(state(c.now))); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if got := told(x.show(state(c.now))); got != "" {
			t.Errorf("%s is told again: %q", name, got)
		}
	}
}

// TestEndsOfAnEarlierUp: what Ctrl-C had ended was told as a restart by the next up, which started it again.
func TestEndsOfAnEarlierUp(t *testing.T) {
	c := newChanges()
	c.show(&state.Status{Phase: state.Starting, Time: changesAt.Add(2 * time.Minute)})
	again := podWith(restarted(1, corev1.ContainerStateTerminated{ExitCode: 143}))
	if got := told(c.show(&state.Status{Phase: state.Starting, Time: changesAt.Add(3 * time.Minute), Pods: []*corev1.Pod{again}})); got != "" {
		t.Errorf("told: %q", got)
	}
}

// TestKilledIn: why a container was ended is in the event before its end; that of an earlier run does not count.
func TestKilledIn(t *testing.T) {
	events := []state.Event{
		{Kind: "Pod", Name: "web-0", Container: "web", Reason: "Killing", Message: "Container web failed liveness probe, will be restarted", Last: changesAt},
		{Kind: "Pod", Name: "web-0", Container: "web", Reason: "Killing", Message: "Container web has changed files, will be restarted", Last: changesAt.Add(time.Minute)},
		{Kind: "Pod", Name: "web-1", Container: "web", Reason: "Killing", Message: "Stopping container web", Last: changesAt.Add(time.Minute)},
	}
	for _, c := range []struct {
		pod   string
		began time.Duration
		want  string
	}{{"web-0", time.Second, "has changed files"}, {"web-0", 2 * time.Minute, ""}, {"web-1", 0, ""}} {
		if got := killedIn(events, c.pod, "web", changesAt.Add(c.began)); got != c.want {
			t.Errorf("%s after %s: %q, want %q", c.pod, c.began, got, c.want)
		}
	}
}

// TestRolesSwitchesEngineAndWarnings of a stack that has started.
func TestRolesSwitchesEngineAndWarnings(t *testing.T) {
	began := changesAt.Add(time.Second)
	role := func(role string) []*corev1.Pod {
		p := podWith(restarted(0, corev1.ContainerStateTerminated{}))
		p.Labels[services.RoleLabel] = role
		return []*corev1.Pod{p}
	}
	stuck := "rollout of web is stuck (ProgressDeadlineExceeded): no progress"
	c := newChanges()
	for n, step := range []struct {
		now  state.Status
		want string
	}{
		{state.Status{Pods: role("slave")}, ""},
		{state.Status{Pods: role("master")}, "web: web-0 is master now (was slave)"},
		{state.Status{Engine: "the Docker engine does not answer"}, "the Docker engine does not answer"},
		{state.Status{}, "the Docker engine answers again"},
		{state.Status{Warnings: []string{"disk is full", state.EditFailed("web") + "no"}}, "warning: disk is full"},
		{state.Status{Warnings: []string{"disk is full"}}, ""},
		{state.Status{Switch: &state.Switch{From: "a", To: "b", Started: began}}, "switch from profile a to profile b begins"},
		{state.Status{Switch: &state.Switch{From: "a", To: "b", Started: began, Ended: began.Add(12 * time.Second), Phase: state.SwitchDone}}, "switched from profile a to profile b in 12.0 s"},
		{state.Status{Switch: &state.Switch{From: "b", To: "a", Started: began.Add(time.Hour)}}, "switch from profile b to profile a begins"},
		{
			state.Status{Switch: &state.Switch{From: "b", To: "a", Started: began.Add(time.Hour), Ended: began.Add(time.Hour + time.Second), Phase: state.SwitchRolledBack, Error: "web does not get ready"}},
			"switch from profile b to profile a was rolled back after 1.0 s: web does not get ready",
		},
		{state.Status{Switch: &state.Switch{To: "big", Started: began.Add(2 * time.Hour)}}, "switch from no profile to profile big begins"},
		{state.Status{Workloads: []state.Workload{{Name: "web", Revision: "a"}}}, ""},
		{state.Status{Workloads: []state.Workload{{Name: "web", Revision: "b"}}}, "web: rollout of a changed version begins"},
		{state.Status{Warnings: []string{stuck}, Workloads: []state.Workload{{Name: "web", Revision: "b"}}}, "web: rollout failed: " + stuck},
		{state.Status{Warnings: []string{stuck}, Workloads: []state.Workload{{Name: "web", Revision: "b"}}}, ""},
	} {
		step.now.Phase, step.now.Time = state.Ready, changesAt
		if got := told(c.show(&step.now)); got != step.want {
			t.Errorf("step %d: %q, want %q", n, got, step.want)
		}
	}
}

// TestBeforeSettled: while the start is shown, only what the picture does not show is told.
func TestBeforeSettled(t *testing.T) {
	c := newChanges()
	c.settled = false
	c.show(&state.Status{Phase: state.Starting, Time: changesAt, Workloads: []state.Workload{{Name: "web", Right: true}}, Pods: []*corev1.Pod{podWith(restarted(0, corev1.ContainerStateTerminated{}))}})
	got := told(c.show(&state.Status{
		Phase: state.Starting, Time: changesAt, Engine: "the Docker engine does not answer", Warnings: []string{"disk is full"},
		Workloads: []state.Workload{{Name: "web"}}, Pods: []*corev1.Pod{podWith(restarted(1, corev1.ContainerStateTerminated{ExitCode: 1}))},
	}))
	if want := "web: web-0 exited with code 1; restarted (1 so far)|    DB_PASSWORD=***"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := c.due(changesAt.Add(time.Minute)); got != nil {
		t.Errorf("told: %q", told(got))
	}
}

// TestGraceUsed: a process that ignores SIGTERM made each sync+restart take 10 s, and nothing said why.
func TestGraceUsed(t *testing.T) {
	for took, want := range map[time.Duration]int{200 * time.Millisecond: 0, 19 * time.Second: 0, 21 * time.Second: 2} {
		if got := graceUsed(innerloop.Record{Pods: 2, Restarted: took}); len(got) != want {
			t.Errorf("%s of 2 pods: %q", took, got)
		}
	}
}

func TestEditHappening(t *testing.T) {
	edit := func(r innerloop.Record) []innerloop.Record {
		r.Workload = "api"
		return []innerloop.Record{{Workload: "api", Error: "an earlier one"}, r, {Workload: "web"}}
	}
	for _, c := range []struct {
		event   state.Event
		records []innerloop.Record
		want    string
	}{
		{state.Event{Reason: "Synced"}, edit(innerloop.Record{Actions: []string{"sync"}, Files: 2, Pods: 1, Total: 210 * time.Millisecond}), "api: 2 files synced, live in 0.2 s"},
		{
			state.Event{Reason: "Restarted"},
			edit(innerloop.Record{Actions: []string{"sync+restart"}, Paths: []string{"/shop/src/app.py"}, Files: 1, Pods: 3, Total: 1500 * time.Millisecond}),
			"api: 1 file synced, restarted, 3 pods, live in 1.5 s (app.py)",
		},
		{state.Event{Reason: "Rebuilt"}, edit(innerloop.Record{Actions: []string{"rebuild"}, Files: 3, Pods: 1, Total: 65 * time.Second}), "api: image rebuilt, live in 1m5s"},
		{state.Event{Reason: "FailedRebuilt"}, edit(innerloop.Record{Actions: []string{"rebuild"}, Files: 3, Error: "cannot build: exit code 1\nline 2"}), "api: edit failed: cannot build: exit code 1"},
		{state.Event{Reason: "Synced"}, edit(innerloop.Record{}), ""},
		{state.Event{Reason: "Synced", Message: "src/app.py: sync, 1 pod in 210 ms (batched 100, sent 50)"}, nil, "api: edit is live: src/app.py: sync, 1 pod in 210 ms"},
		{state.Event{Reason: "FailedSynced", Message: "x.py: sync in 3 ms (batched 1): cannot copy"}, nil, "api: edit failed: x.py: sync in 3 ms (batched 1): cannot copy"},
	} {
		c.event.Kind, c.event.Name = "Workload", "api"
		h, ok := editHappening(c.event, "api", c.records)
		if got := h.Text; got != c.want || ok != (c.want != "") {
			t.Errorf("got %q, %v, want %q", got, ok, c.want)
		}
		if c.records != nil && ok && (h.Edit == nil || h.Edit.Failed != strings.HasPrefix(c.event.Reason, "Failed")) {
			t.Errorf("%q: the edit is %+v", c.want, h.Edit)
		}
	}
}
