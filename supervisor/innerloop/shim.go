package innerloop

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/livesync"
	"github.com/lyandev/lyandev/supervisor/shim"
)

// ShimAnnotation "false" keeps the init shim out of a pod: sync+restart then restarts its containers. Plain pods never have it.
const ShimAnnotation = "dev.lyandev/shim"

// shimKind is the kind label of the volume that holds the shim. It is a cache: down removes it.
const shimKind = "shim"

func shimmed(p *corev1.Pod) bool {
	return p.Annotations[ShimAnnotation] != "false" && !services.PlainPod(p)
}

// shimSocket names a container's shim; the name of an abstract socket has 107 bytes at most.
func shimSocket(p *corev1.Pod, container string) string {
	uid := string(p.UID)
	return uid[:min(13, len(uid))] + "/" + container
}

// Wrap mounts the shim's volume into containers that files are synced to, and puts the shim before the command of those
// whose process it restarts. It blocks until the volume is filled.
func (l *Loop) Wrap(ctx context.Context, p *corev1.Pod, c *corev1.Container, spec *engine.ContainerSpec) error {
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
	volume, err := l.ensureVolume(ctx)
	if err != nil {
		return err
	}
	spec.Mounts = append(spec.Mounts, engine.Mount{Volume: volume, Target: shim.MountPath, ReadOnly: true, NoCopy: true})
	if !init {
		return nil
	}
	return l.underShim(ctx, p, c, spec)
}

// underShim makes the shim the entrypoint, and the container's command (or the image's) its arguments.
func (l *Loop) underShim(ctx context.Context, p *corev1.Pod, c *corev1.Container, spec *engine.ContainerSpec) error {
	img, err := l.cfg.Engine.InspectImage(ctx, spec.Image)
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

// shimVolume is the volume with this binary in it, one per project.
type shimVolume struct {
	mu sync.Mutex
	// name is "" until the volume is filled.
	name string
}

// prepareVolume makes the volume before the first pod needs it.
func (l *Loop) prepareVolume() {
	l.start(func() {
		if _, err := l.ensureVolume(l.ctx); err != nil && l.ctx.Err() == nil {
			l.cfg.Log.Debug("cannot make the shim's volume yet", "error", err)
		}
	})
}

// ensureVolume finds or makes the volume and returns its name. It blocks until the volume is filled.
func (l *Loop) ensureVolume(ctx context.Context) (string, error) {
	v := &l.shims
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.name != "" {
		return v.name, nil
	}
	image, hash, err := l.cfg.HelperImage(ctx)
	if err != nil {
		return "", err
	}
	name := l.cfg.Instance.Name + "_lyandev-shim-" + hash
	if err := l.fillVolume(ctx, name, image, hash); err != nil {
		return "", fmt.Errorf("cannot make the volume of the init shim: %w", err)
	}
	l.removeVolumes(ctx, name)
	v.name = name
	return name, nil
}

// fillVolume copies the binary into the volume, unless a file named by its hash is there already. It uses a container that
// is never started.
func (l *Loop) fillVolume(ctx context.Context, name, image, hash string) error {
	eng := l.cfg.Engine
	if err := eng.CreateVolume(ctx, engine.VolumeSpec{Name: name, Labels: l.cfg.Labels(shimKind)}); err != nil {
		return err
	}
	if l.cfg.SameHost != nil && l.cfg.SameHost() {
		if root := engine.HostVolume(ctx, eng, name); root != nil {
			defer root.Close()
			return l.fillDirectly(root, hash)
		}
	}
	spec := engine.ContainerSpec{
		Name: l.cfg.Instance.Name + "-shim-fill", Image: image, Cmd: []string{"sandbox"}, Labels: l.cfg.Labels("shim-fill"),
		Mounts: []engine.Mount{{Volume: name, Target: shim.MountPath}},
	}
	id, err := eng.CreateContainer(ctx, spec)
	if engine.IsConflict(err) { // left by a supervisor that was killed
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
	err = copyTo(ctx, eng, id, shim.MountPath, func(w io.Writer) error { return livesync.BinaryArchive(w, l.cfg.Binary, "") })
	if err != nil {
		return err
	}
	return copyTo(ctx, eng, id, shim.MountPath, func(w io.Writer) error {
		t := tar.NewWriter(w)
		err := t.WriteHeader(&tar.Header{Name: hash, Mode: 0o444})
		return errors.Join(err, t.Close())
	})
}

// fillDirectly is fillVolume for a volume that this process can reach.
func (l *Loop) fillDirectly(root *os.Root, hash string) error {
	if _, err := root.Lstat(hash); err == nil {
		return nil
	}
	in, err := os.Open(l.cfg.Binary)
	if err != nil {
		return fmt.Errorf("cannot read lyandev's own binary: %w", err)
	}
	defer in.Close()
	name := path.Base(shim.Binary)
	if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a supervisor that was killed
		return err
	}
	out, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o700)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Chmod(0o755), out.Close()); err != nil {
		return err
	}
	return root.WriteFile(hash, nil, 0o444)
}

// RemoveVolumes removes the project's shim volumes. One that a container still uses stays.
func (l *Loop) RemoveVolumes(ctx context.Context) { l.removeVolumes(ctx, "") }

// removeVolumes removes the project's shim volumes except keep.
func (l *Loop) removeVolumes(ctx context.Context, keep string) {
	labels := maps.Clone(l.cfg.Labels(shimKind))
	delete(labels, services.DirLabel) // the directory may have been moved
	list, err := l.cfg.Engine.ListVolumes(ctx, labels)
	if err != nil {
		return // the next supervisor tries again
	}
	for _, v := range list {
		if v.Name != keep {
			_ = l.cfg.Engine.RemoveVolume(ctx, v.Name)
		}
	}
}
