package supervisor

import (
	"errors"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/switchplan"
	"github.com/lyandev/lyandev/supervisor/timeline"
)

// Times returns the latest action of a name ("up", "switch", "edit", "drill"; "" is any), also one that goes on; nil if there was none
// since the supervisor started.
func (s *Supervisor) Times(name string) *timeline.Action { return s.times.Last(name, time.Now()) }

// TakeTimes records an action that another process carries out; see timeline.Recorder.Take.
func (s *Supervisor) TakeTimes(a timeline.Action) { s.times.Take(a) }

// timeStep begins a span about the whole stack; the returned function ends it.
func (s *Supervisor) timeStep(name string) func(...string) {
	return s.times.Begin(timeline.Span{Kind: timeline.Stack, Name: name})
}

// timeUp begins an `up`, with what its caller has done already; the returned function ends it.
func (s *Supervisor) timeUp(stack *services.Stack, began []timeline.Span) (end func(at time.Time, err error)) {
	return s.times.Open("up", switchplan.ProfileText(stack), s.timeBegan(began))
}

// timeBegan records what the caller of an action has done for it already, and returns when that began.
func (s *Supervisor) timeBegan(began []timeline.Span) (start time.Time) {
	start = time.Now()
	for _, b := range began {
		s.times.Add(b)
		if b.Start.Before(start) {
			start = b.Start
		}
	}
	return start
}

// timeBuild records a build that has ended.
func (s *Supervisor) timeBuild(b state.Build) {
	if b.State == "running" || b.State == "waiting" {
		return
	}
	now := time.Now()
	s.times.Add(timeline.Span{
		Kind: timeline.Build, Name: "build", Object: b.Name, Start: now.Add(-b.Took), End: now, Detail: b.State, Failed: b.Error != "",
	})
}

// follower notices in the published statuses what happens to pods and what workloads wait for, and records it. It belongs to the loop.
type follower struct {
	times *timeline.Recorder
	pods  map[types.UID]followed
	holds map[string]state.Hold
	// end ends the `up` that goes on once the status has its number; nil if none does.
	end     func(at time.Time, err error)
	applied uint64
	// change is the switch of profiles that goes on, nil if none does.
	change *followedSwitch
}

// followedSwitch is a switch of profiles, with what it does at present and since when.
type followedSwitch struct {
	start time.Time
	end   func(at time.Time, err error)
	step  timeline.Span
}

// followed is what is known of a pod.
type followed struct {
	name, workload                     string
	containers, ready, ended, departed bool
}

// await has the follower end an `up` at the first status that is ready and has the number of its apply.
func (f *follower) await(applied uint64, end func(at time.Time, err error)) {
	f.applied, f.end = applied, end
}

// look compares a status with the one before. operator is the operator of a workload, "" for none.
func (f *follower) look(snap *state.Status, operator func(workload string) string) {
	if f.pods == nil {
		f.pods, f.holds = map[types.UID]followed{}, map[string]state.Hold{}
	}
	f.lookAtHolds(snap)
	if f.change != nil {
		f.lookAtSwitch(snap.Switch, snap.Time)
	}
	seen := make(map[types.UID]bool, len(snap.Pods))
	for _, p := range snap.Pods {
		seen[p.UID] = true
	}
	for uid, x := range f.pods {
		if !seen[uid] {
			f.times.Mark(timeline.PodGone, x.name, x.workload, snap.Time, "")
			delete(f.pods, uid)
		}
	}
	for _, p := range snap.Pods { // after the pods that went: a new one may have the name of one of them
		f.lookAtPod(p, snap.Time, operator)
	}
	if f.end != nil && snap.Applied >= f.applied && (snap.Phase == state.Ready || snap.Phase == state.Stopping) {
		f.times.Mark(timeline.StackReady, "", "", snap.Time, "")
		f.end(snap.Time, nil)
		f.end = nil
	}
}

func (f *follower) lookAtSwitch(t *state.Switch, now time.Time) {
	c := f.change
	if t == nil || t.Started.Before(c.start) {
		return // not published yet
	}
	if name := string(t.Phase); c.step.Name != name || c.step.Detail != t.Waiting {
		if c.step.Name != "" {
			c.step.End = now
			f.times.Add(c.step)
		}
		c.step = timeline.Span{Kind: timeline.Switch, Name: name, Detail: t.Waiting, Start: now}
	}
	if t.Over() {
		var err error
		if t.Error != "" {
			err = errors.New(t.Error)
		}
		c.end(t.Ended, err)
		f.change = nil
	}
}

func (f *follower) lookAtHolds(snap *state.Status) {
	waiting := make(map[string]bool, len(f.holds))
	for _, w := range snap.Workloads {
		old, was := f.holds[w.Name]
		if w.Hold != nil && was && old.For == w.Hold.For && old.Kind == w.Hold.Kind {
			waiting[w.Name] = true
			continue
		}
		f.endHold(w.Name, snap.Time)
		if w.Hold != nil {
			waiting[w.Name] = true
			f.holds[w.Name] = *w.Hold
		}
	}
	for name := range f.holds {
		if !waiting[name] {
			f.endHold(name, snap.Time)
		}
	}
}

func (f *follower) endHold(workload string, at time.Time) {
	h, was := f.holds[workload]
	if !was {
		return
	}
	delete(f.holds, workload)
	f.times.Add(timeline.Span{
		Kind: timeline.Wait, Name: h.Kind, Object: workload, Of: h.For, Start: h.Since, End: at, Detail: h.Reason,
	})
}

func (f *follower) lookAtPod(p *corev1.Pod, now time.Time, operator func(string) string) {
	x, known := f.pods[p.UID]
	if !known {
		x = followed{name: p.Name, workload: p.Labels[services.WorkloadLabel]}
		at := p.CreationTimestamp.Time
		if at.IsZero() {
			at = now
		}
		f.times.Mark(timeline.PodWanted, x.name, x.workload, at, operator(x.workload))
	}
	mark := func(is *bool, now bool, name string, at time.Time) {
		if now && !*is {
			f.times.Mark(name, x.name, x.workload, at, operator(x.workload))
		}
		*is = now
	}
	wasReady := x.ready
	containers, containersAt := condition(p, corev1.ContainersReady, now)
	ready, readyAt := condition(p, corev1.PodReady, now)
	mark(&x.containers, containers, timeline.ContainersReady, containersAt)
	mark(&x.ready, ready, timeline.PodReady, readyAt)
	if wasReady && !ready {
		f.times.Mark(timeline.PodUnready, x.name, x.workload, readyAt, "")
	}
	mark(&x.ended, p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed, timeline.PodEnded, now)
	mark(&x.departed, p.DeletionTimestamp != nil, timeline.PodLeaving, now)
	f.pods[p.UID] = x
}

// condition says whether a condition of a pod is true, and since when it is what it is.
func condition(p *corev1.Pod, t corev1.PodConditionType, now time.Time) (is bool, since time.Time) {
	i := slices.IndexFunc(p.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == t })
	if i < 0 {
		return false, now
	}
	c := p.Status.Conditions[i]
	since = c.LastTransitionTime.Time
	if since.IsZero() || since.After(now) {
		since = now
	}
	return c.Status == corev1.ConditionTrue, since
}

// operatorOf is the operator of a workload of the wanted stack, "" for none. Called by the loop.
func (s *Supervisor) operatorOf(workload string) string {
	if stack := s.cluster.Stack(); stack != nil {
		if x := stack.Workload(workload); x != nil {
			return x.Operator
		}
	}
	return ""
}
