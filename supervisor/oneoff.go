package supervisor

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/docker/go-connections/nat"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/controller"
	"github.com/lyandev/lyandev/supervisor/images"
	"github.com/lyandev/lyandev/supervisor/network"
	"github.com/lyandev/lyandev/supervisor/pod/dockerpod"
	"github.com/lyandev/lyandev/supervisor/prepare"
)

// OneOff is a request for a one-off container of a service, as `docker compose run` makes one.
type OneOff struct {
	// Stack is the file as it is now; it need not run.
	Stack   *services.Stack `json:"stack"`
	Service string          `json:"service"`
	Options compose.OneOff  `json:"options"`
	// Container is the container of a service with Kubernetes' semantics that is run; "" is the first.
	Container string `json:"container,omitempty"`
	// Build builds the service's image even if nothing changed.
	Build bool `json:"build,omitempty"`
	// NoInit leaves the init containers out.
	NoInit bool `json:"noInit,omitempty"`
	// Pull takes the place of the pull policies of the file: always, missing or never; "" leaves them.
	Pull string `json:"pull,omitempty"`
}

// OneOffContainer is the container that CreateOneOff has made.
type OneOffContainer struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// CreateOneOff makes the images, networks and volumes of a service available, and creates a container of it that belongs to no pod.
// It does not start the container, and not what the service depends on. The init containers of a service with Kubernetes' semantics
// run first, unless NoInit. It blocks until the container is there. Nothing of the running stack changes. The end of the stack
// removes the container.
func (s *Supervisor) CreateOneOff(ctx context.Context, r OneOff) (OneOffContainer, error) {
	return called(ctx, s, "run "+r.Service, func(ctx context.Context) (OneOffContainer, error) { return s.createOneOff(ctx, r) })
}

func (s *Supervisor) createOneOff(ctx context.Context, r OneOff) (OneOffContainer, error) {
	x := r.Stack.Find(r.Service)
	if x == nil {
		return OneOffContainer{}, fmt.Errorf("cannot run %s: there is no such service", r.Service)
	}
	if !x.Plain() && r.Options.UseAliases {
		return OneOffContainer{}, fmt.Errorf("cannot run %s with --use-aliases: it has Kubernetes' semantics, and its names lead to its pods", r.Service)
	}
	stack, err := s.prepareOneOff(ctx, r, x)
	if err != nil {
		return OneOffContainer{}, err
	}
	if x = stack.Workloads[0]; !x.Plain() {
		return s.createPodOneOff(ctx, stack, r)
	}
	p, err := s.oneOffPod(stack, r)
	if err != nil {
		return OneOffContainer{}, err
	}
	if ctx.Err() != nil {
		return OneOffContainer{}, context.Cause(ctx)
	}
	labels := s.oneOffLabels(x)
	if c, err := compose.Decode(p.Annotations[compose.Annotation], s.cfg.Instance.Name); err == nil && c.Localhost != "" {
		labels[services.LocalhostLabel] = c.Localhost
	}
	// The engine finishes what it has begun, and the container's removal has to find it.
	id, err := s.pods.CreatePlainOneOff(context.WithoutCancel(ctx), p, stack, labels)
	return OneOffContainer{ID: id, Name: p.Name}, err
}

// prepareOneOff makes sure of what a container of x needs, and returns a stack that has nothing else.
func (s *Supervisor) prepareOneOff(ctx context.Context, r OneOff, x *services.Workload) (*services.Stack, error) {
	s.applying.Lock()
	defer s.applying.Unlock()
	running, err := s.wantedStack(ctx)
	if err != nil {
		return nil, err
	}
	alone := *r.Stack
	alone.Workloads, alone.HostPorts, alone.Ingresses = []*services.Workload{x}, nil, nil
	spec := x.PodSpec()
	alone.Builds = slices.DeleteFunc(slices.Clone(r.Stack.Builds), func(b *services.Build) bool {
		return !slices.ContainsFunc(slices.Concat(spec.Containers, spec.InitContainers), func(c corev1.Container) bool { return c.Image == b.Image })
	})
	made, err := s.images.Make(ctx, &alone, images.Options{Force: r.Build, Pull: r.Pull})
	if err != nil {
		return nil, err
	}
	if err := s.resources.NameVolumes(ctx, &alone); err != nil {
		return nil, err
	}
	if err := errors.Join(s.ensureBeside(ctx, running, &alone), s.ensureHelperImage(ctx, &alone)); err != nil {
		return nil, err
	}
	stack, err := prepare.Stack(&alone, s.cfg.Instance.Name, made)
	if err == nil {
		err = dockerpod.MakeHostPaths(stack)
	}
	if err != nil {
		return nil, err
	}
	stack.HostPorts = r.Stack.HostPorts
	if x.Plain() {
		return stack, nil
	}
	return stack, s.podnet.ClusterIPs(stack.Services)
}

// ensureBeside makes sure of the networks and volumes of a stack beside those of the running one, which may be nil.
func (s *Supervisor) ensureBeside(ctx context.Context, running, stack *services.Stack) error {
	if running == nil {
		return s.ensureNetwork(ctx, stack, false, func(string) {})
	}
	both := *stack
	both.Workloads, both.HostPorts, both.Ingresses = slices.Clone(running.Workloads), running.HostPorts, running.Ingresses
	both.Services = running.Services
	if running.Workload(stack.Workloads[0].Name()) == nil {
		both.Workloads = append(both.Workloads, stack.Workloads...)
	}
	before, err := network.NeedsOf(running, s.cfg.Instance.Name)
	if err != nil {
		return err
	}
	needs, err := network.NeedsOf(&both, s.cfg.Instance.Name)
	if err != nil {
		return err
	}
	if needs.Default != before.Default || needs.Agent != before.Agent {
		return s.ensureNetwork(ctx, &both, true, func(string) {})
	}
	_, err = s.resources.Ensure(ctx, &both, needs)
	return err
}

// oneOffPod is a pod that says how the container is to be created; it is never started.
func (s *Supervisor) oneOffPod(stack *services.Stack, r OneOff) (*corev1.Pod, error) {
	x := stack.Workloads[0]
	c, err := compose.Decode(x.PodMeta().Annotations[compose.Annotation], s.cfg.Instance.Name)
	if err != nil {
		return nil, err
	}
	o := r.Options
	o.Name = s.oneOffName(o.Name, c.Service)
	o.Volumes = nameVolumes(o.Volumes, func(source string) (string, bool) {
		k := slices.IndexFunc(stack.Volumes, func(v *compose.Volume) bool { return v.Key == source })
		if k < 0 {
			return "", false
		}
		return compose.Named(stack.Volumes[k].Name, s.cfg.Instance.Name), true
	})
	if c, err = c.OneOff(o, portsOf(stack, x)); err != nil {
		return nil, err
	}
	text, err := c.Encode()
	if err != nil {
		return nil, err
	}
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: o.Name, Annotations: map[string]string{compose.Annotation: text}}}
	p.Spec = *x.PodSpec().DeepCopy()
	return p, nil
}

// oneOffName is the name of a one-off container of a service: the wanted one, else PROJECT-SERVICE-run-HEX.
func (s *Supervisor) oneOffName(wanted, service string) string {
	if wanted != "" {
		return wanted
	}
	var random [6]byte
	_, _ = rand.Read(random[:]) // it never fails
	return fmt.Sprintf("%s-%s-run-%s", s.cfg.Instance.Name, service, hex.EncodeToString(random[:]))
}

// nameVolumes puts the names of Docker volumes in the place of the sources that the file has a name for.
func nameVolumes(list []string, name func(source string) (string, bool)) []string {
	list = slices.Clone(list)
	for i, v := range list {
		source, rest, mounted := strings.Cut(v, ":")
		if full, ok := name(source); mounted && ok {
			list[i] = full + ":" + rest
		}
	}
	return list
}

// portsOf are the host ports that lead to a workload, as bindings of a container.
func portsOf(stack *services.Stack, x *services.Workload) nat.PortMap {
	out := nat.PortMap{}
	for _, h := range stack.HostPorts {
		v := stack.Service(h.Service)
		if v == nil || !x.Behind(v) {
			continue
		}
		target := h.Port
		for _, p := range v.Spec.Ports {
			if to, ok := controller.TargetPort(p, &corev1.Pod{Spec: *x.PodSpec()}); p.Port == h.Port && ok {
				target = to
			}
		}
		b := nat.PortBinding{HostIP: h.HostIP}
		if h.HostPort != 0 {
			b.HostPort = strconv.Itoa(int(h.HostPort))
		}
		port := nat.Port(fmt.Sprintf("%d/%s", target, strings.ToLower(string(h.Protocol))))
		out[port] = append(out[port], b)
	}
	return out
}

// oneOffLabels are the labels of a one-off container. It has none of a pod, so that no worker takes it for its own, and none of a
// workload, so that no service is thought to have it.
func (s *Supervisor) oneOffLabels(x *services.Workload) map[string]string {
	return map[string]string{
		services.ProjectLabel: s.cfg.Instance.Name, services.DirLabel: s.cfg.Instance.Dir, services.KindLabel: dockerpod.KindOneOff,
		"com.docker.compose.project": s.cfg.Instance.Name, "com.docker.compose.project.working_dir": s.cfg.Instance.Dir,
		"com.docker.compose.service": x.DisplayName(), "com.docker.compose.oneoff": "True",
	}
}

// removeOneOffs stops the one-off containers, each with its own grace period, and removes them.
func (s *Supervisor) removeOneOffs(ctx context.Context) {
	list, err := s.cfg.Engine.ListContainers(ctx, map[string]string{
		services.ProjectLabel: s.cfg.Instance.Name, services.KindLabel: dockerpod.KindOneOff,
	})
	if err != nil {
		s.log.Warn("cannot remove the containers of lyandev run", "error", err)
		return
	}
	var all sync.WaitGroup
	for _, c := range list {
		all.Go(func() {
			_ = s.cfg.Engine.StopContainer(ctx, c.ID, "", -1) // one that does not stop is killed by its removal
			if err := s.cfg.Engine.RemoveContainer(ctx, c.ID); err != nil {
				s.log.Warn("cannot remove a container of lyandev run", "container", c.Name, "error", err)
			}
		})
	}
	all.Wait()
	if err := errors.Join(s.pods.SweepOneOffs(ctx), s.pods.SweepLoopbacks(ctx)); err != nil {
		s.log.Warn("cannot remove helpers of containers that are gone", "error", err)
	}
}
