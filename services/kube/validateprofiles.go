package kube

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Deprecated annotations for seccomp and AppArmor profiles. Both use the same values; a profile of the node is "localhost/"
// followed by its file or name.
const (
	seccompOfPod       = corev1.SeccompPodAnnotationKey
	seccompOfContainer = corev1.SeccompContainerAnnotationKeyPrefix
	appArmorAnnotation = corev1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix
	profileUnconfined  = corev1.SeccompProfileNameUnconfined
	profileDefault     = corev1.SeccompProfileRuntimeDefault
	profileDocker      = corev1.DeprecatedSeccompProfileDockerDefault
	profileLocal       = corev1.SeccompLocalhostProfileNamePrefix
)

// validateProfileAnnotations checks the annotations' values. The API server reports errors in random order; here they are sorted.
func validateProfileAnnotations(annotations map[string]string, s *corev1.PodSpec, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if profile, ok := annotations[seccompOfPod]; ok {
		errs = append(errs, validateSeccompText(profile, path.Child(seccompOfPod))...)
	}
	for _, k := range sortedKeys(annotations) {
		if strings.HasPrefix(k, seccompOfContainer) {
			errs = append(errs, validateSeccompText(annotations[k], path.Child(k))...)
		}
	}
	names := map[string]bool{}
	for _, c := range containersOf(s, path) {
		names[c.Name] = true
	}
	for _, k := range sortedKeys(annotations) {
		name, ok := strings.CutPrefix(k, appArmorAnnotation)
		if !ok {
			continue
		}
		if !names[name] {
			errs = append(errs, field.Invalid(path.Key(k), name, "container not found"))
		}
		switch profile := annotations[k]; {
		case profile == "", profile == profileDefault, profile == profileUnconfined, strings.HasPrefix(profile, profileLocal):
		default:
			errs = append(errs, field.Invalid(path.Key(k), profile, fmt.Sprintf("invalid AppArmor profile name: %q", profile)))
		}
	}
	return errs
}

func validateSeccompText(profile string, path *field.Path) field.ErrorList {
	switch profile {
	case profileDefault, profileDocker, profileUnconfined:
		return nil
	}
	if local, ok := strings.CutPrefix(profile, profileLocal); ok {
		return validateDescending(local, path)
	}
	return field.ErrorList{field.Invalid(path, profile, "must be a valid seccomp profile")}
}

// validateProfilesAgree checks that a field and an annotation for the same pod or container set the same profile.
func validateProfilesAgree(m *metav1.ObjectMeta, s *corev1.PodSpec, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	var ofPod *corev1.AppArmorProfile
	if sc := s.SecurityContext; sc != nil {
		ofPod = sc.AppArmorProfile
		if text, ok := m.Annotations[seccompOfPod]; ok && sc.SeccompProfile != nil {
			errs = append(errs, seccompAgrees(text, sc.SeccompProfile, path.Child("securityContext", "seccompProfile"))...)
		}
	}
	for at, c := range containersOf(s, path) {
		text, ok := m.Annotations[seccompOfContainer+c.Name]
		if ok && c.SecurityContext != nil && c.SecurityContext.SeccompProfile != nil {
			errs = append(errs, seccompAgrees(text, c.SecurityContext.SeccompProfile, at.Child("securityContext", "seccompProfile"))...)
		}
	}
	if s.OS != nil && s.OS.Name == corev1.Windows {
		return errs
	}
	for at, c := range containersOf(s, path) {
		profile := ofPod
		if c.SecurityContext != nil && c.SecurityContext.AppArmorProfile != nil {
			profile = c.SecurityContext.AppArmorProfile
		}
		if text, ok := m.Annotations[appArmorAnnotation+c.Name]; ok && profile != nil {
			errs = append(errs, appArmorAgrees(text, profile, at.Child("securityContext", "appArmorProfile"))...)
		}
	}
	return errs
}

func seccompAgrees(text string, p *corev1.SeccompProfile, path *field.Path) field.ErrorList {
	if p.Type == corev1.SeccompProfileTypeRuntimeDefault && text == profileDocker {
		return nil
	}
	return profileAgrees(text, string(p.Type), p.LocalhostProfile, "seccomp", path)
}

func appArmorAgrees(text string, p *corev1.AppArmorProfile, path *field.Path) field.ErrorList {
	return profileAgrees(text, string(p.Type), p.LocalhostProfile, "apparmor", path)
}

// profileAgrees compares an annotation with a field's type and node profile, which have the same values for seccomp and AppArmor.
// Unknown types are reported elsewhere.
func profileAgrees(text, profileType string, local *string, kind string, path *field.Path) field.ErrorList {
	name, isLocal := strings.CutPrefix(text, profileLocal)
	agrees := true
	switch profileType {
	case string(corev1.SeccompProfileTypeUnconfined):
		agrees = text == profileUnconfined
	case string(corev1.SeccompProfileTypeRuntimeDefault):
		agrees = text == profileDefault
	case string(corev1.SeccompProfileTypeLocalhost):
		agrees = isLocal
		if isLocal && (local == nil || *local != name) {
			return field.ErrorList{field.Forbidden(path.Child("localhostProfile"), kind+" profile in annotation and field must match")}
		}
	}
	if !agrees {
		return field.ErrorList{field.Forbidden(path.Child("type"), kind+" type in annotation and field must match")}
	}
	return nil
}

// withAppArmorFields returns a pod spec in which containers without an AppArmor profile get that of their annotation, unless it
// equals the pod's. The API server does this for Pods, not for templates.
func withAppArmorFields(p *corev1.Pod) *corev1.PodSpec {
	if p.Spec.OS != nil && p.Spec.OS.Name == corev1.Windows {
		return &p.Spec
	}
	s := p.Spec.DeepCopy()
	for _, c := range containersOf(s, nil) {
		profile := appArmorOf(p.Annotations[appArmorAnnotation+c.Name])
		if profile == nil || s.SecurityContext != nil && equality.Semantic.DeepEqual(profile, s.SecurityContext.AppArmorProfile) {
			continue
		}
		set(&c.SecurityContext, corev1.SecurityContext{})
		set(&c.SecurityContext.AppArmorProfile, *profile)
	}
	return s
}

// appArmorOf returns the profile of an annotation, nil if a field cannot represent it.
func appArmorOf(text string) *corev1.AppArmorProfile {
	local, isLocal := strings.CutPrefix(text, profileLocal)
	switch {
	case text == profileUnconfined:
		return &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeUnconfined}
	case text == profileDefault:
		return &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeRuntimeDefault}
	case isLocal && len(validateAppArmorName(&local, nil)) == 0:
		return &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeLocalhost, LocalhostProfile: &local}
	}
	return nil
}
