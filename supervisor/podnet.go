package supervisor

import (
	"cmp"
	"context"

	"github.com/lyandev/lyandev/supervisor/network"
	"github.com/lyandev/lyandev/supervisor/podnet"
)

// newNetwork makes the stack's network, which puts pods back through the pods' runtime.
func (s *Supervisor) newNetwork() *podnet.Network {
	return podnet.New(podnet.Config{
		Engine: s.cfg.Engine, Instance: s.cfg.Instance, Image: s.image.Ensure, Log: s.log,
		Changed: func() { s.post(func() {}) }, // a message makes a look
		Event: func(kind, name, typ, reason, message string) {
			s.event(kind, cmp.Or(name, nodeName), typ, reason, "%s", message)
		},
		Warn:   func(text string) { s.engineWarned("Agent", s.cfg.Instance.Name, text) },
		Rejoin: func(ctx context.Context) ([]string, error) { return s.pods.Rejoin(ctx) },
	})
}

// offerTable gives the network what the endpoint table is made from. Called by the loop.
func (s *Supervisor) offerTable() {
	w := s.world
	if w.stack == nil {
		s.podnet.Offer(nil)
		return
	}
	s.podnet.Offer(&network.View{Pods: sorted(w.pods), Services: w.services(), Ingresses: w.stack.Ingresses})
}

// Endpoints is the service registry as of the latest snapshot.
func (s *Supervisor) Endpoints() network.Registry {
	snap := s.store.Latest()
	return network.NewRegistry(snap.Project, s.podnet.Complete(network.View{Services: snap.Services, Pods: snap.Pods}))
}
