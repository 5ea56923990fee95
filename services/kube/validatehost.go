package kube

import (
	"iter"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// containersOf is all containers of a pod with their field paths: init containers, ordinary ones, ephemeral ones.
func containersOf(s *corev1.PodSpec, path *field.Path) iter.Seq2[*field.Path, *corev1.Container] {
	return func(yield func(*field.Path, *corev1.Container) bool) {
		for i := range s.InitContainers {
			if !yield(path.Child("initContainers").Index(i), &s.InitContainers[i]) {
				return
			}
		}
		for i := range s.Containers {
			if !yield(path.Child("containers").Index(i), &s.Containers[i]) {
				return
			}
		}
		for i := range s.EphemeralContainers {
			if !yield(path.Child("ephemeralContainers").Index(i), (*corev1.Container)(&s.EphemeralContainers[i].EphemeralContainerCommon)) {
				return
			}
		}
	}
}

// hostUsers reports whether a pod is in the host's user namespace, which is the default.
func hostUsers(s *corev1.PodSpec) bool { return s.HostUsers == nil || *s.HostUsers }

// validateHostUsers refuses what does not go with a user namespace of the pod's own: the host's other namespaces and block
// devices. HostPID and HostIPC are spelt so by the API server.
func validateHostUsers(s *corev1.PodSpec, path *field.Path) field.ErrorList {
	const msg = "when `hostUsers` is false"
	if hostUsers(s) {
		return nil
	}
	errs := forbidGiven([]given{{"hostNetwork", s.HostNetwork}, {"HostPID", s.HostPID}, {"HostIPC", s.HostIPC}}, msg, path)
	for at, c := range containersOf(s, path) {
		if len(c.VolumeDevices) > 0 {
			errs = append(errs, field.Forbidden(at.Child("volumeDevices"), msg))
		}
	}
	return errs
}

// maxHostname is the most bytes of a hostname.
const maxHostname = 64

// validateHostnameOverride checks a hostname that nothing else may decide: neither the host, whose name a pod in its network
// has, nor the pod's full domain name.
func validateHostnameOverride(s *corev1.PodSpec, path *field.Path) field.ErrorList {
	if s.HostnameOverride == nil {
		return nil
	}
	at := path.Child("hostnameOverride")
	var errs field.ErrorList
	if isTrue(s.SetHostnameAsFQDN) {
		errs = append(errs, field.Forbidden(at, "may not be specified when setHostnameAsFQDN is true"))
	}
	if s.HostNetwork {
		errs = append(errs, field.Forbidden(at, "may not be specified when hostNetwork is true"))
	}
	if len(*s.HostnameOverride) > maxHostname {
		errs = append(errs, field.TooLong(at, "", maxHostname))
	}
	return append(errs, invalids(at, *s.HostnameOverride, validation.IsDNS1123Subdomain(*s.HostnameOverride))...)
}

// validateHostAliases checks the lines that a pod's /etc/hosts gets.
func validateHostAliases(aliases []corev1.HostAlias, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, a := range aliases {
		errs = append(errs, validation.IsValidIPForLegacyField(path.Index(i).Child("ip"), a.IP, true, nil)...)
		for k, name := range a.Hostnames {
			errs = append(errs, invalids(path.Index(i).Child("hostnames").Index(k), name, validation.IsDNS1123Subdomain(name))...)
		}
	}
	return errs
}
