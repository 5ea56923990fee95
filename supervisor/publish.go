package supervisor

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/lyandev/lyandev/supervisor/state"
)

// publish tells everybody how things stand. Called by the loop, after every step.
func (s *Supervisor) publish(now time.Time) {
	w := s.world
	snap := &state.Snapshot{
		Time: now, Applied: s.applied, Project: s.cfg.Instance.Name, Dir: s.cfg.Instance.Dir, Version: s.cfg.Version, PID: os.Getpid(),
		Pods: sorted(w.pods), Operators: maps.Clone(w.verdicts), Engine: s.engineTrouble, Bound: s.podnet.Bound(),
		Builds: slices.Clone(s.builds), Workloads: []state.Workload{},
	}
	if w.stack != nil {
		snap.Profile, snap.Services, snap.Advice = w.stack.Profile, w.services(), w.advice
	}
	if t := s.podnet.Trouble(); t != "" {
		snap.Warnings = append(snap.Warnings, t)
	}
	if t := s.podnet.Crowding(); t != "" {
		snap.Warnings = append(snap.Warnings, state.ConnectionsWait+t)
	}
	for _, x := range w.listed() {
		c := countsOf(x, w.podsOf(x.Name()))
		ws := state.Workload{
			Name: x.Name(), Kind: x.Kind(), Want: c.want, Have: c.have, Ready: c.ready, Updated: c.updated,
			Right:    w.stack.Workload(x.Name()) != nil && w.factsOf(w.stack.Workload(x.Name())).Right,
			Revision: w.wantedRevision(x.Name()), Leaving: w.stack.Workload(x.Name()) == nil,
		}
		if h, ok := w.holdOf(x.Name()); ok {
			ws.Hold = &h
		}
		snap.Workloads = append(snap.Workloads, ws)
		snap.Warnings = append(snap.Warnings, rolloutWarnings(x)...)
	}
	snap.Warnings = append(snap.Warnings, s.inner.Warnings()...)
	snap.Switch = s.switcher.Latest()
	snap.Phase, snap.Message = s.phase(snap)
	s.store.Publish(snap)
}

// phase is where the stack stands, and the first reason that it is not ready.
func (s *Supervisor) phase(snap *state.Snapshot) (state.Phase, string) {
	w := s.world
	switch {
	case s.stop != nil && len(w.pods) == 0:
		return state.Stopped, ""
	case s.stop != nil:
		return state.Stopping, fmt.Sprintf("%d pods to go", len(w.pods))
	case s.engineTrouble != "" && w.wasReady:
		return state.Degraded, s.engineTrouble
	case s.engineTrouble != "":
		return state.Starting, s.engineTrouble
	case w.stack == nil:
		return state.Starting, errNoStack.Error()
	case s.podnet.Trouble() != "" && w.wasReady:
		return state.Degraded, s.podnet.Trouble()
	}
	for _, ws := range snap.Workloads {
		if ws.Right {
			continue
		}
		phase := state.Starting
		if w.wasReady {
			phase = state.Degraded
		}
		if ws.Hold != nil {
			return phase, ws.Name + " " + ws.Hold.Reason
		}
		if x := w.stack.Workload(ws.Name); x != nil {
			if f := w.factsOf(x); f.Waiting != "" {
				return phase, ws.Name + " " + f.Waiting
			}
		}
		return phase, fmt.Sprintf("%s has %d of %d pods ready", ws.Name, ws.Ready, ws.Want)
	}
	for _, name := range slices.Sorted(maps.Keys(w.verdicts)) {
		if v := w.verdicts[name]; !v.Right {
			phase := state.Starting
			if w.wasReady {
				phase = state.Degraded
			}
			return phase, name + ": " + v.Message
		}
	}
	w.wasReady = true
	return state.Ready, ""
}
