package state

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
)

// Shown is the workload's name that people see: for a plain service the one in its Compose file.
func (w Workload) Shown() string {
	if w.Service != "" {
		return w.Service
	}
	return w.Name
}

// ShownPod is the name of a pod that people see: for a plain service SERVICE-NUMBER with the service's name as its Compose file has
// it.
func ShownPod(p *corev1.Pod) string {
	return services.ShownName(ShownService(p), p.Labels[services.WorkloadLabel], p.Name)
}

// ShownService is the name of a pod's service as its Compose file has it, else that of its workload.
func ShownService(p *corev1.Pod) string {
	if c := plain(p); c != nil && c.Service != "" {
		return c.Service
	}
	return p.Labels[services.WorkloadLabel]
}

// plain is what Docker is asked for the pod of a plain service; nil for other pods.
func plain(p *corev1.Pod) *compose.Container {
	text := p.Annotations[compose.Annotation]
	if text == "" {
		return nil
	}
	c, err := compose.Decode(text, "")
	if err != nil {
		return nil
	}
	return c
}
