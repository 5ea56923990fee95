package supervisor

import (
	"context"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/controller"
	"github.com/lyandev/lyandev/supervisor/pod/dockerpod"
)

// createPodOneOff creates a one-off container of a service with Kubernetes' semantics.
func (s *Supervisor) createPodOneOff(ctx context.Context, stack *services.Stack, r OneOff) (OneOffContainer, error) {
	x := stack.Workloads[0]
	p := templatePod(x)
	container := r.Container
	if container == "" {
		container = p.Spec.Containers[0].Name
	}
	o := r.Options
	o.Name = s.oneOffName(o.Name, x.DisplayName())
	p.Name = o.Name
	o.Volumes = nameVolumes(o.Volumes, func(source string) (string, bool) {
		declared := stack.ClaimVolume(source)
		if i := slices.IndexFunc(stack.Volumes, func(v *compose.Volume) bool { return v.Key == source }); declared == nil && i >= 0 {
			declared = stack.Volumes[i]
		}
		return dockerpod.ClaimVolume(declared, s.cfg.Instance.Name, source), declared != nil || claims(r.Stack)[source]
	})
	id, err := s.pods.CreateOneOff(ctx, dockerpod.OneOff{
		Pod: p, Container: container, Options: o, Published: portsOf(stack, x), Labels: s.oneOffLabels(x), NoInit: r.NoInit,
	}, stack)
	if err != nil {
		err = fmt.Errorf("cannot run %s: %w", r.Service, err)
	}
	return OneOffContainer{ID: id, Name: p.Name}, err
}

// templatePod is a pod of a workload's template. That of a StatefulSet has the claims of its first pod.
func templatePod(x *services.Workload) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: *x.PodMeta().DeepCopy(), Spec: *x.PodSpec().DeepCopy()}
	p.ObjectMeta = metav1.ObjectMeta{Namespace: x.Meta().Namespace, Labels: p.Labels, Annotations: p.Annotations}
	if set, ok := x.Object.(*appsv1.StatefulSet); ok {
		p.Name = controller.FirstPod(set)
		p.Spec.Volumes = controller.ClaimVolumes(set, p)
	}
	return p
}

// claims are the names of the claims of a stack's pods.
func claims(stack *services.Stack) map[string]bool {
	out := map[string]bool{}
	for _, x := range stack.Workloads {
		for _, v := range x.PodSpec().Volumes {
			if v.PersistentVolumeClaim != nil {
				out[v.PersistentVolumeClaim.ClaimName] = true
			}
		}
	}
	return out
}
