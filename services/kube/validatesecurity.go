package kube

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validatePodSecurity checks a pod's security context and shareProcessNamespace, which the API server reports under the security
// context.
func validatePodSecurity(s *corev1.PodSpec, path *field.Path) field.ErrorList {
	sc := s.SecurityContext
	if sc == nil {
		sc = &corev1.PodSecurityContext{}
	}
	errs := validateID(sc.FSGroup, validation.IsValidGroupID, path.Child("fsGroup"))
	errs = append(errs, validateID(sc.RunAsUser, validation.IsValidUserID, path.Child("runAsUser"))...)
	errs = append(errs, validateID(sc.RunAsGroup, validation.IsValidGroupID, path.Child("runAsGroup"))...)
	for i := range sc.SupplementalGroups {
		errs = append(errs, validateID(&sc.SupplementalGroups[i], validation.IsValidGroupID, path.Child("supplementalGroups").Index(i))...)
	}
	if isTrue(s.ShareProcessNamespace) && s.HostPID {
		errs = append(errs, field.Invalid(path.Child("shareProcessNamespace"), true, "ShareProcessNamespace and HostPID cannot both be enabled"))
	}
	errs = append(errs, validateSysctls(s, sc.Sysctls, path.Child("sysctls"))...)
	changes := []corev1.PodFSGroupChangePolicy{corev1.FSGroupChangeAlways, corev1.FSGroupChangeOnRootMismatch}
	errs = append(errs, optionalSupported(sc.FSGroupChangePolicy, changes, path.Child("fsGroupChangePolicy"))...)
	errs = append(errs, validateSeccomp(sc.SeccompProfile, path.Child("seccompProfile"))...)
	errs = append(errs, validateWindowsOptions(sc.WindowsOptions, path.Child("windowsOptions"))...)
	errs = append(errs, validateAppArmor(sc.AppArmorProfile, path.Child("appArmorProfile"))...)
	groups := []corev1.SupplementalGroupsPolicy{corev1.SupplementalGroupsPolicyMerge, corev1.SupplementalGroupsPolicyStrict}
	errs = append(errs, optionalSupported(sc.SupplementalGroupsPolicy, groups, path.Child("supplementalGroupsPolicy"))...)
	// MountOption needs the gate SELinuxMount, which is off in 1.36.
	relabels := []corev1.PodSELinuxChangePolicy{corev1.SELinuxChangePolicyRecursive}
	return append(errs, optionalSupported(sc.SELinuxChangePolicy, relabels, path.Child("seLinuxChangePolicy"))...)
}

// validateContainerSecurity checks a container's security context. hostUsers is true if the pod is in the host's user namespace,
// in which /proc must not be unmasked.
func validateContainerSecurity(sc *corev1.SecurityContext, hostUsers bool, path *field.Path) field.ErrorList {
	if sc == nil {
		return nil
	}
	errs := validateID(sc.RunAsUser, validation.IsValidUserID, path.Child("runAsUser"))
	errs = append(errs, validateID(sc.RunAsGroup, validation.IsValidGroupID, path.Child("runAsGroup"))...)
	mounts := []corev1.ProcMountType{corev1.DefaultProcMount, corev1.UnmaskedProcMount}
	errs = append(errs, optionalSupported(sc.ProcMount, mounts, path.Child("procMount"))...)
	if hostUsers && sc.ProcMount != nil && *sc.ProcMount == corev1.UnmaskedProcMount {
		errs = append(errs, field.Invalid(path.Child("procMount"), *sc.ProcMount, "`hostUsers` must be false to use `Unmasked`"))
	}
	errs = append(errs, validateSeccomp(sc.SeccompProfile, path.Child("seccompProfile"))...)
	errs = append(errs, validateEscalation(sc, path)...)
	errs = append(errs, validateWindowsOptions(sc.WindowsOptions, path.Child("windowsOptions"))...)
	return append(errs, validateAppArmor(sc.AppArmorProfile, path.Child("appArmorProfile"))...)
}

// validateEscalation rejects allowPrivilegeEscalation: false for a container with full privileges. Only the spelling
// CAP_SYS_ADMIN counts.
func validateEscalation(sc *corev1.SecurityContext, path *field.Path) field.ErrorList {
	if sc.AllowPrivilegeEscalation == nil || *sc.AllowPrivilegeEscalation {
		return nil
	}
	var errs field.ErrorList
	if isTrue(sc.Privileged) {
		errs = append(errs, field.Invalid(path, securityTextOf(sc), "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"))
	}
	if sc.Capabilities == nil {
		return errs
	}
	for _, c := range sc.Capabilities.Add {
		if c == "CAP_SYS_ADMIN" {
			errs = append(errs, field.Invalid(path, securityTextOf(sc), "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"))
		}
	}
	return errs
}

// validateSeccomp checks a seccomp profile: a known type, and a relative path of a file on the node for Localhost only.
func validateSeccomp(p *corev1.SeccompProfile, path *field.Path) field.ErrorList {
	if p == nil {
		return nil
	}
	var errs field.ErrorList
	if p.Type == "" {
		errs = append(errs, field.Required(path.Child("type"), "type is required when seccompProfile is set"))
	} else {
		types := []corev1.SeccompProfileType{corev1.SeccompProfileTypeLocalhost, corev1.SeccompProfileTypeRuntimeDefault, corev1.SeccompProfileTypeUnconfined}
		errs = append(errs, supported(p.Type, types, path.Child("type"))...)
	}
	at := path.Child("localhostProfile")
	switch local := p.Type == corev1.SeccompProfileTypeLocalhost; {
	case local && p.LocalhostProfile == nil:
		errs = append(errs, field.Required(at, "must be set when seccomp type is Localhost"))
	case local:
		errs = append(errs, validateDescending(*p.LocalhostProfile, at)...)
	case p.LocalhostProfile != nil:
		errs = append(errs, field.Invalid(at, (*seccompText)(p), "can only be set when seccomp type is Localhost"))
	}
	return errs
}

// maxAppArmorName is the maximum length of an AppArmor profile's name in bytes.
const maxAppArmorName = 4095

// validateAppArmor checks an AppArmor profile: a known type, and the name of a profile loaded on the node for Localhost only.
func validateAppArmor(p *corev1.AppArmorProfile, path *field.Path) field.ErrorList {
	if p == nil {
		return nil
	}
	at := path.Child("localhostProfile")
	switch p.Type {
	case corev1.AppArmorProfileTypeLocalhost:
		return validateAppArmorName(p.LocalhostProfile, at)
	case corev1.AppArmorProfileTypeRuntimeDefault, corev1.AppArmorProfileTypeUnconfined:
		if p.LocalhostProfile != nil {
			return field.ErrorList{field.Invalid(at, p.LocalhostProfile, "can only be set when AppArmor type is Localhost")}
		}
		return nil
	case "":
		return field.ErrorList{field.Required(path.Child("type"), "type is required when appArmorProfile is set")}
	}
	types := []corev1.AppArmorProfileType{corev1.AppArmorProfileTypeLocalhost, corev1.AppArmorProfileTypeRuntimeDefault, corev1.AppArmorProfileTypeUnconfined}
	return field.ErrorList{field.NotSupported(path.Child("type"), p.Type, types)}
}

func validateAppArmorName(name *string, at *field.Path) field.ErrorList {
	if name == nil || *name == "" {
		return field.ErrorList{field.Required(at, "must be set when AppArmor type is Localhost")}
	}
	var errs field.ErrorList
	if strings.TrimSpace(*name) != *name {
		errs = append(errs, field.Invalid(at, *name, "must not be padded with whitespace"))
	}
	if len(*name) > maxAppArmorName {
		errs = append(errs, field.TooLong(at, "", maxAppArmorName))
	}
	return errs
}

// validateID checks a user or group ID if it is set.
func validateID(id *int64, messages func(int64) []string, path *field.Path) field.ErrorList {
	if id == nil {
		return nil
	}
	return invalids(path, *id, messages(*id))
}

// optionalSupported is like supported for an optional value.
func optionalSupported[T ~string](v *T, values []T, path *field.Path) field.ErrorList {
	if v == nil {
		return nil
	}
	return supported(*v, values, path)
}

func isTrue(b *bool) bool { return b != nil && *b }
