package supervisor

import (
	"cmp"
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/agent"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/network"
	"github.com/lyandev/lyandev/supervisor/podnet"
	"github.com/lyandev/lyandev/supervisor/resources"
)

// newNetwork makes the stack's network. It is given the way to put pods back by SetRejoin.
func (s *Supervisor) newNetwork() *podnet.Network {
	cfg := podnet.Config{
		Engine: engine.Uncut(s.cfg.Engine), Instance: s.cfg.Instance, Image: s.image.Ensure, Log: s.log,
		Datapath: s.cfg.Datapath,
		Changed:  func() { s.post(lookAgain{"the network"}) },
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

// newResources makes the networks and volumes of plain services.
func (s *Supervisor) newResources() *resources.Maker {
	return resources.New(resources.Config{
		Engine: engine.Uncut(s.cfg.Engine), Instance: s.cfg.Instance, Leave: s.podnet.Leave,
		Note: func(reason, message string) {
			s.event("Node", nodeName, corev1.EventTypeWarning, reason, "%s", message)
		},
	})
}

// ensureNetwork brings up the networks and volumes of a stack and the agent, within a minute. The end of ctx does not stop it half
// way, since the stack that runs may need the agent that is being replaced; Stop does.
// warn is told what is not as the file says.
func (s *Supervisor) ensureNetwork(ctx context.Context, stack *services.Stack, auto bool, warn func(text string)) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	defer context.AfterFunc(s.callers.over, cancel)()
	r, err := s.networkRequest(stack)
	if err != nil {
		return err
	}
	if r.Foreign, err = s.resources.Telling(warn).Ensure(ctx, stack, r.Needs); err != nil {
		return err
	}
	return s.podnet.Ensure(ctx, r, auto)
}

// ensureHelperImage makes the image of the containers that serve the loopback of plain services, if the stack has any: they are made
// while the service's container starts already.
func (s *Supervisor) ensureHelperImage(ctx context.Context, stack *services.Stack) error {
	for _, x := range stack.Workloads {
		if !x.Plain() {
			continue
		}
		c, err := compose.Decode(x.PodMeta().Annotations[compose.Annotation], s.cfg.Instance.Name)
		if err != nil || c.Localhost == "" {
			continue // a container that cannot be read is told of when it is made
		}
		_, _, err = s.image.Ensure(ctx)
		return err
	}
	return nil
}

func (s *Supervisor) networkRequest(stack *services.Stack) (podnet.Request, error) {
	needs, err := network.NeedsOf(stack, s.cfg.Instance.Name)
	return podnet.Request{Needs: needs, Settings: resources.DefaultNetwork(stack, s.cfg.Instance.Name)}, err
}

// adoptNetwork takes over the network of the saved stack, or of any stack if none was saved.
func (s *Supervisor) adoptNetwork(ctx context.Context) (*agent.Table, error) {
	stack := s.loadStack()
	if stack == nil {
		return s.podnet.Adopt(ctx, podnet.Everything())
	}
	r, err := s.networkRequest(stack)
	if err == nil {
		r.Foreign, err = s.resources.Foreign(ctx, stack, r.Needs)
	}
	if err != nil {
		return nil, err
	}
	if s.early.Load() { // nothing is to be started: an agent that is there is used, none is made
		r.Agent = false
	}
	return s.podnet.Adopt(ctx, r)
}

// Endpoints is the service registry as of the latest snapshot.
func (s *Supervisor) Endpoints() network.Registry {
	snap := s.store.Latest()
	return network.NewRegistry(snap.Project, s.podnet.Complete(network.View{Services: snap.Services, Pods: snap.Pods}))
}
