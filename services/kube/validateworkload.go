package kube

import (
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func validateDeploymentSpec(s *appsv1.DeploymentSpec, path *field.Path) field.ErrorList {
	errs := optionalNonNegative(s.Replicas, path.Child("replicas"))
	errs = append(errs, validateSelected(s.Selector, &s.Template, "deployment", "ReplicaSet", path)...)
	errs = append(errs, validateStrategy(&s.Strategy, path.Child("strategy"))...)
	errs = append(errs, nonNegative(s.MinReadySeconds, path.Child("minReadySeconds"))...)
	errs = append(errs, optionalNonNegative(s.RevisionHistoryLimit, path.Child("revisionHistoryLimit"))...)
	if d := s.ProgressDeadlineSeconds; d != nil {
		errs = append(errs, nonNegative(*d, path.Child("progressDeadlineSeconds"))...)
		if *d <= s.MinReadySeconds {
			errs = append(errs, field.Invalid(path.Child("progressDeadlineSeconds"), *d, "must be greater than minReadySeconds"))
		}
	}
	return errs
}

// validateSelected checks the selector, that it matches the template, and the template, whose restartPolicy must be Always (R42).
// kind is the workload's name in messages about the selector, owner in messages about the template.
func validateSelected(selector *metav1.LabelSelector, t *corev1.PodTemplateSpec, kind, owner string, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	at, template := path.Child("selector"), path.Child("template")
	switch {
	case selector == nil && kind != "daemonset":
		errs = append(errs, field.Required(at, ""))
	case selector != nil:
		errs = append(errs, metavalidation.ValidateLabelSelector(selector, metavalidation.LabelSelectorValidationOptions{}, at)...)
		if len(selector.MatchLabels)+len(selector.MatchExpressions) == 0 {
			errs = append(errs, field.Invalid(at, selector, "empty selector is invalid for "+kind))
		}
	}
	parsed, err := metav1.LabelSelectorAsSelector(selector)
	switch {
	case err != nil && kind == "daemonset":
	case err != nil && kind == "statefulset":
		errs = append(errs, field.Invalid(at, selector, ""))
	case err != nil:
		errs = append(errs, field.Invalid(at, selector, "invalid label selector"))
	case !parsed.Empty() && !parsed.Matches(labels.Set(t.Labels)):
		errs = append(errs, field.Invalid(template.Child("metadata", "labels"), t.Labels, "`selector` does not match template `labels`"))
	}
	errs = append(errs, validateTemplate(t, template)...)
	if t.Spec.RestartPolicy != corev1.RestartPolicyAlways {
		errs = append(errs, field.NotSupported(template.Child("spec", "restartPolicy"), t.Spec.RestartPolicy,
			[]corev1.RestartPolicy{corev1.RestartPolicyAlways}))
	}
	if t.Spec.ActiveDeadlineSeconds != nil {
		errs = append(errs, field.Forbidden(template.Child("spec", "activeDeadlineSeconds"),
			"activeDeadlineSeconds in "+owner+" is not Supported"))
	}
	return errs
}

func validateStrategy(s *appsv1.DeploymentStrategy, path *field.Path) field.ErrorList {
	switch s.Type {
	case appsv1.RecreateDeploymentStrategyType:
		if s.RollingUpdate != nil {
			return field.ErrorList{field.Forbidden(path.Child("rollingUpdate"), "may not be specified when strategy `type` is 'Recreate'")}
		}
		return nil
	case appsv1.RollingUpdateDeploymentStrategyType:
		if s.RollingUpdate == nil {
			return field.ErrorList{field.Required(path.Child("rollingUpdate"), "this should be defaulted and never be nil")}
		}
		return validateSurge(s.RollingUpdate.MaxSurge, s.RollingUpdate.MaxUnavailable, path.Child("rollingUpdate"))
	}
	types := []string{string(appsv1.RecreateDeploymentStrategyType), string(appsv1.RollingUpdateDeploymentStrategyType)}
	return field.ErrorList{field.NotSupported(path, strategyText{string(s.Type), asNull(s.RollingUpdate)}, types)}
}

// strategyText returns a strategy of unknown type as printed by the API server.
type strategyText struct {
	Type          string
	RollingUpdate any
}

// asNull returns p for printing, null if it is nil.
func asNull[T any](p *T) any {
	if p == nil {
		return nil
	}
	return p
}

// validateSurge checks two counts or percentages, which must not both be zero.
func validateSurge(surge, unavailable *intstr.IntOrString, path *field.Path) field.ErrorList {
	zero := intstr.FromInt32(0)
	s, u := intstr.ValueOrDefault(surge, zero), intstr.ValueOrDefault(unavailable, zero)
	errs := validateIntOrPercent(*u, path.Child("maxUnavailable"))
	errs = append(errs, validateIntOrPercent(*s, path.Child("maxSurge"))...)
	if isNothing(*s) && isNothing(*u) {
		errs = append(errs, field.Invalid(path.Child("maxUnavailable"), *u, "may not be 0 when `maxSurge` is 0"))
	}
	return append(errs, validateAtMostAll(*u, path.Child("maxUnavailable"))...)
}

func validateIntOrPercent(v intstr.IntOrString, path *field.Path) field.ErrorList {
	if v.Type == intstr.String {
		return invalids(path, v, validation.IsValidPercent(v.StrVal))
	}
	return nonNegative(v.IntVal, path)
}

// validateAtMostAll rejects more than 100%.
func validateAtMostAll(v intstr.IntOrString, path *field.Path) field.ErrorList {
	if v.Type == intstr.Int || len(validation.IsValidPercent(v.StrVal)) > 0 {
		return nil
	}
	if n, err := intstr.GetScaledValueFromIntOrPercent(&v, 100, false); err == nil && n > 100 {
		return field.ErrorList{field.Invalid(path, v, "must not be greater than 100%")}
	}
	return nil
}

// isNothing reports whether v is 0 or 0%. An invalid string also counts as 0.
func isNothing(v intstr.IntOrString) bool {
	if v.Type == intstr.String && len(validation.IsValidPercent(v.StrVal)) == 0 {
		v.StrVal = strings.TrimSuffix(v.StrVal, "%")
	}
	return v.IntValue() == 0
}

func validateReplicaSetSpec(s *appsv1.ReplicaSetSpec, path *field.Path) field.ErrorList {
	errs := optionalNonNegative(s.Replicas, path.Child("replicas"))
	errs = append(errs, nonNegative(s.MinReadySeconds, path.Child("minReadySeconds"))...)
	return append(errs, validateSelected(s.Selector, &s.Template, "deployment", "ReplicaSet", path)...)
}

func validateStatefulSetSpec(s *appsv1.StatefulSetSpec, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if p := s.PodManagementPolicy; p != appsv1.OrderedReadyPodManagement && p != appsv1.ParallelPodManagement {
		errs = append(errs, field.Invalid(path.Child("podManagementPolicy"), p, "must be 'OrderedReady' or 'Parallel'"))
	}
	update := path.Child("updateStrategy")
	switch s.UpdateStrategy.Type {
	case appsv1.OnDeleteStatefulSetStrategyType:
		if s.UpdateStrategy.RollingUpdate != nil {
			errs = append(errs, field.Invalid(update.Child("rollingUpdate"), updateText(s.UpdateStrategy.RollingUpdate),
				"only allowed for updateStrategy 'RollingUpdate'"))
		}
	case appsv1.RollingUpdateStatefulSetStrategyType:
		if r := s.UpdateStrategy.RollingUpdate; r != nil {
			errs = append(errs, optionalNonNegative(r.Partition, update.Child("rollingUpdate", "partition"))...)
			errs = append(errs, validateUnavailable(r.MaxUnavailable, update.Child("rollingUpdate", "maxUnavailable"))...)
		}
	default:
		text := strategyText{string(s.UpdateStrategy.Type), updateText(s.UpdateStrategy.RollingUpdate)}
		errs = append(errs, field.Invalid(update, text, "must be 'RollingUpdate' or 'OnDelete'"))
	}
	errs = append(errs, validateRetention(s.PersistentVolumeClaimRetentionPolicy, path.Child("persistentVolumeClaimRetentionPolicy"))...)
	errs = append(errs, optionalNonNegative(s.Replicas, path.Child("replicas"))...)
	errs = append(errs, nonNegative(s.MinReadySeconds, path.Child("minReadySeconds"))...)
	if s.Ordinals != nil {
		errs = append(errs, nonNegative(s.Ordinals.Start, path.Child("ordinals.start"))...)
	}
	if s.ServiceName != "" {
		errs = append(errs, invalids(path.Child("serviceName"), s.ServiceName, validation.IsDNS1123Label(s.ServiceName))...)
	}
	// A claim becomes a volume of the pod and replaces one of the same name, so mounts can refer to it.
	t := s.Template.DeepCopy()
	for _, c := range s.VolumeClaimTemplates {
		if slices.ContainsFunc(t.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == c.Name }) {
			continue
		}
		t.Spec.Volumes = append(t.Spec.Volumes, corev1.Volume{Name: c.Name, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
	}
	return append(errs, validateSelected(s.Selector, t, "statefulset", "StatefulSet", path)...)
}

// updateText returns a StatefulSet's rolling update as printed by the API server.
func updateText(r *appsv1.RollingUpdateStatefulSetStrategy) any {
	if r == nil {
		return nil
	}
	text := struct{ Partition, MaxUnavailable any }{0, asNull(r.MaxUnavailable)}
	if r.Partition != nil {
		text.Partition = *r.Partition
	}
	return text
}

// validateUnavailable checks maxUnavailable, which has no effect (R174) but is validated.
func validateUnavailable(v *intstr.IntOrString, path *field.Path) field.ErrorList {
	if v == nil {
		return nil
	}
	errs := validateIntOrPercent(*v, path)
	if isNothing(*v) {
		errs = append(errs, field.Invalid(path, *v, "cannot be 0"))
	}
	return append(errs, validateAtMostAll(*v, path)...)
}

func validateRetention(p *appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy, path *field.Path) field.ErrorList {
	if p == nil {
		return nil
	}
	values := []appsv1.PersistentVolumeClaimRetentionPolicyType{
		appsv1.RetainPersistentVolumeClaimRetentionPolicyType, appsv1.DeletePersistentVolumeClaimRetentionPolicyType,
	}
	return append(supported(p.WhenDeleted, values, path.Child("whenDeleted")), supported(p.WhenScaled, values, path.Child("whenScaled"))...)
}

func validateDaemonSetSpec(s *appsv1.DaemonSetSpec, path *field.Path) field.ErrorList {
	errs := validateSelected(s.Selector, &s.Template, "daemonset", "DaemonSet", path)
	errs = append(errs, nonNegative(s.MinReadySeconds, path.Child("minReadySeconds"))...)
	update := path.Child("updateStrategy")
	switch s.UpdateStrategy.Type {
	case appsv1.OnDeleteDaemonSetStrategyType:
	case appsv1.RollingUpdateDaemonSetStrategyType:
		if r := s.UpdateStrategy.RollingUpdate; r != nil {
			errs = append(errs, validateDaemonSurge(r, update.Child("rollingUpdate"))...)
		}
	default:
		text := strategyText{string(s.UpdateStrategy.Type), asNull(s.UpdateStrategy.RollingUpdate)}
		errs = append(errs, field.NotSupported(update, text,
			[]appsv1.DaemonSetUpdateStrategyType{appsv1.RollingUpdateDaemonSetStrategyType, appsv1.OnDeleteDaemonSetStrategyType}))
	}
	return append(errs, optionalNonNegative(s.RevisionHistoryLimit, path.Child("revisionHistoryLimit"))...)
}

// validateDaemonSurge checks that exactly one of maxSurge and maxUnavailable is not zero.
func validateDaemonSurge(r *appsv1.RollingUpdateDaemonSet, path *field.Path) field.ErrorList {
	zero := intstr.FromInt32(0)
	s, u := intstr.ValueOrDefault(r.MaxSurge, zero), intstr.ValueOrDefault(r.MaxUnavailable, zero)
	errs := validateIntOrPercent(*u, path.Child("maxUnavailable"))
	errs = append(errs, validateIntOrPercent(*s, path.Child("maxSurge"))...)
	errs = append(errs, validateAtMostAll(*u, path.Child("maxUnavailable"))...)
	errs = append(errs, validateAtMostAll(*s, path.Child("maxSurge"))...)
	switch {
	case isNothing(*s) && isNothing(*u):
		errs = append(errs, field.Required(path.Child("maxUnavailable"), "cannot be 0 when maxSurge is 0"))
	case !isNothing(*s) && !isNothing(*u):
		errs = append(errs, field.Invalid(path.Child("maxSurge"), *s, "may not be set when maxUnavailable is non-zero"))
	}
	return errs
}
