package images

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/mount"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/state"
)

// pullPolicyAnnotation is the pod annotation with pull_policy of a plain service as the file has it.
const pullPolicyAnnotation = "dev.lyandev/pull-policy"

// need is an image that a stack uses, with the file's wishes for its pull.
type need struct {
	image, platform string
	// policy is a word of Compose (see engine.PullDue), or Never of Kubernetes.
	policy string
}

// pullDue pulls the images that no build makes where their policies, or instead of them policy, ask for it, concurrently and each
// once, and returns the errors in the order of the stack.
func (m *Maker) pullDue(ctx context.Context, stack *services.Stack, built map[string]string, policy string) error {
	var wg sync.WaitGroup
	var errs []*error
	seen := map[need]bool{}
	want := func(n need, who string) {
		n.policy = cmp.Or(policy, n.policy)
		if _, ok := built[n.image]; ok || seen[n] || policy != "" && strings.HasPrefix(n.image, "sha256:") {
			return
		}
		seen[n] = true
		failed := new(error)
		errs = append(errs, failed)
		wg.Go(func() {
			if err := m.pull(ctx, n); err != nil {
				*failed = fmt.Errorf("%s: %w", who, err)
			}
		})
	}
	for _, x := range stack.Workloads {
		plain, err := containerOf(x, stack.Name)
		if err != nil {
			return err
		}
		spec := x.PodSpec()
		for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
			want(needOf(x, plain, c), fmt.Sprintf("%s: container %s of %s", x.Source, c.Name, x.DisplayName()))
		}
		for _, n := range besides(x, plain) {
			want(n, fmt.Sprintf("%s: service %s", x.Source, x.DisplayName()))
		}
	}
	wg.Wait()
	var all []error
	for _, err := range errs {
		all = append(all, *err)
	}
	return errors.Join(all...)
}

// containerOf returns what Docker is asked for a plain service, nil for every other workload.
func containerOf(x *services.Workload, project string) (*compose.Container, error) {
	text, plain := x.PodMeta().Annotations[compose.Annotation]
	if !plain {
		return nil, nil
	}
	c, err := compose.Decode(text, project)
	if err != nil {
		return nil, fmt.Errorf("%s: service %s: %w", x.Source, x.DisplayName(), err)
	}
	return c, nil
}

// needOf is the image of a container. The policy Always of Kubernetes' semantics is that of each start of a container, which pulls
// then; here such an image is only pulled if it is missing.
func needOf(x *services.Workload, plain *compose.Container, c corev1.Container) need {
	switch {
	case plain != nil:
		return need{image: c.Image, platform: plain.Platform, policy: policyOf(x)}
	case c.ImagePullPolicy == corev1.PullNever:
		return need{image: c.Image, policy: string(corev1.PullNever)}
	}
	return need{image: c.Image, policy: engine.PullMissing}
}

// policyOf is pull_policy of a plain service.
func policyOf(x *services.Workload) string {
	policy := x.PodMeta().Annotations[pullPolicyAnnotation]
	if policy == "" || policy == engine.PullIfNotPresent {
		return engine.PullMissing
	}
	return policy
}

// besides are the images that a plain service uses besides its own: those of pre_start, with the service's policy, and those that
// are mounted, which are pulled if they are missing.
func besides(x *services.Workload, plain *compose.Container) []need {
	if plain == nil {
		return nil
	}
	var out []need
	for _, h := range plain.PreStart {
		if h.Image != "" {
			out = append(out, need{image: h.Image, platform: plain.Platform, policy: policyOf(x)})
		}
	}
	for _, v := range plain.Host.Mounts {
		if v.Type == mount.TypeImage {
			out = append(out, need{image: v.Source, policy: engine.PullMissing})
		}
	}
	return out
}

// pull pulls an image if its policy asks for it.
func (m *Maker) pull(ctx context.Context, n need) error {
	there, err := m.cfg.Engine.InspectImage(ctx, n.image)
	have := &there
	if engine.IsNotFound(err) {
		have, err = nil, nil
	}
	if err != nil {
		return err
	}
	due, err := engine.PullDue(strings.ToLower(n.policy), n.platform, have, time.Now())
	switch {
	case err != nil:
		return err
	case !due && have == nil:
		return fmt.Errorf("cannot find image %s, and its pull policy is %s; build or load it, or change the policy", n.image, n.policy)
	case !due:
		return nil
	}
	err = m.showPull(ctx, n)
	switch {
	case err != nil && have != nil:
		return fmt.Errorf("%w; it is on this machine, but its pull policy is %s: change the policy to missing to use it as it is", err, n.policy)
	case err != nil:
		return fmt.Errorf("%w; it is not on this machine either: correct the name, give the service a build, or load it with `docker load`", err)
	}
	return nil
}

// showPull pulls an image and reports how far it is.
func (m *Maker) showPull(ctx context.Context, n need) error {
	began := time.Now()
	show := func(b state.Build) {
		b.Name, b.Image, b.Pull, b.Started, b.Took = n.image, n.image, true, began, time.Since(began)
		m.cfg.PullProgress(b)
	}
	show(state.Build{State: "running"})
	err := m.cfg.Engine.PullImage(ctx, n.image, engine.PullOptions{
		Platform: n.platform, Out: lines(func(line string) { show(state.Build{State: "running", Step: line}) }),
	})
	if err != nil {
		show(state.Build{State: "failed", Error: err.Error()})
		return err
	}
	show(state.Build{State: "done"})
	return nil
}

// lines is an io.Writer that is given one line a call.
type lines func(line string)

// Write implements io.Writer.
func (f lines) Write(line []byte) (int, error) {
	f(strings.TrimSpace(string(line)))
	return len(line), nil
}
