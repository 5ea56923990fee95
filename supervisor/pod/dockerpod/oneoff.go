package dockerpod

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/docker/go-connections/nat"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod"
	"github.com/lyandev/lyandev/supervisor/pod/composepod"
	"github.com/lyandev/lyandev/supervisor/probe"
)

// OneOff is a one-off container of a pod template: what `lyandev run` makes of a service with Kubernetes' semantics.
type OneOff struct {
	// Pod has the template's metadata and spec. Its name is the container's.
	Pod *corev1.Pod
	// Container is the name of the container that is made; the others are left out.
	Container string
	Objects   pod.Objects
	Node      pod.Node
	Options   compose.OneOff
	// Published are the ports that Options.ServicePorts publishes.
	Published nat.PortMap
	// Labels are the labels of the container.
	Labels map[string]string
	// NoInit leaves the init containers out.
	NoInit bool
}

// oneOff is a OneOff in the making.
type oneOff struct {
	OneOff
	*Runtime
	pod *corev1.Pod
	// sandbox is the ID of its sandbox, ip the sandbox's address; both are "" if it needs none.
	sandbox, ip string
}

// CreateOneOff creates a container of a pod template, runs the template's init containers one after the other, and returns the
// container's ID without starting it. The caller starts, stops and removes it. Probes, lifecycle hooks, sidecars and the restart
// policy are left out, and no Service leads to it. Its volumes are those of a pod, but for emptyDir and configuration volumes, which
// it has for itself. Its address is Docker's choice. All images must be there.
//
// It blocks until the last init container has ended. An init container that fails is an error. What was made before an error is
// removed again; see also SweepOneOffs.
func (r *Runtime) CreateOneOff(ctx context.Context, x OneOff) (id string, err error) {
	o := &oneOff{OneOff: x, Runtime: r, pod: x.Pod.DeepCopy()}
	defer r.disown(o.pod)
	if err := o.choose(); err != nil {
		return "", err
	}
	if err := r.sweepOneOffs(ctx, o.pod.Name, true); err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			ctx = context.WithoutCancel(ctx)
			if id != "" {
				err = errors.Join(err, r.cfg.Engine.RemoveContainer(ctx, id))
			}
			id, err = "", errors.Join(err, r.sweepOneOffs(ctx, o.pod.Name, false))
			return
		}
		r.oneOffMade(o.pod.Name)
	}()
	if err := o.makeSandbox(ctx); err != nil {
		return "", err
	}
	if id, err = o.create(ctx, &o.pod.Spec.Containers[0], nil); err != nil {
		return id, err
	}
	for i := range o.pod.Spec.InitContainers {
		if err := o.runInit(ctx, &o.pod.Spec.InitContainers[i]); err != nil {
			return id, err
		}
	}
	return id, nil
}

// choose leaves in the pod what the one-off container needs.
func (o *oneOff) choose() error {
	spec := &o.pod.Spec
	i := slices.IndexFunc(spec.Containers, func(c corev1.Container) bool { return c.Name == o.Container })
	if i < 0 {
		return fmt.Errorf("cannot run container %q: the pod template has none of that name", o.Container)
	}
	spec.Containers = spec.Containers[i : i+1 : i+1]
	spec.InitContainers = slices.DeleteFunc(spec.InitContainers, func(c corev1.Container) bool { return o.NoInit || probe.IsSidecar(&c) })
	// A name below a governing Service belongs to a pod of the StatefulSet.
	spec.Subdomain = ""
	return nil
}

// makeSandbox makes and starts a container that holds the network namespace, if the template needs its address before the
// container starts or has ports of the loopback that lead elsewhere.
func (o *oneOff) makeSandbox(ctx context.Context) error {
	if o.pod.Spec.HostNetwork || o.pod.Annotations[services.LocalhostAnnotation] == "" && !strings.Contains(toJSON(o.pod.Spec), "status.podIP") {
		return nil
	}
	image, err := o.cfg.SandboxImage(ctx)
	if err != nil {
		return fmt.Errorf("cannot create the sandbox of %s: %w", o.pod.Name, err)
	}
	spec := engine.ContainerSpec{
		Name: fit(o.pod.Name + "-sandbox"), Image: image, Cmd: sandboxCommand(o.pod), Labels: o.partLabels(), CPUShares: 2,
		CapDrop: []string{"ALL"}, ReadOnlyRootFS: true, SecurityOpt: []string{"no-new-privileges"}, Sysctls: sysctls(o.pod),
	}
	o.attach(o.pod, &spec)
	ports, err := (&compose.Container{}).OneOff(o.Options, o.Published)
	if err != nil {
		return err
	}
	full := spec.Full()
	full.Host.PortBindings, full.Config.ExposedPorts = ports.Host.PortBindings, ports.Config.ExposedPorts
	spec.Exact = full
	if o.sandbox, err = o.cfg.Engine.CreateContainer(ctx, spec); err != nil {
		return err
	}
	if err := o.joinNamelessly(ctx, o.pod, o.sandbox); err != nil {
		return err
	}
	if err := o.cfg.Engine.StartContainer(ctx, o.sandbox); err != nil {
		return err
	}
	c, err := o.cfg.Engine.InspectContainer(ctx, o.sandbox)
	if ip := c.IPs[o.cfg.Network]; ip.IsValid() {
		o.ip = ip.String()
	}
	return err
}

// partLabels are the labels of what a one-off container has besides itself: its sandbox, init containers and volumes.
func (o *oneOff) partLabels() map[string]string {
	return map[string]string{
		services.ProjectLabel: o.cfg.Project, services.DirLabel: o.cfg.Dir, services.KindLabel: KindOneOffPart, OneOffLabel: o.pod.Name,
		"com.docker.compose.project": o.cfg.Project, "com.docker.compose.oneoff": "True",
	}
}

// create creates the container, or an init container if labels are given. The ID is also returned with an error if there is
// something to remove.
func (o *oneOff) create(ctx context.Context, c *corev1.Container, labels map[string]string) (id string, err error) {
	q, err := o.request(ctx, c)
	if err != nil {
		return "", err
	}
	spec, err := o.containerSpec(ctx, q)
	if err != nil {
		return "", err
	}
	init := labels != nil
	if spec.Name, spec.Labels = o.pod.Name, maps.Clone(o.Labels); init {
		spec.Name, spec.Labels = fit(o.pod.Name+"-"+c.Name), labels
	}
	spec.Labels[OneOffLabel] = o.pod.Name
	if o.sandbox != "" {
		spec.NetworkContainer = o.sandbox
	} else {
		spec.Sysctls = sysctls(o.pod)
		o.attach(o.pod, &spec)
	}
	plan, err := o.mounts(q)
	if err != nil {
		return "", err
	}
	for i := range plan.volumes {
		if plan.volumes[i].labels[services.KindLabel] == KindPodVolume {
			plan.volumes[i].labels = o.partLabels()
		}
		if err := o.makeVolume(ctx, plan.volumes[i]); err != nil {
			return "", err
		}
	}
	spec.Mounts = plan.mounts
	asked := spec
	if !init {
		if err := o.apply(&asked); err != nil {
			return "", err
		}
		plan.without(o.Options.Volumes)
	}
	id, err = o.cfg.Engine.CreateContainer(ctx, asked)
	if err != nil {
		if holder, lookErr := o.cfg.Engine.InspectContainer(ctx, spec.Name); engine.IsConflict(err) && lookErr == nil {
			err = composepod.NameTaken(spec.Name, &holder)
		}
		return "", err
	}
	if o.sandbox == "" && !o.pod.Spec.HostNetwork {
		if err := o.joinNamelessly(ctx, o.pod, id); err != nil {
			return id, err
		}
	}
	return id, o.fill(ctx, id, q, spec, plan)
}

// request resolves the references of a container.
func (o *oneOff) request(ctx context.Context, c *corev1.Container) (pod.CreateRequest, error) {
	in := pod.EnvInput{Pod: o.pod, Container: c, Objects: o.Objects, Node: o.Node, PodIP: o.ip}
	img, present, err := o.FindImage(ctx, c.Image)
	if err == nil && !present {
		err = fmt.Errorf("image %q does not exist on this engine", c.Image)
	}
	if err != nil {
		return pod.CreateRequest{}, err
	}
	if o.Options.User == "" || c.Name != o.Container {
		err = pod.NonRoot(o.pod, c, pod.Image{ID: img.ID, User: img.User})
	}
	if err != nil {
		return pod.CreateRequest{}, err
	}
	env, err := pod.Env(in)
	if err != nil {
		return pod.CreateRequest{}, err
	}
	expanded, err := pod.ExpandContainer(c, env)
	if err != nil {
		return pod.CreateRequest{}, err
	}
	files, err := pod.VolumeFiles(in)
	return pod.CreateRequest{Pod: o.pod, Container: expanded, Env: env, Volumes: files}, err
}

// apply applies the options to what Docker is asked for.
func (o *oneOff) apply(spec *engine.ContainerSpec) error {
	full := spec.Full()
	spec.Mounts = nil // full has them
	c, err := (&compose.Container{Config: full.Config, Host: full.Host}).OneOff(o.Options, o.Published)
	if err != nil {
		return err
	}
	full.Config, full.Host = c.Config, c.Host
	if full.Host.NetworkMode.IsContainer() {
		full.Host.PortBindings, full.Config.ExposedPorts = nil, nil // they are the sandbox's
	}
	spec.Exact = full
	return nil
}

// without leaves out what the volumes of --volume are mounted over, so that nothing is written into them.
func (p *plan) without(volumes []string) {
	over := func(target string) bool {
		return slices.ContainsFunc(volumes, func(v string) bool {
			parts := strings.Split(v, ":")
			at := strings.TrimRight(parts[min(1, len(parts)-1)], "/")
			return target == at || strings.HasPrefix(target, at+"/")
		})
	}
	p.setup = slices.DeleteFunc(p.setup, func(s setup) bool { return over(s.target) })
	p.claims = slices.DeleteFunc(p.claims, func(c claimed) bool { return over(c.target) })
	for i := range p.copies {
		c := &p.copies[i]
		kept := pod.Files{}
		for name, f := range c.files {
			if !over(strings.TrimRight(c.dir, "/") + "/" + name) {
				kept[name] = f
			}
		}
		c.files = kept
	}
	p.copies = slices.DeleteFunc(p.copies, func(c copying) bool { return over(c.dir) || len(c.files) == 0 })
}

// runInit runs an init container to its end and removes it.
func (o *oneOff) runInit(ctx context.Context, c *corev1.Container) error {
	id, err := o.create(ctx, c, o.partLabels())
	if id != "" {
		defer func() { _ = o.cfg.Engine.RemoveContainer(context.WithoutCancel(ctx), id) }() // else SweepOneOffs removes it
	}
	if err != nil {
		return fmt.Errorf("cannot run init container %s of %s: %w", c.Name, o.pod.Name, err)
	}
	return composepod.RunToEnd(ctx, o.cfg.Engine, id, fmt.Sprintf("init container %s of %s", c.Name, o.pod.Name))
}

// SweepOneOffs removes the sandboxes, init containers and volumes of one-off containers that are gone.
func (r *Runtime) SweepOneOffs(ctx context.Context) error { return r.sweepOneOffs(ctx, "", false) }

// sweepOneOffs does the work of SweepOneOffs. With making, the container of a name counts as there until oneOffMade; without, not
// any longer.
func (r *Runtime) sweepOneOffs(ctx context.Context, name string, making bool) error {
	r.mu.Lock()
	there := map[string]bool{}
	delete(r.making, name)
	for n := range r.making {
		there[n] = true
	}
	r.mu.Unlock()
	mine, err := r.cfg.Engine.ListContainers(ctx, map[string]string{services.ProjectLabel: r.cfg.Project, OneOffLabel: ""})
	if err != nil {
		return err
	}
	for _, c := range mine {
		if c.Labels[services.KindLabel] == KindOneOff && c.State != engine.StateRemoving {
			there[c.Labels[OneOffLabel]] = true
		}
	}
	var errs []error
	for _, c := range mine {
		if c.Labels[services.KindLabel] == KindOneOffPart && !there[c.Labels[OneOffLabel]] {
			errs = append(errs, r.cfg.Engine.RemoveContainer(ctx, c.ID))
		}
	}
	vols, err := r.cfg.Engine.ListVolumes(ctx, map[string]string{services.ProjectLabel: r.cfg.Project, services.KindLabel: KindOneOffPart})
	errs = append(errs, err)
	for _, v := range vols {
		if !there[v.Labels[OneOffLabel]] {
			errs = append(errs, r.cfg.Engine.RemoveVolume(ctx, v.Name))
		}
	}
	if making {
		r.mu.Lock()
		r.making[name] = true
		r.mu.Unlock()
	}
	return errors.Join(errs...)
}

func (r *Runtime) oneOffMade(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.making, name)
}
