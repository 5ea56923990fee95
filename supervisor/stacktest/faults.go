package stacktest

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/fault"
	"github.com/lyandev/lyandev/supervisor/stacktest/throwaway"
)

// pod returns a pod by its name, or a pod of the workload of that name, preferably a ready one.
func (s *Stack) pod(name string) *corev1.Pod {
	s.t.Helper()
	snap := s.c.State()
	if p := snap.Pod(name); p != nil {
		return p
	}
	found, ok := throwaway.PodOf(snap, name)
	if !ok {
		var all []string
		for _, p := range snap.Pods {
			all = append(all, p.Name)
		}
		s.t.Fatalf("cannot find a pod of %s: existing pods: %s", name, strings.Join(all, ", "))
	}
	return snap.Pod(found)
}

// containers returns the engine's IDs of the running containers of a pod.
func (s *Stack) containers(name string) []string {
	s.t.Helper()
	p := s.pod(name)
	var out []string
	for _, c := range p.Status.ContainerStatuses {
		if c.State.Running != nil {
			id, err := s.c.ContainerID(p.Name, c.Name)
			if err != nil {
				s.t.Fatal(err)
			}
			out = append(out, id)
		}
	}
	if len(out) == 0 {
		s.t.Fatalf("cannot find a running container of pod %s", p.Name)
	}
	return out
}

func (s *Stack) eachContainer(name, verb string, do func(ctx context.Context, id string) error) {
	s.t.Helper()
	for _, id := range s.containers(name) {
		if err := do(s.t.Context(), id); err != nil {
			s.t.Fatalf("cannot %s %s: %v", verb, name, err)
		}
	}
}

// Kill sends SIGKILL to the containers of a pod. name is a pod or a workload. The supervisor restarts them.
func (s *Stack) Kill(name string) {
	s.t.Helper()
	s.eachContainer(name, "kill", func(ctx context.Context, id string) error { return s.c.Engine().KillContainer(ctx, id, "SIGKILL") })
}

// Pause pauses the containers of a pod, so that they stop answering.
func (s *Stack) Pause(name string) {
	s.t.Helper()
	s.eachContainer(name, "pause", s.c.Engine().PauseContainer)
}

// Unpause unpauses the containers of a pod.
func (s *Stack) Unpause(name string) {
	s.t.Helper()
	s.eachContainer(name, "unpause", s.c.Engine().UnpauseContainer)
}

// Disconnect disconnects a pod from the network until Reconnect, or for an hour at most.
func (s *Stack) Disconnect(name string) {
	s.t.Helper()
	id, net := s.attached(name)
	ip, err := netip.ParseAddr(s.pod(name).Status.PodIP)
	if err != nil {
		s.t.Fatalf("cannot disconnect %s: %v", name, err)
	}
	cut := []fault.Fault{{Kind: fault.Cut, Container: id, Network: net, IP: ip}}
	forget, err := fault.Remember(s.c.Home(), "test-"+id, time.Now().Add(time.Hour), cut)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.c.Engine().DisconnectNetwork(s.t.Context(), net, id); err != nil {
		forget()
		s.t.Fatal(err)
	}
	s.reconnect[id] = func(ctx context.Context) error {
		defer forget()
		return fault.Undo(ctx, s.c.Engine(), cut)
	}
}

// Reconnect reconnects a disconnected pod to the network, with the same address. A pod that is connected is left as it is.
func (s *Stack) Reconnect(name string) {
	s.t.Helper()
	id, _ := s.attached(name)
	back := s.reconnect[id]
	if back == nil {
		return
	}
	delete(s.reconnect, id)
	if err := back(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// attached returns the container that owns a pod's network (its sandbox, else its only container), and the network.
func (s *Stack) attached(name string) (container, network string) {
	s.t.Helper()
	p := s.pod(name)
	list, err := s.c.Engine().ListContainers(s.t.Context(), map[string]string{services.ProjectLabel: s.c.Name(), "dev.lyandev.pod": p.Name})
	if err != nil {
		s.t.Fatal(err)
	}
	list = slices.DeleteFunc(list, func(c engine.Container) bool { return c.State != engine.StateRunning && c.State != engine.StatePaused })
	slices.SortFunc(list, func(a, b engine.Container) int { return rank(a) - rank(b) })
	if len(list) == 0 {
		s.t.Fatalf("cannot find a running container of pod %s", p.Name)
	}
	return list[0].ID, s.c.Name() + "_default"
}

func rank(c engine.Container) int {
	if c.Labels["dev.lyandev.kind"] == "sandbox" {
		return 0
	}
	return 1
}
