package kube

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validateHostPorts reports duplicate host ports: the same protocol, address and port.
func validateHostPorts(cs []corev1.Container, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	taken := map[string]bool{}
	for i, c := range cs {
		for k, port := range c.Ports {
			if port.HostPort == 0 {
				continue
			}
			key := fmt.Sprintf("%s/%s/%d", port.Protocol, port.HostIP, port.HostPort)
			if taken[key] {
				errs = append(errs, field.Duplicate(path.Index(i).Child("ports").Index(k).Child("hostPort"), key))
			}
			taken[key] = true
		}
	}
	return errs
}

// validateHostNetworkPorts checks that the host ports of a pod in the host network equal its container ports. A template may omit
// them: they are defaulted in its pods.
func validateHostNetworkPorts(s *corev1.PodSpec, kind podKind, path *field.Path) field.ErrorList {
	if !s.HostNetwork {
		return nil
	}
	var errs field.ErrorList
	for i, c := range s.Containers {
		for k, port := range c.Ports {
			if port.HostPort == port.ContainerPort || port.HostPort == 0 && kind == inTemplate {
				continue
			}
			at := path.Child("containers").Index(i).Child("ports").Index(k).Child("hostPort")
			errs = append(errs, field.Invalid(at, port.HostPort, "must match `containerPort` when `hostNetwork` is true"))
		}
	}
	return errs
}
