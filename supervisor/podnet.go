package supervisor

import (
	"cmp"

	"github.com/lyandev/lyandev/supervisor/network"
	"github.com/lyandev/lyandev/supervisor/podnet"
)

// newNetwork makes the stack's network. It is given the way to put pods back by SetRejoin.
func (s *Supervisor) newNetwork() *podnet.Network {
	cfg := podnet.Config{
		Engine: s.cfg.Engine, Instance: s.cfg.Instance, Image: s.image.Ensure, Log: s.log,
		Changed: func() { s.post(lookAgain{"the network"}) },
		Event: func(kind, name, typ, reason, message string) {
			s.event(kind, cmp.Or(name, nodeName), typ, reason, "%s", message)
		},
		Warn: func(text string) { s.engineWarned("Agent", s.cfg.Instance.Name, text) },
	}
	if s.cfg.Simulation != nil {
		cfg.Client = s.cfg.Simulation.Agent
	}
	return podnet.New(cfg)
}

// Endpoints is the service registry as of the latest snapshot.
func (s *Supervisor) Endpoints() network.Registry {
	snap := s.store.Latest()
	return network.NewRegistry(snap.Project, s.podnet.Complete(network.View{Services: snap.Services, Pods: snap.Pods}))
}
