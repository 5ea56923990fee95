package supervisor

import (
	"context"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/agent"
	"github.com/lyandev/lyandev/supervisor/bootstrap"
	"github.com/lyandev/lyandev/supervisor/cluster/view"
	"github.com/lyandev/lyandev/supervisor/workers"
)

// adopt takes over what a former supervisor left running: the network, the agent with its table, the pods with their
// counters. Nothing is restarted. It fails when the engine does not answer.
func (s *Supervisor) adopt(ctx context.Context) error {
	_, pods, err := s.pods.Open(ctx)
	if err != nil {
		return err
	}
	s.loadPauses()
	if len(pods) == 0 {
		s.switcher.Discard()
		return nil
	}
	s.log.Info("found the stack running", "pods", len(pods))
	table, err := s.adoptNetwork(ctx)
	if err != nil {
		return err
	}
	pods = s.loadState(pods)
	ready := readyIn(table)
	for _, p := range pods {
		if !services.PlainPod(p) { // Docker chose the addresses of plain pods
			s.podnet.AdoptPod(p.Name, p.Status.PodIP)
		}
		if ready[string(p.UID)] && view.Runs(p) {
			workers.MarkReady(p, services.RightGate, bootstrap.Gate)
		}
	}
	if err := s.cluster.AdoptPods(pods); err != nil {
		return err
	}
	s.adoptEnded(pods)
	s.loadStopped()
	if err := s.adoptStack(ctx); err != nil {
		return err
	}
	for _, p := range s.cluster.Pods() {
		s.pods.Start(p, s.cluster.Recovery.Hold(p.UID))
		if p.DeletionTimestamp != nil {
			s.pods.Delete(p.Name, nil)
		}
	}
	return nil
}

// adoptStack makes the stack that the former supervisor looked after the wanted one: the saved one, or the one that a switch
// of profiles in progress leads to.
func (s *Supervisor) adoptStack(ctx context.Context) error {
	stack := s.loadStack()
	pending := s.switcher.Resume()
	if pending != nil {
		stack = pending.Wanted().DeepCopy()
	}
	if stack == nil {
		return nil
	}
	s.podnet.AdoptPorts(ctx, stack.HostPorts)
	err := s.take(stack)
	if err == nil {
		err = s.cluster.AdoptStack()
	}
	if err == nil && pending != nil {
		err = s.cluster.AdoptLeaving(pending.Other())
	}
	return err
}

// adoptEnded holds the pods of which nothing runs: the machine or the engine was restarted, so they come back in order.
func (s *Supervisor) adoptEnded(pods []*corev1.Pod) {
	ended := s.cluster.EndedWithEngine(pods)
	if len(ended) == 0 {
		return
	}
	s.log.Info("pods have ended; each is started again when what it depends on is ready", "pods", len(ended))
	for _, p := range pods {
		if view.Runs(p) {
			return // one crashed, nothing else
		}
	}
	for _, p := range ended {
		s.pods.LoseSandbox(p)
	}
}

// readyIn are the UIDs of the pods that a table of the agent, which may be nil, calls ready.
func readyIn(table *agent.Table) map[string]bool {
	ready := map[string]bool{}
	if table != nil {
		for _, p := range table.Pods {
			ready[p.UID] = p.Ready
		}
	}
	return ready
}

// loadStack reads the stack that the former supervisor looked after; nil if that is not known.
func (s *Supervisor) loadStack() *services.Stack {
	stack, err := SavedStack(s.cfg.Instance)
	if err != nil {
		s.log.Warn("cannot read the saved stack; waiting for the next one", "error", err)
		return nil
	}
	return stack
}
