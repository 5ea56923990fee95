package supervisor

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/pod/dockerpod"
	"github.com/lyandev/lyandev/supervisor/state"
)

// Observe tells what runs of an instance when no supervisor does: pods from their labels, without what only a supervisor
// knows (readiness, holds).
func Observe(ctx context.Context, eng engine.Engine, i *instance.Instance) (*state.Status, error) {
	unknown := func(pod string) (netip.Addr, error) {
		return netip.Addr{}, fmt.Errorf("cannot tell the address of pod %s: no supervisor is running", pod)
	}
	r := dockerpod.New(dockerpod.Config{Engine: eng, Project: i.Name, Network: i.Name + "_default", PodIP: unknown})
	pods, err := r.Observe(ctx)
	if err != nil {
		return nil, err
	}
	showSaved(i, pods)
	return &state.Status{
		Time: time.Now(), Project: i.Name, Dir: i.Dir, Phase: state.Stopped, Pods: pods,
		Message: "no supervisor looks after it: `lyandev up` takes it over as it is, `lyandev down` stops it",
	}, nil
}
