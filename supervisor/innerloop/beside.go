package innerloop

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/livesync"
)

const (
	// besideKind is the kind of containers from which files are written into the container of a plain service.
	besideKind = "sync"
	// besideBinary is the binary in the helper image.
	besideBinary = "/lyandev"
)

// besideCaps are what it takes to enter the root directory of another container's process and to write there as root.
var besideCaps = []string{"SYS_PTRACE", "SYS_CHROOT", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID"}

// canBeBeside reports whether files are written into a pod's container from one beside it: the pod is one of a plain service, whose
// container must not have anything of ours in its layer, and its main process is number 1 of its PID namespace.
func (f *containerFiles) canBeBeside(p *corev1.Pod) bool {
	c := f.wanted(p)
	return c != nil && c.PIDOf == "" && c.Host.PidMode == ""
}

// readOnly reports whether a pod is one of a plain service whose container has a read-only root.
func (f *containerFiles) readOnly(p *corev1.Pod) bool {
	c := f.wanted(p)
	return c != nil && c.Host.ReadonlyRootfs
}

// wanted is what Docker is asked for the container of a plain service's pod, nil for any other pod.
func (f *containerFiles) wanted(p *corev1.Pod) *compose.Container {
	if !services.PlainPod(p) {
		return nil
	}
	c, err := compose.Decode(p.Annotations[compose.Annotation], f.l.cfg.Instance.Name)
	if err != nil {
		return nil
	}
	return c
}

// needsBeside reports whether files are synced to a plain service of the stack.
func needsBeside(stack *services.Stack) bool {
	return slices.ContainsFunc(stack.Workloads, func(x *services.Workload) bool { return x.Plain() && len(syncedContainers(x)) > 0 })
}

// prepareImage makes the helper image before the first edit needs it.
func (l *Loop) prepareImage() {
	l.start(func() {
		if _, _, err := l.cfg.HelperImage(l.ctx); err != nil && l.ctx.Err() == nil {
			l.cfg.Log.Debug("cannot make the helper image yet", "error", err)
		}
	})
}

// beside starts a container that shares the PID namespace of another one, and opens a channel through it. The kernel ends it with
// that namespace, so a container that was started again needs another; the engine removes it then.
func (f *containerFiles) beside(ctx context.Context, t target) (*livesync.Channel, error) {
	eng := f.l.cfg.Engine
	image, _, err := f.l.cfg.HelperImage(ctx)
	if err != nil {
		return nil, err
	}
	spec := engine.ContainerSpec{
		Name: f.l.cfg.Instance.Name + "-" + t.pod.Name + "-sync", Image: image, Cmd: []string{"sandbox"}, User: "0",
		Labels: f.l.cfg.Labels(besideKind), PIDMode: "container:" + t.id, CPUShares: 2,
		CapDrop: []string{"ALL"}, CapAdd: besideCaps, ReadOnlyRootFS: true, SecurityOpt: []string{"no-new-privileges"},
	}
	spec.Exact = spec.Full()
	spec.Exact.Host.AutoRemove = true
	id, err := eng.CreateContainer(ctx, spec)
	if engine.IsConflict(err) { // of the container's last start, or of a supervisor that is gone
		if err := eng.RemoveContainer(ctx, spec.Name); err != nil {
			return nil, err
		}
		id, err = eng.CreateContainer(ctx, spec)
	}
	if err != nil {
		return nil, err
	}
	if err = eng.StartContainer(ctx, id); err == nil {
		var ch *livesync.Channel
		if ch, err = livesync.OpenBeside(ctx, eng, id, besideBinary); err == nil {
			return ch, nil
		}
	}
	_ = eng.RemoveContainer(context.WithoutCancel(ctx), id) // else the end of its PID namespace removes it
	return nil, fmt.Errorf("cannot write files into pod %s from container %s: %w", t.pod.Name, spec.Name, err)
}
