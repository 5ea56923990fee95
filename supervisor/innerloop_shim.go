package supervisor

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/livesync"
	"github.com/lyandev/lyandev/supervisor/shim"
)

// ShimAnnotation "false" keeps the init shim out of a pod: sync+restart restarts its containers then.
const ShimAnnotation = "dev.lyandev/shim"

// shimKind is the kind label of the volume that holds the shim. It is a cache: down removes it.
const shimKind = "shim"

func shimmed(p *corev1.Pod) bool { return p.Annotations[ShimAnnotation] != "false" }

// shimSocket names a container's shim; the name of an abstract socket has 107 bytes at most.
func shimSocket(p *corev1.Pod, container string) string {
	uid := string(p.UID)
	return uid[:min(13, len(uid))] + "/" + container
}

// wrap mounts the shim's volume into containers that files are synced to, and puts the shim before the command of those
// whose process is restarted by it.
func (l *innerLoop) wrap(ctx context.Context, p *corev1.Pod, c *corev1.Container, spec *engine.ContainerSpec) error {
	l.mu.Lock()
	stack, off := l.stack, l.off
	l.mu.Unlock()
	if off || stack == nil || !shimmed(p) {
		return nil
	}
	x := stack.Workload(p.Labels[services.WorkloadLabel])
	if x == nil {
		return nil
	}
	mount, init := false, false
	for _, r := range x.Watch {
		if r.Container == c.Name {
			mount, init = mount || syncs(r.Action), init || r.Action == actionSyncRestart
		}
	}
	if !mount {
		return nil
	}
	volume, err := l.shims.ensure(ctx, l.s)
	if err != nil {
		return err
	}
	spec.Mounts = append(spec.Mounts, engine.Mount{Volume: volume, Target: shim.MountPath, ReadOnly: true, NoCopy: true})
	if !init {
		return nil
	}
	return l.underShim(ctx, p, c, spec)
}

// underShim makes the shim the entrypoint and the command, which may be the image's, its arguments.
func (l *innerLoop) underShim(ctx context.Context, p *corev1.Pod, c *corev1.Container, spec *engine.ContainerSpec) error {
	img, err := l.s.cfg.Engine.InspectImage(ctx, spec.Image)
	if err != nil {
		return err
	}
	command, args := spec.Entrypoint, spec.Cmd
	if command == nil {
		command = img.Entrypoint
		if args == nil {
			args = img.Cmd
		}
	}
	if len(command)+len(args) == 0 {
		return nil // the engine says that there is no command
	}
	signal := spec.StopSignal
	if signal == "" {
		signal = img.StopSignal
	}
	spec.Entrypoint = append(shim.Args(shimSocket(p, c.Name), signal), command...)
	spec.Cmd = args
	return nil
}

// shimVolume is the volume with this binary in it, one a project.
type shimVolume struct {
	mu   sync.Mutex
	name string
}

// prepare makes the volume while nobody waits for it yet.
func (v *shimVolume) prepare(l *innerLoop) {
	l.wg.Go(func() {
		if _, err := v.ensure(l.ctx, l.s); err != nil && l.ctx.Err() == nil {
			l.s.log.Debug("cannot make the shim's volume yet", "error", err)
		}
	})
}

// ensure finds the volume, or makes it, and gives its name. It blocks until it is filled.
func (v *shimVolume) ensure(ctx context.Context, s *Supervisor) (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.name != "" {
		return v.name, nil
	}
	image, hash, err := s.fabric.agentImage(ctx)
	if err != nil {
		return "", err
	}
	name := s.cfg.Instance.Name + "_lyandev-shim-" + hash
	if err := fillShim(ctx, s, name, image, hash); err != nil {
		return "", fmt.Errorf("cannot make the volume of the init shim: %w", err)
	}
	removeShims(ctx, s, name)
	v.name = name
	return name, nil
}

// fillShim copies the binary into the volume, unless its mark says that it is there. The volume is reached through a
// container that is never started.
func fillShim(ctx context.Context, s *Supervisor, name, image, hash string) error {
	eng := s.cfg.Engine
	if err := eng.CreateVolume(ctx, name, s.fabric.labels(shimKind)); err != nil {
		return err
	}
	spec := engine.ContainerSpec{
		Name: s.cfg.Instance.Name + "-shim-fill", Image: image, Cmd: []string{"sandbox"}, Labels: s.fabric.labels("shim-fill"),
		Mounts: []engine.Mount{{Volume: name, Target: shim.MountPath}},
	}
	id, err := eng.CreateContainer(ctx, spec)
	if engine.IsConflict(err) { // a supervisor that was killed left it
		if err := eng.RemoveContainer(ctx, spec.Name); err != nil {
			return err
		}
		id, err = eng.CreateContainer(ctx, spec)
	}
	if err != nil {
		return err
	}
	defer func() { _ = eng.RemoveContainer(context.WithoutCancel(ctx), id) }()
	rc, err := eng.CopyFrom(ctx, id, shim.MountPath+"/"+hash)
	if err == nil {
		return rc.Close()
	}
	if !engine.IsNotFound(err) {
		return err
	}
	r, w := io.Pipe()
	go func() { _ = w.CloseWithError(livesync.BinaryArchive(w, s.cfg.Binary, "")) }()
	if err := eng.CopyTo(ctx, id, shim.MountPath, r); err != nil {
		return err
	}
	r, w = io.Pipe()
	go func() {
		t := tar.NewWriter(w)
		err := t.WriteHeader(&tar.Header{Name: hash, Mode: 0o444})
		_ = w.CloseWithError(errors.Join(err, t.Close()))
	}()
	return eng.CopyTo(ctx, id, shim.MountPath, r)
}

// removeShims removes the project's shim volumes but the one to keep; one that a container still has stays.
func removeShims(ctx context.Context, s *Supervisor, keep string) {
	list, err := s.cfg.Engine.ListVolumes(ctx, map[string]string{services.ProjectLabel: s.cfg.Instance.Name, kindLabel: shimKind})
	if err != nil {
		return
	}
	for _, v := range list {
		if v.Name != keep {
			_ = s.cfg.Engine.RemoveVolume(ctx, v.Name)
		}
	}
}
