package kube

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// podContext holds the pod's fields that the validation of a container needs.
type podContext struct {
	volumes map[string]bool
	// grace is terminationGracePeriodSeconds.
	grace int64
	names map[string]bool
	// hostUsers is true if the pod is in the host's user namespace.
	hostUsers bool
}

// validateContainers checks the regular containers: at least one, with unique names.
func validateContainers(cs []corev1.Container, pod *podContext, path *field.Path) field.ErrorList {
	if len(cs) == 0 {
		return field.ErrorList{field.Required(path, "")}
	}
	var errs field.ErrorList
	for i := range cs {
		c, p := &cs[i], path.Index(i)
		errs = append(errs, validateContainer(c, pod, p)...)
		errs = append(errs, pod.newName(c.Name, p)...)
		errs = append(errs, validateLifeAndProbes(c, pod, p)...)
		errs = append(errs, validateContainerRestart(c, p)...)
	}
	return append(errs, validateHostPorts(cs, path)...)
}

// validateInitContainers checks init containers: only sidecars have probes and hooks (R38).
func validateInitContainers(cs []corev1.Container, pod *podContext, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i := range cs {
		c, p := &cs[i], path.Index(i)
		errs = append(errs, validateContainer(c, pod, p)...)
		errs = append(errs, validateContainerRestart(c, p)...)
		errs = append(errs, pod.newName(c.Name, p)...)
		// Init containers run one after the other, so host ports are checked for each separately; the API server reports each with
		// index 0.
		errs = append(errs, validateHostPorts(cs[i:i+1], path)...)
		if IsSidecar(c) {
			errs = append(errs, validateLifeAndProbes(c, pod, p)...)
			continue
		}
		forbid := func(given bool, name string) {
			if given {
				errs = append(errs, field.Forbidden(p.Child(name), "may not be set for init containers without restartPolicy=Always"))
			}
		}
		forbid(c.Lifecycle != nil, "lifecycle")
		forbid(c.LivenessProbe != nil, "livenessProbe")
		forbid(c.ReadinessProbe != nil, "readinessProbe")
		forbid(c.StartupProbe != nil, "startupProbe")
	}
	return errs
}

// IsSidecar reports whether an init container is a sidecar: it keeps running with the regular containers (R113).
func IsSidecar(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// newName records a container's name; a duplicate is an error.
func (p *podContext) newName(name string, path *field.Path) field.ErrorList {
	if p.names[name] {
		return field.ErrorList{field.Duplicate(path.Child("name"), name)}
	}
	if name != "" {
		p.names[name] = true
	}
	return nil
}

func validateLifeAndProbes(c *corev1.Container, pod *podContext, path *field.Path) field.ErrorList {
	errs := validateLifecycle(c.Lifecycle, pod.grace, path.Child("lifecycle"))
	errs = append(errs, validateKillingProbe(c.LivenessProbe, pod.grace, path.Child("livenessProbe"))...)
	errs = append(errs, validateReadinessProbe(c.ReadinessProbe, pod.grace, path.Child("readinessProbe"))...)
	return append(errs, validateKillingProbe(c.StartupProbe, pod.grace, path.Child("startupProbe"))...)
}

// The most rules that a container may have, and the most exit codes of a rule (R78).
const (
	maxRestartRules  = 20
	maxRuleExitCodes = 255
)

// validateContainerRestart checks a container's own restart policy and its rules (R78).
func validateContainerRestart(c *corev1.Container, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if c.RestartPolicy != nil {
		policies := []corev1.ContainerRestartPolicy{
			corev1.ContainerRestartPolicyAlways, corev1.ContainerRestartPolicyNever, corev1.ContainerRestartPolicyOnFailure,
		}
		errs = append(errs, supported(*c.RestartPolicy, policies, path.Child("restartPolicy"))...)
	}
	if len(c.RestartPolicyRules) == 0 {
		return errs
	}
	if c.RestartPolicy == nil {
		errs = append(errs, field.Required(path.Child("restartPolicy"), "must specify restartPolicy when restart rules are used"))
	}
	if n := len(c.RestartPolicyRules); n > maxRestartRules {
		errs = append(errs, field.TooMany(path.Child("restartPolicyRules"), n, maxRestartRules))
	}
	for i, r := range c.RestartPolicyRules {
		p := path.Child("restartPolicyRules").Index(i)
		actions := []corev1.ContainerRestartRuleAction{corev1.ContainerRestartRuleActionRestart, "RestartAllContainers"}
		errs = append(errs, supported(r.Action, actions, p.Child("action"))...)
		if r.ExitCodes == nil {
			errs = append(errs, field.Required(p.Child("exitCodes"), "must be specified"))
			continue
		}
		operators := []corev1.ContainerRestartRuleOnExitCodesOperator{
			corev1.ContainerRestartRuleOnExitCodesOpIn, corev1.ContainerRestartRuleOnExitCodesOpNotIn,
		}
		errs = append(errs, supported(r.ExitCodes.Operator, operators, p.Child("exitCodes", "operator"))...)
		if n := len(r.ExitCodes.Values); n > maxRuleExitCodes {
			errs = append(errs, field.TooMany(p.Child("exitCodes", "values"), n, maxRuleExitCodes))
		}
	}
	return errs
}

// supported checks that a value is one of the supported values, which the message lists in the given order.
func supported[T ~string](v T, values []T, path *field.Path) field.ErrorList {
	if slices.Contains(values, v) {
		return nil
	}
	return field.ErrorList{field.NotSupported(path, v, values)}
}

// validateContainer checks the fields that all kinds of containers have.
func validateContainer(c *corev1.Container, pod *podContext, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if c.Name == "" {
		errs = append(errs, field.Required(path.Child("name"), ""))
	} else {
		errs = append(errs, invalids(path.Child("name"), c.Name, validation.IsDNS1123Label(c.Name))...)
	}
	switch {
	case c.Image == "":
		errs = append(errs, field.Required(path.Child("image"), ""))
	case c.Image != strings.TrimSpace(c.Image):
		errs = append(errs, field.Invalid(path.Child("image"), c.Image, "must not have leading or trailing whitespace"))
	}
	messages := []corev1.TerminationMessagePolicy{corev1.TerminationMessageReadFile, corev1.TerminationMessageFallbackToLogsOnError}
	errs = append(errs, supported(c.TerminationMessagePolicy, messages, path.Child("terminationMessagePolicy"))...)
	errs = append(errs, validateContainerPorts(c.Ports, path.Child("ports"))...)
	errs = append(errs, validateEnv(c.Env, path.Child("env"))...)
	errs = append(errs, validateEnvFrom(c.EnvFrom, path.Child("envFrom"))...)
	errs = append(errs, validateVolumeMounts(c.VolumeMounts, pod.volumes, path.Child("volumeMounts"))...)
	pulls := []corev1.PullPolicy{corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever}
	errs = append(errs, supported(c.ImagePullPolicy, pulls, path.Child("imagePullPolicy"))...)
	errs = append(errs, validateResources(&c.Resources, path.Child("resources"))...)
	return append(errs, validateContainerSecurity(c.SecurityContext, pod.hostUsers, path.Child("securityContext"))...)
}

var protocols = []corev1.Protocol{corev1.ProtocolSCTP, corev1.ProtocolTCP, corev1.ProtocolUDP}

func validateContainerPorts(ports []corev1.ContainerPort, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	names := map[string]bool{}
	for i, port := range ports {
		p := path.Index(i)
		if port.Name != "" {
			msgs := validation.IsValidPortName(port.Name)
			errs = append(errs, invalids(p.Child("name"), port.Name, msgs)...)
			if len(msgs) == 0 && names[port.Name] {
				errs = append(errs, field.Duplicate(p.Child("name"), port.Name))
			}
			names[port.Name] = true
		}
		if port.ContainerPort == 0 {
			errs = append(errs, field.Required(p.Child("containerPort"), ""))
		} else {
			errs = append(errs, invalids(p.Child("containerPort"), port.ContainerPort, validation.IsValidPortNum(int(port.ContainerPort)))...)
		}
		if port.HostPort != 0 {
			errs = append(errs, invalids(p.Child("hostPort"), port.HostPort, validation.IsValidPortNum(int(port.HostPort)))...)
		}
		if port.Protocol == "" {
			errs = append(errs, field.Required(p.Child("protocol"), ""))
		} else {
			errs = append(errs, supported(port.Protocol, protocols, p.Child("protocol"))...)
		}
	}
	return errs
}

func validateResources(r *corev1.ResourceRequirements, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, name := range sortedKeys(r.Limits) {
		q := r.Limits[name]
		if q.Sign() < 0 {
			errs = append(errs, field.Invalid(path.Child("limits").Key(string(name)), q.String(), "must be greater than or equal to 0"))
		}
	}
	for _, name := range sortedKeys(r.Requests) {
		q := r.Requests[name]
		if q.Sign() < 0 {
			errs = append(errs, field.Invalid(path.Child("requests").Key(string(name)), q.String(), "must be greater than or equal to 0"))
		}
		if limit, ok := r.Limits[name]; ok && q.Cmp(limit) > 0 {
			msg := fmt.Sprintf("must be less than or equal to %s limit of %s", name, limit.String())
			errs = append(errs, field.Invalid(path.Child("requests"), q.String(), msg))
		}
	}
	return errs
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	var keys []K
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
