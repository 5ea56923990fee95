package kube

import (
	"fmt"
	"math"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// podKind tells a Pod's spec from a template's: some rules apply to Pods only.
type podKind int

const (
	inPod podKind = iota
	inTemplate
)

// validatePod checks a Pod for creation.
func validatePod(p *corev1.Pod) field.ErrorList {
	spec, path := withAppArmorFields(p), field.NewPath("spec")
	errs := validateMeta(&p.ObjectMeta, validation.IsDNS1123Subdomain)
	errs = append(errs, validateProfileAnnotations(p.Annotations, spec, field.NewPath("metadata", "annotations"))...)
	errs = append(errs, validatePodSpec(spec, inPod, path)...)
	if len(spec.EphemeralContainers) > 0 {
		errs = append(errs, field.Forbidden(path.Child("ephemeralContainers"), "cannot be set on create"))
	}
	return append(errs, validateProfilesAgree(&p.ObjectMeta, spec, path)...)
}

// validatePodSpec checks a pod spec. The order of errors is that of Kubernetes.
func validatePodSpec(s *corev1.PodSpec, kind podKind, path *field.Path) field.ErrorList {
	pod := &podContext{
		volumes: map[string]bool{}, names: map[string]bool{}, grace: corev1.DefaultTerminationGracePeriodSeconds, hostUsers: hostUsers(s),
	}
	if s.TerminationGracePeriodSeconds != nil {
		pod.grace = *s.TerminationGracePeriodSeconds
	}
	errs := validateVolumes(s.Volumes, pod, path.Child("volumes"))
	errs = append(errs, validateContainers(s.Containers, pod, path.Child("containers"))...)
	errs = append(errs, validateInitContainers(s.InitContainers, pod, path.Child("initContainers"))...)
	errs = append(errs, validateEphemeralContainers(s, pod, path.Child("ephemeralContainers"))...)
	errs = append(errs, validateHostNetworkPorts(s, kind, path)...)
	restart := []corev1.RestartPolicy{corev1.RestartPolicyAlways, corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever}
	errs = append(errs, supported(s.RestartPolicy, restart, path.Child("restartPolicy"))...)
	dns := []corev1.DNSPolicy{corev1.DNSClusterFirstWithHostNet, corev1.DNSClusterFirst, corev1.DNSDefault, corev1.DNSNone}
	errs = append(errs, supported(s.DNSPolicy, dns, path.Child("dnsPolicy"))...)
	errs = append(errs, metavalidation.ValidateLabels(s.NodeSelector, path.Child("nodeSelector"))...)
	errs = append(errs, validatePodSecurity(s, path.Child("securityContext"))...)
	errs = append(errs, validateReadinessGates(s.ReadinessGates, path.Child("readinessGates"))...)
	errs = append(errs, validateHostProcess(s, path)...)
	errs = append(errs, validateHostUsers(s, path)...)
	errs = append(errs, validateHostnameOverride(s, path)...)
	if v := s.ActiveDeadlineSeconds; v != nil && (*v < 1 || *v > math.MaxInt32) {
		errs = append(errs, field.Invalid(path.Child("activeDeadlineSeconds"), *v, validation.InclusiveRangeError(1, math.MaxInt32)))
	}
	if s.Hostname != "" {
		errs = append(errs, invalids(path.Child("hostname"), s.Hostname, validation.IsDNS1123Label(s.Hostname))...)
	}
	if s.Subdomain != "" {
		errs = append(errs, invalids(path.Child("subdomain"), s.Subdomain, validation.IsDNS1123Label(s.Subdomain))...)
	}
	errs = append(errs, validateHostAliases(s.HostAliases, path.Child("hostAliases"))...)
	return append(errs, validateOS(s, path)...)
}

func validateReadinessGates(gates []corev1.PodReadinessGate, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, g := range gates {
		errs = append(errs, invalids(path.Index(i).Child("conditionType"), string(g.ConditionType), validation.IsQualifiedName(string(g.ConditionType)))...)
	}
	return errs
}

func validateVolumes(volumes []corev1.Volume, pod *podContext, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, v := range volumes {
		p := path.Index(i)
		msgs := validation.IsDNS1123Label(v.Name)
		switch {
		case v.Name == "":
			errs = append(errs, field.Required(p.Child("name"), ""))
		case len(msgs) > 0:
			errs = append(errs, invalids(p.Child("name"), v.Name, msgs)...)
		case pod.volumes[v.Name]:
			errs = append(errs, field.Duplicate(p.Child("name"), v.Name))
		}
		pod.volumes[v.Name] = true
		errs = append(errs, validateVolumeSource(&v.VolumeSource, p)...)
	}
	return errs
}

// validateVolumeSource checks the supported volume sources. Defaults ensure that there is one.
func validateVolumeSource(v *corev1.VolumeSource, p *field.Path) field.ErrorList {
	var errs field.ErrorList
	sources := 0
	count := func(given bool, name string, required string, value string) {
		if !given {
			return
		}
		if sources++; sources > 1 {
			errs = append(errs, field.Forbidden(p.Child(name), "may not specify more than 1 volume type"))
			return
		}
		if required != "" && value == "" {
			errs = append(errs, field.Required(p.Child(name, required), ""))
		}
	}
	count(v.EmptyDir != nil, "emptyDir", "", "")
	if v.HostPath != nil {
		count(true, "hostPath", "path", v.HostPath.Path)
	}
	if v.Secret != nil {
		count(true, "secret", "secretName", v.Secret.SecretName)
	}
	if v.PersistentVolumeClaim != nil {
		count(true, "persistentVolumeClaim", "claimName", v.PersistentVolumeClaim.ClaimName)
	}
	if v.ConfigMap != nil {
		count(true, "configMap", "name", v.ConfigMap.Name)
	}
	count(v.Projected != nil, "projected", "", "")
	count(v.DownwardAPI != nil, "downwardAPI", "", "")
	return errs
}

func validateVolumeMounts(mounts []corev1.VolumeMount, volumes map[string]bool, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	var paths []string
	for i, m := range mounts {
		p := at.Index(i)
		if m.Name == "" {
			errs = append(errs, field.Required(p.Child("name"), ""))
		}
		if m.Name == "" || !volumes[m.Name] {
			errs = append(errs, field.NotFound(p.Child("name"), m.Name))
		}
		if m.MountPath == "" {
			errs = append(errs, field.Required(p.Child("mountPath"), ""))
		}
		if slices.Contains(paths, m.MountPath) {
			errs = append(errs, field.Invalid(p.Child("mountPath"), m.MountPath, "must be unique"))
		}
		paths = append(paths, m.MountPath)
		if m.SubPath != "" {
			errs = append(errs, validateDescending(m.SubPath, at.Child("subPath"))...)
		}
		if m.SubPathExpr != "" {
			if m.SubPath != "" {
				errs = append(errs, field.Invalid(p.Child("subPathExpr"), m.SubPathExpr, "subPathExpr and subPath are mutually exclusive"))
			}
			errs = append(errs, validateDescending(m.SubPathExpr, at.Child("subPathExpr"))...)
		}
	}
	return errs
}

// validateDescending checks that a path is relative and contains no "..".
func validateDescending(value string, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if path.IsAbs(value) {
		errs = append(errs, field.Invalid(at, value, "must be a relative path"))
	}
	if slices.Contains(strings.Split(value, "/"), "..") {
		errs = append(errs, field.Invalid(at, value, fmt.Sprintf("must not contain '%s'", "..")))
	}
	return errs
}
