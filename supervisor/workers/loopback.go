package workers

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod/dockerpod"
)

// loopbackRetry is how long after a failure to serve a container's loopback it is tried again.
const loopbackRetry = 2 * time.Second

// loopbacks serves ports of the loopback of containers with services.LocalhostLabel: those of plain services, which have no sandbox.
// A second container joins the network namespace and forwards the ports. Docker makes a new namespace at every start of a container,
// so each start needs a new second container; it also goes when the container ends.
type loopbacks struct {
	w *Workers

	mu sync.Mutex
	// busy are the containers being looked at, by ID; true if one is to be looked at again.
	busy map[string]bool
}

// look makes a container's loopback as it should be now. It returns at once.
func (l *loopbacks) look(id string) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	if l.w.closed || !l.begin(id) {
		return
	}
	l.w.running.Go(func() {
		for {
			err := l.w.serveLoopback(l.w.ctx, id)
			if err != nil && l.w.ctx.Err() == nil {
				l.w.log.Warn("cannot serve ports of a container's loopback", "container", id, "error", err)
				l.begin(id)
				wait(l.w.ctx, loopbackRetry)
			}
			if l.over(id) {
				return
			}
		}
	})
}

// begin is false if the container is being looked at already; then that is done once more.
func (l *loopbacks) begin(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, busy := l.busy[id]
	l.busy[id] = busy
	return !busy
}

func (l *loopbacks) over(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.busy[id] && l.w.ctx.Err() == nil {
		l.busy[id] = false
		return false
	}
	delete(l.busy, id)
	return true
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// serveLoopback looks at one container, and makes or removes the container that serves its loopback.
func (w *Workers) serveLoopback(ctx context.Context, id string) error {
	c, err := w.cfg.Engine.InspectContainer(ctx, id)
	if err != nil && !engine.IsNotFound(err) {
		return err
	}
	start := ""
	if c.State == engine.StateRunning || c.State == engine.StatePaused {
		start = c.Started.Format(time.RFC3339Nano)
	}
	served, err := w.removeLoopbacks(ctx, map[string]string{dockerpod.LoopbackOfLabel: id}, func(h engine.Container) bool {
		return start != "" && h.Labels[dockerpod.StartLabel] == start && h.State == engine.StateRunning
	})
	if err != nil || served || start == "" {
		return err
	}
	image, err := w.cfg.SandboxImage(ctx)
	if err != nil {
		return err
	}
	helper, err := w.cfg.Engine.CreateContainer(ctx, engine.ContainerSpec{
		Name: c.Name + "-localhost", Image: image, Cmd: []string{"sandbox", c.Labels[services.LocalhostLabel]}, NetworkContainer: id, CPUShares: 2,
		CapDrop: []string{"ALL"}, ReadOnlyRootFS: true, SecurityOpt: []string{"no-new-privileges"},
		Labels: map[string]string{
			services.ProjectLabel: w.cfg.Project, services.DirLabel: w.cfg.Dir, services.KindLabel: dockerpod.KindLoopback,
			dockerpod.LoopbackOfLabel: id, dockerpod.StartLabel: start,
			"com.docker.compose.project": w.cfg.Project, "com.docker.compose.oneoff": "True",
		},
	})
	if err == nil {
		err = w.cfg.Engine.StartContainer(ctx, helper)
	}
	return err
}

// removeLoopbacks removes the containers with labels that serve a loopback, but for those to keep; kept is true if there is one.
func (w *Workers) removeLoopbacks(ctx context.Context, labels map[string]string, keep func(engine.Container) bool) (kept bool, err error) {
	labels[services.ProjectLabel], labels[services.KindLabel] = w.cfg.Project, dockerpod.KindLoopback
	list, err := w.cfg.Engine.ListContainers(ctx, labels)
	if err != nil {
		return false, err
	}
	var errs []error
	for _, h := range list {
		if keep(h) {
			kept = true
			continue
		}
		errs = append(errs, w.cfg.Engine.RemoveContainer(ctx, h.ID))
	}
	return kept, errors.Join(errs...)
}

// SweepLoopbacks removes the containers that serve the loopback of one that is gone.
func (w *Workers) SweepLoopbacks(ctx context.Context) error {
	list, err := w.cfg.Engine.ListContainers(ctx, map[string]string{services.ProjectLabel: w.cfg.Project})
	if err != nil {
		return err
	}
	_, err = w.removeLoopbacks(ctx, map[string]string{}, func(h engine.Container) bool {
		return slices.ContainsFunc(list, func(c engine.Container) bool { return c.ID == h.Labels[dockerpod.LoopbackOfLabel] })
	})
	return err
}

// lookAtLoopbacks looks at all containers with ports of their loopback that lead elsewhere: what happened to them before the engine's
// events were followed is not known.
func (w *Workers) lookAtLoopbacks(ctx context.Context) {
	list, err := w.cfg.Engine.ListContainers(ctx, map[string]string{services.ProjectLabel: w.cfg.Project, services.LocalhostLabel: ""})
	if err != nil {
		w.log.Warn("cannot list the containers with ports of their loopback", "error", err)
	}
	for _, c := range list {
		w.loopbacks.look(c.ID)
	}
}
