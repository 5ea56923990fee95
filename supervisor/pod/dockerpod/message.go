package dockerpod

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod"
)

const defaultMessagePath = "/dev/termination-log"

func messagePath(c *corev1.Container) string {
	if c.TerminationMessagePath == "" {
		return defaultMessagePath
	}
	return c.TerminationMessagePath
}

// messageMount binds a file of the host for a message below /dev: that is a tmpfs of the container's, gone when it ends.
func (r *Runtime) messageMount(c *corev1.Container, spec *engine.ContainerSpec) error {
	target := messagePath(c)
	if r.cfg.MessageDir == "" || !strings.HasPrefix(target, "/dev/") {
		return nil
	}
	file := r.messageFile(spec.Name)
	err := os.MkdirAll(filepath.Dir(file), 0o755)
	if err == nil {
		err = os.WriteFile(file, nil, 0o666)
	}
	if err == nil {
		err = os.Chmod(file, 0o666)
	}
	if err != nil {
		return fmt.Errorf("cannot create the file of the termination message: %w", err)
	}
	spec.Mounts = append(spec.Mounts, engine.Mount{Bind: file, Target: target})
	return nil
}

func (r *Runtime) messageFile(container string) string {
	return filepath.Join(r.cfg.MessageDir, container)
}

// removeMessage removes the file of a container that goes. A container that is gone already has none that is known.
func (r *Runtime) removeMessage(ctx context.Context, id string) error {
	if r.cfg.MessageDir == "" {
		return nil
	}
	c, err := r.cfg.Engine.InspectContainer(ctx, id)
	if engine.IsNotFound(err) {
		return nil
	}
	if err == nil {
		err = os.Remove(r.messageFile(c.Name))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// message is the termination message of an ended container (R160, R161). It is read once.
func (r *Runtime) message(ctx context.Context, p *corev1.Pod, e *engine.Container) string {
	r.mu.Lock()
	text, known := r.messages[e.ID]
	r.mu.Unlock()
	c := containerOf(p, e.Labels[services.ContainerLabel])
	if known || c == nil {
		return text
	}
	text, err := r.readMessage(ctx, c, e)
	if err != nil {
		r.cfg.Log.Debug("cannot read a termination message", "container", e.Name, "error", err)
		if ctx.Err() != nil {
			return ""
		}
	}
	text = pod.TerminationMessage(p, c, int32(e.ExitCode), text, func() string { return r.logTail(ctx, e.ID) })
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages[e.ID] = text
	return text
}

func containerOf(p *corev1.Pod, name string) *corev1.Container {
	for _, list := range [][]corev1.Container{p.Spec.Containers, p.Spec.InitContainers} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	return nil
}

func (r *Runtime) readMessage(ctx context.Context, c *corev1.Container, e *engine.Container) (string, error) {
	target := messagePath(c)
	if strings.HasPrefix(target, "/dev/") {
		if r.cfg.MessageDir == "" {
			return "", nil
		}
		f, err := os.Open(r.messageFile(e.Name))
		if errors.Is(err, fs.ErrNotExist) {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		defer f.Close()
		return last(f, pod.MaxMessageBytes)
	}
	rc, err := r.cfg.Engine.CopyFrom(ctx, e.ID, target)
	if engine.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer rc.Close()
	t := tar.NewReader(rc)
	if _, err := t.Next(); err != nil {
		return "", err
	}
	return last(t, pod.MaxMessageBytes)
}

// logTail is the end of a container's log.
func (r *Runtime) logTail(ctx context.Context, id string) string {
	rc, err := r.cfg.Engine.Logs(ctx, id, engine.LogOptions{Tail: pod.MaxLogTailLines})
	if err != nil {
		return ""
	}
	defer rc.Close()
	text, _ := last(rc, pod.MaxLogTailBytes)
	return text
}

// last reads to the end and keeps the last n bytes.
func last(in io.Reader, n int) (string, error) {
	var kept []byte
	buf := make([]byte, 32<<10)
	for {
		m, err := in.Read(buf)
		kept = append(kept, buf[:m]...)
		kept = kept[max(0, len(kept)-n):]
		if errors.Is(err, io.EOF) {
			return string(kept), nil
		}
		if err != nil {
			return string(kept), err
		}
	}
}
