package kube

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validateEphemeralContainers checks ephemeral containers. They are allowed in updates only; the API server reports their errors
// before that one.
func validateEphemeralContainers(s *corev1.PodSpec, pod *podContext, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	others, names := map[string]bool{}, map[string]bool{}
	for _, cs := range [][]corev1.Container{s.Containers, s.InitContainers} {
		for i := range cs {
			others[cs[i].Name], names[cs[i].Name] = true, true
		}
	}
	for i := range s.EphemeralContainers {
		c, p := &s.EphemeralContainers[i], path.Index(i)
		errs = append(errs, validateContainer((*corev1.Container)(&c.EphemeralContainerCommon), pod, p)...)
		if names[c.Name] {
			errs = append(errs, field.Duplicate(p.Child("name"), c.Name))
		}
		names[c.Name] = true
		if c.TargetContainerName != "" && !others[c.TargetContainerName] {
			errs = append(errs, field.NotFound(p.Child("targetContainerName"), c.TargetContainerName))
		}
		errs = append(errs, validateEphemeralFields(&c.EphemeralContainerCommon, p)...)
	}
	return errs
}

// validateEphemeralFields rejects fields that ephemeral containers must not have.
func validateEphemeralFields(c *corev1.EphemeralContainerCommon, path *field.Path) field.ErrorList {
	const msg = "cannot be set for an Ephemeral Container"
	r := &c.Resources
	errs := forbidGiven([]given{
		{"ports", c.Ports != nil},
		{"resources", r.Limits != nil || r.Requests != nil || r.Claims != nil},
		{"resizePolicy", c.ResizePolicy != nil},
		{"restartPolicy", c.RestartPolicy != nil},
		{"restartPolicyRules", c.RestartPolicyRules != nil},
		{"livenessProbe", c.LivenessProbe != nil},
		{"readinessProbe", c.ReadinessProbe != nil},
		{"startupProbe", c.StartupProbe != nil},
		{"lifecycle", c.Lifecycle != nil},
	}, msg, path)
	for i, m := range c.VolumeMounts {
		errs = append(errs, forbidGiven([]given{{"subPath", m.SubPath != ""}, {"subPathExpr", m.SubPathExpr != ""}}, msg, path.Child("volumeMounts").Index(i))...)
	}
	return errs
}
