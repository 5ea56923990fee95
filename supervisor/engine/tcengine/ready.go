package tcengine

import (
	"context"
	"fmt"

	"github.com/testcontainers/testcontainers-go/wait"
)

// podLabel names the pod of a container.
const podLabel = "dev.lyandev.pod"

// Ready is a testcontainers wait strategy: it waits until the container's pod is Ready, as its probes and operator determine. A
// container that is not part of a pod waits for the whole stack.
type Ready struct {
	// Wait waits for a pod, or for the whole stack ("").
	Wait func(ctx context.Context, pod string) error
}

var _ wait.Strategy = Ready{}

// WaitUntilReady implements wait.Strategy. It blocks until ready or until ctx ends.
func (r Ready) WaitUntilReady(ctx context.Context, target wait.StrategyTarget) error {
	if target == nil {
		return r.Wait(ctx, "")
	}
	c, err := target.Inspect(ctx)
	if err != nil {
		return fmt.Errorf("cannot wait for readiness: %w", err)
	}
	pod := ""
	if c.Config != nil {
		pod = c.Config.Labels[podLabel]
	}
	return r.Wait(ctx, pod)
}
