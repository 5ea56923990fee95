package kube

import (
	"iter"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// containersOf returns all containers of a pod with their field paths: init, regular and ephemeral containers.
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

// validateHostUsers rejects fields that are incompatible with the pod's own user namespace: the host's other namespaces and block
// devices. The spelling HostPID and HostIPC is the API server's.
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

// maxHostname is the maximum length of a host name in bytes.
const maxHostname = 64

// validateHostnameOverride checks hostnameOverride, which is incompatible with hostNetwork and setHostnameAsFQDN.
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

// validateHostAliases checks the additional lines of a pod's /etc/hosts.
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
