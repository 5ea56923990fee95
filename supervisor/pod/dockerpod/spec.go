package dockerpod

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/kube"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod"
)

// spec converts a container to an engine spec, without its mounts.
func (r *Runtime) spec(ctx context.Context, q pod.CreateRequest) (engine.ContainerSpec, error) {
	spec, err := r.containerSpec(ctx, q)
	if err != nil {
		return spec, err
	}
	return spec, r.network(ctx, q.Pod, &spec)
}

// containerSpec converts a container to an engine spec, without its network and its mounts.
func (r *Runtime) containerSpec(ctx context.Context, q pod.CreateRequest) (engine.ContainerSpec, error) {
	c := q.Container
	spec := engine.ContainerSpec{
		Name: r.containerName(q), Image: c.Image, Labels: r.containerLabels(q), WorkingDir: c.WorkingDir,
		TTY: c.TTY, Stdin: c.Stdin,
		CPUShares: kube.CPUShares(c.Resources), CPUQuota: kube.CPUQuota(c.Resources), MemoryBytes: kube.MemoryLimit(c.Resources),
		Init: annotated(q.Pod, InitAnnotation, c.Name) == "true", StopSignal: annotated(q.Pod, StopSignalAnnotation, c.Name),
	}
	// command replaces the image's entrypoint and cmd, args alone its cmd (R136).
	if len(c.Command) > 0 {
		spec.Entrypoint = c.Command
	}
	if len(c.Args) > 0 {
		spec.Cmd = c.Args
	}
	for _, v := range q.Env {
		spec.Env = append(spec.Env, v.Name+"="+v.Value)
	}
	if c.Lifecycle != nil && c.Lifecycle.StopSignal != nil {
		spec.StopSignal = string(*c.Lifecycle.StopSignal)
	}
	secure(q.Pod, c, &spec)
	return spec, r.user(ctx, q.Pod, c, &spec)
}

// annotated reads an annotation that may speak of one container ("key.name") or of all of the pod ("key").
func annotated(p *corev1.Pod, key, container string) string {
	if v, ok := p.Annotations[key+"."+container]; ok {
		return v
	}
	return p.Annotations[key]
}

// network joins the sandbox, or puts the container itself on the network.
func (r *Runtime) network(ctx context.Context, p *corev1.Pod, spec *engine.ContainerSpec) error {
	sandbox, err := r.sandboxID(ctx, p)
	if err != nil {
		return err
	}
	if sandbox == "" {
		spec.Sysctls = sysctls(p)
		return r.onNetwork(p, spec)
	}
	spec.NetworkContainer = sandbox
	if share := p.Spec.ShareProcessNamespace; share != nil && *share {
		spec.PIDMode = "container:" + sandbox
	}
	return nil
}

// sandboxID is the pod's running sandbox container, "" if it has none and needs none.
func (r *Runtime) sandboxID(ctx context.Context, p *corev1.Pod) (string, error) {
	all, err := r.list(ctx, p)
	if err != nil {
		return "", err
	}
	for _, c := range all {
		if c.Labels[services.KindLabel] == KindSandbox && c.State == engine.StateRunning {
			return c.ID, nil
		}
	}
	if pod.NeedsSandbox(p) {
		return "", fmt.Errorf("cannot join the sandbox of pod %s: it is not running", p.Name)
	}
	return "", nil
}

// secure sets what is not the user (R153, R154).
func secure(p *corev1.Pod, c *corev1.Container, spec *engine.ContainerSpec) {
	if s := p.Spec.SecurityContext; s != nil {
		if s.FSGroup != nil {
			spec.GroupAdd = append(spec.GroupAdd, strconv.FormatInt(*s.FSGroup, 10))
		}
		for _, g := range s.SupplementalGroups {
			spec.GroupAdd = append(spec.GroupAdd, strconv.FormatInt(g, 10))
		}
		unconfine(s.SeccompProfile, spec)
	}
	if p.Spec.HostPID {
		spec.PIDMode = "host"
	}
	s := c.SecurityContext
	if s == nil {
		return
	}
	unconfine(s.SeccompProfile, spec)
	spec.Privileged = s.Privileged != nil && *s.Privileged
	spec.ReadOnlyRootFS = s.ReadOnlyRootFilesystem != nil && *s.ReadOnlyRootFilesystem
	if s.AllowPrivilegeEscalation != nil && !*s.AllowPrivilegeEscalation {
		spec.SecurityOpt = append(spec.SecurityOpt, "no-new-privileges")
	}
	if s.Capabilities != nil {
		for _, k := range s.Capabilities.Add {
			spec.CapAdd = append(spec.CapAdd, string(k))
		}
		for _, k := range s.Capabilities.Drop {
			spec.CapDrop = append(spec.CapDrop, string(k))
		}
	}
}

// unconfine: of the seccomp profiles only Unconfined differs from Docker's own default.
func unconfine(s *corev1.SeccompProfile, spec *engine.ContainerSpec) {
	if s != nil && s.Type == corev1.SeccompProfileTypeUnconfined {
		spec.SecurityOpt = append(spec.SecurityOpt, "seccomp=unconfined")
	}
}

// user sets uid and gid (R153). A group without a user goes with the image's user, which has to be looked up.
func (r *Runtime) user(ctx context.Context, p *corev1.Pod, c *corev1.Container, spec *engine.ContainerSpec) error {
	s := pod.SecurityOf(p, c)
	spec.User = annotated(p, UserAnnotation, c.Name)
	if s.RunAsUser != nil {
		spec.User = strconv.FormatInt(*s.RunAsUser, 10)
	}
	if s.RunAsGroup == nil {
		return nil
	}
	name := spec.User
	if name == "" {
		img, err := r.cfg.Engine.InspectImage(ctx, c.Image)
		if err != nil {
			return err
		}
		name = img.User
	}
	if name, _, _ = strings.Cut(name, ":"); name == "" {
		name = "0"
	}
	spec.User = name + ":" + strconv.FormatInt(*s.RunAsGroup, 10)
	return nil
}
