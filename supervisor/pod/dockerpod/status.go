package dockerpod

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/backoff"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod"
)

// Status implements pod.Sandboxes.
func (r *Runtime) Status(ctx context.Context, p *corev1.Pod) (pod.Observed, error) {
	list, err := r.list(ctx, p.UID)
	if err != nil {
		return pod.Observed{}, err
	}
	var o pod.Observed
	for _, c := range list {
		if c.Labels[KindLabel] == kindSandbox {
			o.Sandbox = r.newerSandbox(o.Sandbox, c, p)
			continue
		}
		o.Instances = append(o.Instances, r.instance(ctx, p, c))
	}
	if !needsSandbox(p) {
		o.Sandbox = r.virtualSandbox(p, o.Instances)
	}
	return o, nil
}

func (r *Runtime) newerSandbox(have *pod.Sandbox, c engine.Container, p *corev1.Pod) *pod.Sandbox {
	attempt, _ := strconv.Atoi(c.Labels[AttemptLabel])
	if have != nil && have.Attempt > attempt {
		return have
	}
	s := &pod.Sandbox{Ready: c.State == engine.StateRunning, Attempt: attempt, Created: c.Created}
	if ip, err := r.cfg.PodIP(p.Name); err == nil {
		s.IP = ip.String()
	}
	return s
}

// virtualSandbox is the sandbox of a pod without a sandbox container: it is there as long as the pod is, and a supervisor
// that finds an instance knows that it was there.
func (r *Runtime) virtualSandbox(p *corev1.Pod, instances []pod.Instance) *pod.Sandbox {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.virtual[p.UID]
	if s == nil && len(instances) > 0 {
		s = &pod.Sandbox{Ready: true, Created: instances[0].Created}
		if ip, err := r.cfg.PodIP(p.Name); err == nil {
			s.IP = ip.String()
		}
		r.virtual[p.UID] = s
	}
	if s == nil {
		return nil
	}
	c := *s
	return &c
}

// instance is one container as the pod worker sees it.
func (r *Runtime) instance(ctx context.Context, p *corev1.Pod, c engine.Container) pod.Instance {
	attempt, _ := strconv.Atoi(c.Labels[AttemptLabel])
	i := pod.Instance{
		Container: c.Labels[ContainerLabel], ID: c.ID, Attempt: attempt, Image: c.Image, ImageID: c.ImageID,
		Created: c.Created, Started: c.Started, Finished: c.Exited, ExitCode: int32(c.ExitCode),
	}
	if text := c.Labels[BackOffLabel]; text != "" {
		e := new(backoff.Entry)
		if json.Unmarshal([]byte(text), e) == nil {
			i.BackOff = e
		}
	}
	r.mu.Lock()
	stopped, failure := r.stopped[c.ID], r.failed[c.ID]
	r.mu.Unlock()
	switch c.State {
	case engine.StateCreated:
		i.State = pod.Created
		if c.Error != "" || failure.err != "" { // it could not be started (R61)
			i.State, i.ExitCode, i.Reason, i.Message = pod.Exited, 128, "StartError", c.Error
			i.Finished = failure.at
			if failure.err != "" {
				i.Message = failure.err
			}
			if i.Finished.IsZero() {
				i.Finished = c.Created
			}
		}
	case engine.StateRunning, engine.StatePaused, engine.StateRestarting:
		i.State, i.Finished = pod.Running, i.Finished.Truncate(0)
	case engine.StateExited, engine.StateDead:
		i.State = pod.Exited
		// The flag stays set after the OOM kill of a child, so it counts only with the kill's own exit code (FAULTS 22).
		if c.OOMKilled && c.ExitCode == 137 && !stopped {
			i.Reason = "OOMKilled"
		}
		i.Message = r.terminationMessage(ctx, p, c)
	default:
		i.State = pod.Unclear
	}
	return i
}

const (
	maxMessage  = 4096
	maxLogBytes = 2048
	maxLogLines = 80
)

// terminationMessage is what an ended instance wrote as its last words, or, if its policy says so and it failed without
// any, the end of its log (R160, R161).
func (r *Runtime) terminationMessage(ctx context.Context, p *corev1.Pod, c engine.Container) string {
	spec := containerOf(p, c.Labels[ContainerLabel])
	if r.cfg.TerminationDir != "" {
		if b, err := os.ReadFile(r.terminationFile(c.Name)); err == nil && len(b) > 0 {
			return tail(b, maxMessage)
		}
	}
	if spec == nil || spec.TerminationMessagePolicy != corev1.TerminationMessageFallbackToLogsOnError || c.ExitCode == 0 {
		return ""
	}
	rc, err := r.cfg.Engine.Logs(ctx, c.ID, engine.LogOptions{Tail: maxLogLines})
	if err != nil {
		return ""
	}
	defer rc.Close()
	b, _ := io.ReadAll(bufio.NewReader(rc))
	return tail(b, maxLogBytes)
}

func tail(b []byte, n int) string {
	return string(bytes.ToValidUTF8(b[max(0, len(b)-n):], nil))
}

func containerOf(p *corev1.Pod, name string) *corev1.Container {
	for _, list := range [][]corev1.Container{p.Spec.InitContainers, p.Spec.Containers} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	return nil
}

// Observe makes pods again of the containers that are there: metadata and spec from the label, the address and the start
// from the containers. Their workers learn the rest by Status. Pods of other projects are not seen.
func (r *Runtime) Observe(ctx context.Context) ([]*corev1.Pod, error) {
	list, err := r.cfg.Engine.ListContainers(ctx, map[string]string{services.ProjectLabel: r.cfg.Project, ManifestLabel: ""})
	if err != nil {
		return nil, err
	}
	newest := map[string]engine.Container{}
	for _, c := range list {
		uid := c.Labels[UIDLabel]
		if old, ok := newest[uid]; !ok || c.Created.After(old.Created) {
			newest[uid] = c
		}
	}
	addresses := map[string]string{}
	for _, c := range list {
		if ip, ok := c.IPs[r.cfg.Network]; ok && ip.IsValid() {
			addresses[c.Labels[UIDLabel]] = ip.String()
		}
	}
	var out []*corev1.Pod
	for uid, c := range newest {
		p := new(corev1.Pod)
		if err := json.Unmarshal([]byte(c.Labels[ManifestLabel]), p); err != nil {
			return nil, fmt.Errorf("cannot read the pod of container %s from its label: %w; remove the container by hand", c.Name, err)
		}
		p.Status.PodIP = addresses[uid]
		if p.Status.PodIP != "" {
			p.Status.PodIPs = []corev1.PodIP{{IP: p.Status.PodIP}}
		}
		p.Status.Phase = corev1.PodPending
		out = append(out, p)
	}
	return out, nil
}

