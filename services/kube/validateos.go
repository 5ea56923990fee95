package kube

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validateOS checks spec.os and rejects fields of the other operating system. Without spec.os, the fields of both are accepted.
func validateOS(s *corev1.PodSpec, path *field.Path) field.ErrorList {
	if s.OS == nil {
		return nil
	}
	switch s.OS.Name {
	case "":
		return field.ErrorList{field.Required(path.Child("os", "name"), "")}
	case corev1.Linux:
		return validateLinux(s, path)
	case corev1.Windows:
		return validateWindows(s, path)
	}
	return field.ErrorList{field.NotSupported(path.Child("os"), s.OS.Name, []corev1.OSName{corev1.Linux, corev1.Windows})}
}

func validateLinux(s *corev1.PodSpec, path *field.Path) field.ErrorList {
	const msg = "windows options cannot be set for a linux pod"
	var errs field.ErrorList
	if s.SecurityContext != nil && s.SecurityContext.WindowsOptions != nil {
		errs = append(errs, field.Forbidden(path.Child("securityContext", "windowsOptions"), msg))
	}
	for at, c := range containersOf(s, path) {
		if c.SecurityContext != nil && c.SecurityContext.WindowsOptions != nil {
			errs = append(errs, field.Forbidden(at.Child("securityContext", "windowsOptions"), msg))
		}
	}
	return errs
}

// given is a field's name and whether it is set.
type given struct {
	name string
	is   bool
}

// forbidGiven returns an error for each field that is set.
func forbidGiven(fields []given, msg string, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, f := range fields {
		if f.is {
			errs = append(errs, field.Forbidden(path.Child(f.name), msg))
		}
	}
	return errs
}

func validateWindows(s *corev1.PodSpec, path *field.Path) field.ErrorList {
	const msg = "cannot be set for a windows pod"
	sc, at := s.SecurityContext, path.Child("securityContext")
	if sc == nil {
		sc = &corev1.PodSecurityContext{}
	}
	errs := forbidGiven([]given{{"appArmorProfile", sc.AppArmorProfile != nil}, {"seLinuxOptions", sc.SELinuxOptions != nil}}, msg, at)
	errs = append(errs, forbidGiven([]given{{"hostUsers", s.HostUsers != nil}, {"hostPID", s.HostPID}, {"hostIPC", s.HostIPC}}, msg, path)...)
	errs = append(errs, forbidGiven([]given{
		{"seccompProfile", sc.SeccompProfile != nil},
		{"fsGroup", sc.FSGroup != nil},
		{"fsGroupChangePolicy", sc.FSGroupChangePolicy != nil},
		{"sysctls", len(sc.Sysctls) > 0},
	}, msg, at)...)
	errs = append(errs, forbidGiven([]given{{"shareProcessNamespace", s.ShareProcessNamespace != nil}}, msg, path)...)
	errs = append(errs, forbidGiven([]given{
		{"runAsUser", sc.RunAsUser != nil},
		{"runAsGroup", sc.RunAsGroup != nil},
		{"supplementalGroups", sc.SupplementalGroups != nil},
		{"supplementalGroupsPolicy", sc.SupplementalGroupsPolicy != nil},
		{"seLinuxChangePolicy", sc.SELinuxChangePolicy != nil},
	}, msg, at)...)
	for at, c := range containersOf(s, path) {
		if c.SecurityContext != nil {
			errs = append(errs, forbidGiven(linuxOnly(c.SecurityContext), msg, at.Child("securityContext"))...)
		}
	}
	return errs
}

// linuxOnly returns the fields of a container's security context that Windows does not support.
func linuxOnly(sc *corev1.SecurityContext) []given {
	return []given{
		{"appArmorProfile", sc.AppArmorProfile != nil},
		{"seLinuxOptions", sc.SELinuxOptions != nil},
		{"seccompProfile", sc.SeccompProfile != nil},
		{"capabilities", sc.Capabilities != nil},
		{"readOnlyRootFilesystem", sc.ReadOnlyRootFilesystem != nil},
		{"privileged", sc.Privileged != nil},
		{"allowPrivilegeEscalation", sc.AllowPrivilegeEscalation != nil},
		{"procMount", sc.ProcMount != nil},
		{"runAsUser", sc.RunAsUser != nil},
		{"runAsGroup", sc.RunAsGroup != nil},
	}
}
