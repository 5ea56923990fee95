package services

import (
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services/compose"
)

// ShownPod is the name of a pod that people see: for a plain service SERVICE-NUMBER with the service's name as its Compose file has
// it.
func ShownPod(p *corev1.Pod) string {
	return ShownName(ShownService(p), p.Labels[WorkloadLabel], p.Name)
}

// ServiceAnnotation is on the pods of plain services: the service's name as the file has it.
const ServiceAnnotation = "dev.lyandev/service"

// ShownService is the name of a pod's service as its Compose file has it, else that of its workload.
func ShownService(p *corev1.Pod) string {
	if name := p.Annotations[ServiceAnnotation]; name != "" {
		return name
	}
	if c := plainContainer(p, ""); c != nil && c.Service != "" { // an earlier version made the pod
		return c.Service
	}
	return p.Labels[WorkloadLabel]
}

// DockerName is the name that the container of a plain service's pod has on the engine, in a project (instance); "" for other pods.
func DockerName(project string, p *corev1.Pod) string {
	c := plainContainer(p, project)
	switch {
	case c == nil:
		return ""
	case c.Name != "":
		return c.Name
	}
	return project + "-" + c.Service + "-" + p.Labels[NumberLabel]
}

// plainContainer is what Docker is asked for the pod of a plain service in a project; nil for other pods.
func plainContainer(p *corev1.Pod, project string) *compose.Container {
	if !PlainPod(p) {
		return nil
	}
	c, err := compose.Decode(p.Annotations[compose.Annotation], project)
	if err != nil {
		return nil
	}
	return c
}

// ShownName is the name of a pod that people see, given its service's name as the Compose file has it ("" for other workloads), its
// workload's name and its own.
func ShownName(service, workload, pod string) string {
	if number, ok := strings.CutPrefix(pod, workload); ok && service != "" {
		return service + number
	}
	return pod
}

// PlainPod reports whether a pod is one of a plain service.
func PlainPod(p *corev1.Pod) bool { return p.Annotations[compose.Annotation] != "" }
