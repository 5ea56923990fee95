package composepod

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod"
	"github.com/lyandev/lyandev/supervisor/timeline"
)

const (
	// joinsLabel lists the IDs of the containers whose namespaces or volumes a container uses.
	joinsLabel = "dev.lyandev.joins"
)

// make creates the container and starts it.
func (w *Worker) make(ctx context.Context) error {
	id, err := w.makeContainer(ctx)
	if err != nil {
		return err
	}
	return w.startAfterHooks(ctx, id, true)
}

// makeOnly creates the container, unless it is there, and does not start it.
func (w *Worker) makeOnly(ctx context.Context, c *engine.Container) error {
	if c == nil {
		if _, err := w.makeContainer(ctx); err != nil {
			return err
		}
	}
	w.waiting, w.asked = &pod.WaitError{Reason: services.ReasonStopped, Message: "it was created and not started"}, true
	return nil
}

// makeContainer makes sure of the image, creates the container and returns its ID.
func (w *Worker) makeContainer(ctx context.Context) (string, error) {
	if w.broken != "" {
		return "", w.wait(pod.ReasonConfigError, errors.New(w.broken))
	}
	w.waiting = &pod.WaitError{Reason: pod.ReasonContainerCreating}
	w.publish(nil, nil)
	end := timeline.Begin(ctx, timeline.Pod, timeline.StepImage, w.container())
	err := w.image(ctx)
	end()
	if err != nil {
		return "", err
	}
	defer timeline.Begin(ctx, timeline.Pod, timeline.StepCreate, w.container())()
	spec, err := w.spec(ctx)
	if err != nil {
		return "", w.wait(pod.ReasonConfigError, err)
	}
	id, err := w.create(ctx, spec)
	if err != nil {
		return "", w.wait(pod.ReasonCreateError, err)
	}
	if err := w.files(ctx, id); err != nil {
		_ = w.deps.Engine.RemoveContainer(context.WithoutCancel(ctx), id)
		return "", w.wait(pod.ReasonCreateError, err)
	}
	if w.deps.Volumes != nil {
		if err := w.deps.Volumes.taken(w.pod.Name); err != nil {
			w.log.Warn("cannot forget which anonymous volumes a container has taken over", "error", err)
		}
	}
	w.event(corev1.EventTypeNormal, "Created", "Created container "+w.container())
	return id, nil
}

// wait records why there is no running container, and returns err.
func (w *Worker) wait(reason string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	if engine.IsInvalid(err) {
		reason = services.ReasonInvalid
	}
	if w.waiting == nil || w.waiting.Message != err.Error() {
		w.event(corev1.EventTypeWarning, "Failed", err.Error())
	}
	w.waiting = &pod.WaitError{Reason: reason, Message: err.Error()}
	return err
}

// image makes sure of the image. Images that this stack builds are never pulled.
func (w *Worker) image(ctx context.Context) error {
	c := &w.pod.Spec.Containers[0]
	_, present, err := w.deps.Images.FindImage(ctx, c.Image)
	if err != nil {
		return w.wait(pod.ReasonImageInspectError, err)
	}
	if present {
		return nil
	}
	if advice := w.deps.Images.MissingImage(c.Image); advice != "" || c.ImagePullPolicy == corev1.PullNever {
		if advice == "" {
			advice = fmt.Sprintf("image %q does not exist on this engine, and pull_policy: never forbids to pull it", c.Image)
		}
		return w.wait(pod.ReasonErrImageNeverPull, errors.New(advice))
	}
	w.event(corev1.EventTypeNormal, "Pulling", fmt.Sprintf("Pulling image %q", c.Image))
	if err := w.deps.Engine.PullImage(ctx, c.Image, engine.PullOptions{Platform: w.want.Platform}); err != nil {
		return w.wait(pod.ReasonErrImagePull, err)
	}
	return nil
}

// spec is what the engine is asked for.
func (w *Worker) spec(ctx context.Context) (engine.ContainerSpec, error) {
	exact := &engine.Exact{Config: w.want.Config, Host: w.want.Host, Platform: w.want.Platform}
	joined, err := w.join(ctx, &exact.Host)
	if err != nil {
		return engine.ContainerSpec{}, err
	}
	w.nameServer(&exact.Host)
	if err := w.inherit(exact); err != nil {
		return engine.ContainerSpec{}, err
	}
	labels := w.deps.Labels(w.pod)
	if len(joined) > 0 {
		labels[joinsLabel] = strings.Join(joined, ",")
	}
	spec := engine.ContainerSpec{
		Name: w.want.Name, Image: w.imageName(ctx), Labels: labels, Exact: exact,
		Warn: func(text string) {
			if w.deps.Warn != nil {
				w.deps.Warn(w.pod.Name, text)
			}
		},
	}
	if spec.Name == "" {
		spec.Name = services.DockerName(w.deps.Project, w.pod)
	}
	exact.Networks = Attachments(w.want, spec.Name)
	return spec, w.readOnlyFiles(&exact.Host)
}

// imageName is the image to create the container from: for an image that this stack built, its name, as long as that is still the
// image of the pod's template, so that it can be read in `docker ps`; else the template's.
func (w *Worker) imageName(ctx context.Context) string {
	c := &w.pod.Spec.Containers[0]
	if ref := w.pod.Annotations[services.ImageAnnotation+c.Name]; ref != "" {
		if img, present, err := w.deps.Images.FindImage(ctx, ref); err == nil && present && img.ID == c.Image {
			return ref
		}
	}
	return c.Image
}

// Attachments are the networks of a container of a name. The name is an alias in each, as under Docker Compose.
func Attachments(want *compose.Container, name string) []engine.NetworkAttachment {
	var out []engine.NetworkAttachment
	for _, a := range want.Networks {
		settings := a.Settings
		if !slices.Contains(settings.Aliases, name) {
			settings.Aliases = append([]string{name}, settings.Aliases...)
		}
		out = append(out, engine.NetworkAttachment{Network: a.Network, Settings: settings})
	}
	return out
}

// renew makes the container anew if it joins what is not there any more or, if names is set, asks the wrong name servers. It returns
// the container, nil if it was removed.
func (w *Worker) renew(ctx context.Context, c *engine.Container, names bool) (*engine.Container, error) {
	if !names || !runs(c) || len(w.want.Host.DNS) > 0 {
		return w.rejoin(ctx, c)
	}
	var host container.HostConfig
	w.nameServer(&host)
	if slices.Equal(host.DNS, c.DNS) {
		return w.rejoin(ctx, c)
	}
	return w.replace(ctx, c, "asks other name servers than the stack has now")
}

// replace stops the container and removes it, so that it is made anew.
func (w *Worker) replace(ctx context.Context, c *engine.Container, why string) (*engine.Container, error) {
	w.event(corev1.EventTypeNormal, "Killing", "Container "+w.container()+" "+why+", will be recreated")
	if runs(c) {
		if err := w.halt(ctx, c.ID, nil); err != nil {
			return nil, err
		}
	}
	w.asked = false
	return nil, w.remove(ctx, c)
}

// nameServer adds the stack's name server, which knows the Services of Kubernetes' kind. Docker's own server asks it for names
// that it does not know itself.
func (w *Worker) nameServer(h *container.HostConfig) {
	if w.deps.DNS == nil {
		return
	}
	var in []string
	for _, a := range w.want.Networks {
		in = append(in, a.Network)
	}
	h.DNS = w.deps.DNS(in, h.DNS)
}

// join replaces the references to other workloads by the IDs of their containers, which it returns.
func (w *Worker) join(ctx context.Context, h *container.HostConfig) ([]string, error) {
	var ids []string
	of := func(workload string) (string, error) {
		id, err := w.containerOf(ctx, workload)
		if err == nil && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
		return "container:" + id, err
	}
	for _, j := range []struct {
		workload string
		set      func(string)
	}{
		{w.want.NetworkOf, func(m string) { h.NetworkMode = container.NetworkMode(m) }},
		{w.want.PIDOf, func(m string) { h.PidMode = container.PidMode(m) }},
		{w.want.IPCOf, func(m string) { h.IpcMode = container.IpcMode(m) }},
	} {
		if j.workload == "" {
			continue
		}
		mode, err := of(j.workload)
		if err != nil {
			return nil, err
		}
		j.set(mode)
	}
	h.VolumesFrom = slices.Clone(h.VolumesFrom)
	for _, v := range w.want.VolumesFrom {
		mode, err := of(v.Workload)
		if err != nil {
			return nil, err
		}
		h.VolumesFrom = append(h.VolumesFrom, strings.TrimPrefix(mode, "container:"))
	}
	return ids, nil
}

// containerOf returns the ID of the first container of a workload.
func (w *Worker) containerOf(ctx context.Context, workload string) (string, error) {
	list, err := w.deps.Engine.ListContainers(ctx, map[string]string{
		services.ProjectLabel: w.deps.Project, services.WorkloadLabel: workload, services.KindLabel: "container",
	})
	if err != nil {
		return "", err
	}
	list = slices.DeleteFunc(list, func(c engine.Container) bool { return c.State == engine.StateRemoving })
	if len(list) == 0 {
		return "", fmt.Errorf("cannot join the container of service %s: it has none yet", workload)
	}
	slices.SortFunc(list, func(a, b engine.Container) int {
		return strings.Compare(a.Labels[services.NumberLabel]+a.Name, b.Labels[services.NumberLabel]+b.Name)
	})
	return list[0].ID, nil
}

// rejoin makes the container anew if one whose namespace or volumes it uses is not the workload's container any more, as Docker
// Compose does. It returns the container, nil if it was removed.
func (w *Worker) rejoin(ctx context.Context, c *engine.Container) (*engine.Container, error) {
	if c.Labels[joinsLabel] == "" || w.finished() {
		return c, nil
	}
	var host container.HostConfig
	ids, err := w.join(ctx, &host)
	if err != nil || strings.Join(ids, ",") == c.Labels[joinsLabel] {
		return c, nil // while the other one is being made, there is nothing to join
	}
	return w.replace(ctx, c, "joins a container that was made anew")
}

// create creates the container. A leftover of this pod that has the name is removed; any other holder of the name is an error that
// names it.
func (w *Worker) create(ctx context.Context, spec engine.ContainerSpec) (string, error) {
	id, err := w.deps.Engine.CreateContainer(ctx, spec)
	if !engine.IsConflict(err) {
		return id, err
	}
	holder, lookErr := w.deps.Engine.InspectContainer(ctx, spec.Name)
	if lookErr != nil {
		return "", err
	}
	if holder.Labels[services.ProjectLabel] == w.deps.Project && holder.Labels[services.PodUIDLabel] == string(w.pod.UID) {
		if err := w.deps.Engine.RemoveContainer(ctx, holder.ID); err != nil {
			return "", err
		}
		return w.deps.Engine.CreateContainer(ctx, spec)
	}
	return "", NameTaken(spec.Name, &holder)
}

// NameTaken is the error for a container whose name another one has.
func NameTaken(name string, holder *engine.Container) error {
	who := "somebody else made it"
	if p := holder.Labels["com.docker.compose.project"]; p != "" {
		who = "it belongs to Compose project " + p
	}
	return fmt.Errorf("cannot create container %s: the name is in use by container %s (%s); remove that container or rename it",
		name, holder.ID[:min(12, len(holder.ID))], who)
}

// start starts the container and runs the post_start hooks. first says that it has never run.
func (w *Worker) start(ctx context.Context, id string, first bool) error {
	if w.deps.BeforeStart != nil {
		if err := w.deps.BeforeStart(ctx, id, w.pod, w.container()); err != nil {
			return w.wait(pod.ReasonRunError, fmt.Errorf("cannot write synced files: %w", err))
		}
	}
	end := timeline.Begin(ctx, timeline.Pod, timeline.StepStart, w.container())
	err := w.deps.Engine.StartContainer(ctx, id)
	end()
	if err != nil {
		return w.wait(pod.ReasonRunError, err)
	}
	w.waiting, w.asked = nil, false
	if !first {
		w.starts += w.engineRestarts + 1
		w.engineRestarts = 0
	}
	w.event(corev1.EventTypeNormal, "Started", "Started container "+w.container())
	w.unready, w.hookFailed = len(w.want.PostStart) > 0, ""
	defer func() { w.unready = false }()
	for _, h := range w.want.PostStart {
		if err := w.hook(ctx, id, h); err != nil {
			w.event(corev1.EventTypeWarning, "FailedPostStartHook", err.Error())
			if ctx.Err() == nil {
				w.hookFailed = err.Error()
			}
			return nil
		}
	}
	return nil
}
