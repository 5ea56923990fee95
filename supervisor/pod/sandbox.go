package pod

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/probe"
)

// Annotations that say how a pod is run.
const (
	// SandboxAnnotation "true" gives a pod of one container a sandbox, so that containers can be added to it later.
	SandboxAnnotation = "dev.lyandev/sandbox"
	// BindAnnotation lists the hostPath volumes, by name and separated by commas, that are bind mounts.
	BindAnnotation = "dev.lyandev/bind"
)

// NeedsSandbox reports whether the pod's containers share the network namespace of a sandbox container: the pod has several
// containers, a sidecar, a shared process namespace or ports of its loopback that lead elsewhere (services.LocalhostAnnotation,
// which the sandbox serves), or SandboxAnnotation asks for it. A pod in the host's network has none.
func NeedsSandbox(p *corev1.Pod) bool {
	if p.Spec.HostNetwork {
		return false
	}
	share := p.Spec.ShareProcessNamespace
	if len(p.Spec.Containers) > 1 || p.Annotations[SandboxAnnotation] == "true" || share != nil && *share ||
		p.Annotations[services.LocalhostAnnotation] != "" {
		return true
	}
	for i := range p.Spec.InitContainers {
		if probe.IsSidecar(&p.Spec.InitContainers[i]) {
			return true
		}
	}
	return false
}
