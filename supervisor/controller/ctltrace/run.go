package main

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"time"

	"github.com/lyandev/lyandev/services/kube"
	"github.com/lyandev/lyandev/supervisor/backoff"
	"github.com/lyandev/lyandev/supervisor/controller"
)

// run is a scenario in progress, in virtual time.
type run struct {
	scenario *scenario
	store    *store
	now      time.Time
	timers   []timer
	serial   int
	// addresses are how many pods have got an address.
	addresses int
	nodes     []string
	memory    controller.Memory
	next      time.Time
	events    []event
	runs      map[string]int
	restarts  *backoff.Tracker
	// told are the events of this instant, deleted the ReplicaSets and Jobs that were deleted in it.
	told, deleted []string
	// shown is what the trace said last about something.
	shown map[string]string
	// status is the last known status of a workload; changed are those that have changed in this instant.
	status  map[string]string
	changed map[string]bool
}

// timer is something that is to happen; those of one instant happen in the order in which they were set.
type timer struct {
	at     time.Time
	serial int
	do     func() error
}

func newRun(s *scenario) *run {
	r := &run{
		scenario: s, store: newStore(), now: s.start(), runs: map[string]int{}, shown: map[string]string{}, status: map[string]string{}, changed: map[string]bool{},
		restarts: backoff.New(backoff.Config{}),
	}
	for i := range max(s.Nodes, 1) {
		r.nodes = append(r.nodes, fmt.Sprintf("node%d", i+1))
	}
	return r
}

func (r *run) after(d time.Duration, do func() error) {
	r.serial++
	r.timers = append(r.timers, timer{r.now.Add(d), r.serial, do})
}

func (r *run) log(kind, format string, args ...any) {
	if slices.Contains(r.scenario.Hide, kind) {
		return
	}
	t := r.now.Sub(r.scenario.start()).Seconds()
	r.events = append(r.events, event{math.Round(t*1000) / 1000, kind, fmt.Sprintf(format, args...)})
}

// play runs the scenario to its end.
func (r *run) play() error {
	end := r.now.Add(seconds(r.scenario.Duration))
	for _, raw := range r.scenario.Objects {
		o, err := decode(raw)
		if err != nil {
			return err
		}
		r.create(o)
	}
	for _, a := range r.scenario.Actions {
		r.after(seconds(a.At), func() error { return r.act(a) })
	}
	for {
		if err := r.settle(); err != nil {
			return err
		}
		next, ok := r.soonest()
		if !ok || !next.Before(end) {
			return nil
		}
		r.now = next
		if err := r.fire(); err != nil {
			return err
		}
	}
}

func (r *run) soonest() (time.Time, bool) {
	next := r.next
	for _, t := range r.timers {
		if next.IsZero() || t.at.Before(next) {
			next = t.at
		}
	}
	return next, !next.IsZero()
}

// fire does what is due.
func (r *run) fire() error {
	var due, later []timer
	for _, t := range r.timers {
		if t.at.After(r.now) {
			later = append(later, t)
		} else {
			due = append(due, t)
		}
	}
	r.timers = later
	sort.Slice(due, func(i, j int) bool {
		if !due[i].at.Equal(due[j].at) {
			return due[i].at.Before(due[j].at)
		}
		return due[i].serial < due[j].serial
	})
	for _, t := range due {
		if err := t.do(); err != nil {
			return err
		}
	}
	return nil
}

// settle looks and acts until nothing is left to do at this instant.
func (r *run) settle() error {
	for range 1000 {
		plan := controller.Reconcile(r.store.view(r.nodes, r.memory), r.now)
		r.memory, r.next = plan.Memory, plan.Next
		if len(plan.Actions) == 0 {
			r.show()
			return nil
		}
		for _, a := range plan.Actions {
			r.apply(a)
		}
	}
	return fmt.Errorf("cannot settle at %s: the plans never end", r.now)
}

// apply does one action of a plan to the store.
func (r *run) apply(a controller.Action) {
	switch a := a.(type) {
	case controller.CreatePod:
		r.create(a.Pod)
	case controller.DeletePod:
		r.deletePod(a.Pod.Name)
	case controller.CreateReplicaSet:
		r.put(a.ReplicaSet)
	case controller.ScaleReplicaSet:
		r.put(a.ReplicaSet)
	case controller.DeleteReplicaSet:
		r.store.remove(r.store.key(a.ReplicaSet))
		r.deleted = append(r.deleted, "replicasets/"+a.ReplicaSet.Name)
	case controller.CreateJob:
		r.put(a.Job)
	case controller.DeleteJob:
		r.store.remove(r.store.key(a.Job))
		r.deleted = append(r.deleted, "jobs/"+a.Job.Name)
	case controller.CreateRevision:
		r.put(a.Revision)
	case controller.UpdateRevision:
		r.put(a.Revision)
	case controller.DeleteRevision:
		r.store.remove(r.store.key(a.Revision))
	case controller.UpdateStatus:
		if o, ok := a.Object.(kube.Object); ok {
			r.put(o)
			r.sawStatus(o)
		}
	case controller.Event:
		r.told = append(r.told, fmt.Sprintf("%s/%s %s %s: %s", a.Kind, a.Name, a.Type, a.Reason, a.Message))
	}
}

func (r *run) put(o kube.Object) { r.store.put(o, r.now) }

// act does an action of the scenario.
func (r *run) act(a action) error {
	r.log("action", "%s %s %s", a.Do, a.Kind, a.Name)
	switch a.Do {
	case "patch":
		return r.store.patch(a.Kind+"/"+a.Name, a.Patch, r.now)
	case "deletePod":
		r.deletePod(a.Name)
	case "delete":
		if a.Kind == "Pod" {
			r.deletePod(a.Name)
			return nil
		}
		r.store.remove(a.Kind + "/" + a.Name)
	case "create":
		o, err := decode(a.Object)
		if err != nil {
			return err
		}
		r.create(o)
	case "setReady":
		r.setReady(a.Name, fmt.Sprint(a.Value) == "true")
	default:
		return fmt.Errorf("cannot do %q: no such action", a.Do)
	}
	return nil
}
