package supervisor

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/cluster"
	"github.com/lyandev/lyandev/supervisor/state"
)

// publish tells everybody how things stand. Called by the loop, after every step.
func (s *Supervisor) publish(now time.Time) {
	c := s.cluster
	snap := &state.Status{
		Time: now, Applied: s.applied, Project: s.cfg.Instance.Name, Dir: s.cfg.Instance.Dir, Version: s.cfg.Version, PID: os.Getpid(),
		Pods: c.Pods(), Operators: maps.Clone(c.Verdicts()), Engine: s.engineTrouble, Bound: s.podnet.Bound(),
		Builds: slices.Clone(s.builds), Switch: s.switcher.Latest(),
	}
	if stack := c.Stack(); stack != nil {
		snap.Profile, snap.Services, snap.Advice = stack.Profile, cluster.List[*corev1.Service](c.Store), s.advice
	}
	if name, fallback := s.podnet.Datapath(); name != "" {
		snap.Datapath = &state.Datapath{Name: name, Fallback: fallback}
	}
	if t := s.podnet.Trouble(); t != "" {
		snap.Warnings = append(snap.Warnings, t)
	}
	if t := s.podnet.Crowding(); t != "" {
		snap.Warnings = append(snap.Warnings, state.ConnectionsWait+t)
	}
	var rollouts []string
	snap.Workloads, rollouts = c.Workloads()
	snap.Warnings = append(snap.Warnings, s.inner.Warnings()...)
	snap.Warnings = append(snap.Warnings, rollouts...)
	snap.Phase, snap.Message = s.phase(snap)
	if snap.Phase == state.Ready {
		c.SetReady()
		s.applyGrace = nil
	}
	s.follower.look(snap, s.operatorOf)
	s.store.Publish(snap)
}

// phase is where the stack stands, and the first reason that it is not ready.
func (s *Supervisor) phase(snap *state.Status) (state.Phase, string) {
	c := s.cluster
	notReady := state.Starting
	if c.WasReady() {
		notReady = state.Degraded
	}
	switch {
	case s.stopping:
		if n := len(slices.DeleteFunc(slices.Clone(snap.Pods), s.kept)); n > 0 {
			return state.Stopping, fmt.Sprintf("%d pods to go", n)
		}
		return state.Stopped, ""
	case s.engineTrouble != "":
		return notReady, s.engineTrouble
	case c.Stack() == nil:
		return state.Starting, errNoStack.Error()
	case s.podnet.Trouble() != "" && c.WasReady():
		return state.Degraded, s.podnet.Trouble()
	}
	if why := c.FirstTrouble(snap.Workloads); why != "" {
		return notReady, why
	}
	return state.Ready, ""
}
