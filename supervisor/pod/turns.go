package pod

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/probe"
)

// turns is the order in which the containers of a pod get their stop signal (R117): ordinary containers and plain init
// containers at once, a sidecar after all ordinary containers and all later sidecars have ended.
type turns struct {
	// gone is closed when the instance of that ID has ended.
	gone map[string]chan struct{}
	// before lists, for each container, the instances that must end first.
	before map[string][]string
}

// newTurns orders the stops of the running instances.
func newTurns(spec *corev1.PodSpec, running []Instance) *turns {
	t := &turns{gone: map[string]chan struct{}{}, before: map[string][]string{}}
	sidecar, plain := map[string]int{}, map[string]bool{}
	for i := range spec.InitContainers {
		if c := &spec.InitContainers[i]; probe.IsSidecar(c) {
			sidecar[c.Name] = len(spec.InitContainers) - i
		} else {
			plain[c.Name] = true
		}
	}
	for _, inst := range running {
		t.gone[inst.ID] = make(chan struct{})
		for _, other := range running {
			if !plain[other.Container] && sidecar[inst.Container] > sidecar[other.Container] {
				t.before[inst.Container] = append(t.before[inst.Container], other.ID)
			}
		}
	}
	return t
}

// wait blocks until the container's turn, or until left has passed, or ctx ends.
func (t *turns) wait(ctx context.Context, container string, left time.Duration) {
	timer := time.NewTimer(left)
	defer timer.Stop()
	for _, id := range t.before[container] {
		select {
		case <-t.gone[id]:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// ended says that an instance has ended. It is called once for each.
func (t *turns) ended(id string) { close(t.gone[id]) }
