package simulation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod/dockerpod"
	"github.com/lyandev/lyandev/supervisor/state"
)

const (
	// quiet is how long a stack that is ready again must do nothing by itself.
	quiet = 2 * time.Minute
	// stopLimit bounds the end of a stack.
	stopLimit = 5 * time.Minute
)

// settle waits until the stack is ready, and checks that what runs is what is wanted and that nothing more happens.
func (w *World) settle(limit time.Duration) {
	deadline := time.Now().Add(limit)
	for why := w.unsettled(); why != ""; why = w.unsettled() {
		if w.failed() {
			return
		}
		if time.Now().After(deadline) {
			w.traceState()
			w.Failf("not settled %s after all faults ended: %s", limit, why)
			return
		}
		time.Sleep(time.Second)
	}
	before := w.starts()
	time.Sleep(quiet)
	if after := w.starts(); after != before && !w.failed() {
		w.Failf("%d containers were started while everything was ready", after-before)
	}
	if why := w.unsettled(); why != "" {
		w.Failf("not ready any more, though nothing was done: %s", why)
	}
}

// traceState writes how things stand to the trace, for whoever looks for the cause of a failure.
func (w *World) traceState() {
	r := w.current()
	if r == nil {
		return
	}
	snap := r.Store().Latest()
	for _, x := range snap.Workloads {
		w.trace.add(false, "workload %+v", x)
	}
	for _, p := range snap.Pods {
		w.trace.add(false, "pod %s uid %s phase %s deleted %v conditions %v", p.Name, p.UID, p.Status.Phase, p.DeletionTimestamp != nil, p.Status.Conditions)
	}
	for _, c := range w.containers(func(engine.Container) bool { return true }) {
		w.trace.add(false, "container %s of %s is %s", c.Name, c.Image, c.State)
	}
}

func (w *World) starts() int { return len(w.Engine.Calls("StartContainer")) }

// unsettled says what is not as it is to be, "" if nothing.
func (w *World) unsettled() string {
	s := w.Supervisor()
	if s == nil {
		return "no supervisor runs"
	}
	snap := s.Store().Latest()
	if snap.Phase != state.Ready {
		return fmt.Sprintf("the stack is %s: %s", snap.Phase, snap.Message)
	}
	if snap.Switch != nil && snap.Switch.Ended.IsZero() {
		return "the switch of profiles is " + string(snap.Switch.Phase)
	}
	var why string
	w.mu.Lock()
	wanted := slices.Clone(w.wanted)
	w.mu.Unlock()
	for _, stack := range wanted {
		if why = w.differs(stack); why == "" {
			return ""
		}
	}
	if _, ok := w.agentContainer(); !ok {
		return "the agent does not run"
	}
	return why
}

// differs says in what the running containers are not those of a stack.
func (w *World) differs(stack *services.Stack) string {
	have := map[string]int{}
	for _, c := range w.containers(func(c engine.Container) bool {
		return c.State == engine.StateRunning && c.Labels[services.KindLabel] == dockerpod.KindContainer
	}) {
		have[c.Labels[services.WorkloadLabel]+"/"+c.Labels[services.ContainerLabel]+" of "+c.Image]++
	}
	for _, x := range stack.Workloads {
		if x.Kind() == "Job" {
			continue
		}
		for _, c := range x.PodSpec().Containers {
			key := x.Name() + "/" + c.Name + " of " + c.Image
			if have[key] != int(x.Replicas()) {
				return fmt.Sprintf("%d containers %s, want %d", have[key], key, x.Replicas())
			}
			delete(have, key)
		}
	}
	if len(have) > 0 {
		return "not wanted: " + sortedNames(have)
	}
	return ""
}

// cutStop stops the stack, in one of three runs, and kills the supervisor while it does so. The next one goes on with the
// stack, but what was being deleted is deleted.
func (w *World) cutStop(limit time.Duration) {
	r, draw := w.current(), w.draw("cut the stop")
	if draw.IntN(3) > 0 || r == nil || w.failed() {
		return
	}
	w.begin(w.steps, step{text: "stop, and kill the supervisor meanwhile"})
	r.Stop()
	select {
	case <-r.ended: // it was too quick
		return
	case <-time.After(time.Duration(draw.Int64N(int64(4 * time.Second)))):
	}
	w.Kill()
	w.launch()
	time.Sleep(aftermath)
	w.settle(limit)
}

// finish stops the stack and checks that nothing is left but volumes.
func (w *World) finish() {
	r := w.current()
	if r == nil || w.failed() {
		return
	}
	before, _ := w.Engine.ListVolumes(context.Background(), nil)
	w.begin(w.steps, step{text: "stop"})
	r.Stop()
	select {
	case <-r.ended:
		if r.err != nil {
			w.Failf("Run ended with %v", r.err)
		}
	case <-time.After(stopLimit):
		w.Failf("not stopped after %s: %s", stopLimit, r.Store().Latest().Message)
		return
	}
	for _, c := range w.containers(func(engine.Container) bool { return true }) {
		w.Failf("left after the end: container %s", c.Name)
	}
	networks, _ := w.Engine.ListNetworks(context.Background(), map[string]string{services.ProjectLabel: ""})
	if len(networks) > 0 {
		w.Failf("left after the end: network %s", networks[0].Name)
	}
	after, _ := w.Engine.ListVolumes(context.Background(), nil)
	if len(after) != len(before) {
		w.Failf("%d volumes after the end, %d before", len(after), len(before))
	}
	if _, err := w.Engine.InspectContainer(context.Background(), "stranger"); err != nil {
		w.Failf("what belongs to others is gone: %v", err)
	}
}
