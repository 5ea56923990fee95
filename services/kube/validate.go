package kube

import (
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Validate validates an object with defaults set (Default) by the rules of Kubernetes v1.36 for the supported fields (R31-R43,
// R129, R195), security contexts, host namespaces, host ports, host names and spec.os, with the default feature gates and
// privileged containers allowed. Field paths, messages and their order are those of Kubernetes. Objects of other kinds are valid.
func Validate(obj runtime.Object) field.ErrorList {
	switch o := obj.(type) {
	case *corev1.Pod:
		return validatePod(o)
	case *appsv1.Deployment:
		return append(validateMeta(&o.ObjectMeta, validation.IsDNS1123Subdomain), validateDeploymentSpec(&o.Spec, field.NewPath("spec"))...)
	case *appsv1.ReplicaSet:
		return append(validateMeta(&o.ObjectMeta, validation.IsDNS1123Subdomain), validateReplicaSetSpec(&o.Spec, field.NewPath("spec"))...)
	case *appsv1.StatefulSet:
		return append(validateMeta(&o.ObjectMeta, validation.IsDNS1123Label), validateStatefulSetSpec(&o.Spec, field.NewPath("spec"))...)
	case *appsv1.DaemonSet:
		return append(validateMeta(&o.ObjectMeta, validation.IsDNS1123Subdomain), validateDaemonSetSpec(&o.Spec, field.NewPath("spec"))...)
	case *batchv1.Job:
		return validateJob(o)
	case *batchv1.CronJob:
		return validateCronJob(o)
	case *corev1.Service:
		return append(validateMeta(&o.ObjectMeta, validation.IsDNS1123Label), validateServiceSpec(&o.Spec, field.NewPath("spec"))...)
	case *corev1.ConfigMap:
		return append(validateMeta(&o.ObjectMeta, validation.IsDNS1123Subdomain), validateConfigMap(o)...)
	case *corev1.Secret:
		return append(validateMeta(&o.ObjectMeta, validation.IsDNS1123Subdomain), validateSecret(o)...)
	case *networkingv1.Ingress:
		return append(validateMeta(&o.ObjectMeta, validation.IsDNS1123Subdomain), validateIngressSpec(&o.Spec, field.NewPath("spec"))...)
	}
	return nil
}

// Invalid returns the validation errors of an object as the API server's error: `Pod "x" is invalid: ...`; nil if there are none.
func Invalid(obj Object, problems field.ErrorList) error {
	if len(problems) == 0 {
		return nil
	}
	return apierrors.NewInvalid(obj.GetObjectKind().GroupVersionKind().GroupKind(), obj.GetName(), problems)
}

// validateMeta checks the name, labels and annotations.
func validateMeta(m *metav1.ObjectMeta, name func(string) []string) field.ErrorList {
	path := field.NewPath("metadata")
	var errs field.ErrorList
	if m.GenerateName != "" {
		for _, msg := range name(strings.TrimSuffix(m.GenerateName, "-")) {
			errs = append(errs, field.Invalid(path.Child("generateName"), m.GenerateName, msg))
		}
	}
	if m.Name == "" && m.GenerateName == "" {
		errs = append(errs, field.Required(path.Child("name"), "name or generateName is required"))
	}
	if m.Name != "" {
		for _, msg := range name(m.Name) {
			errs = append(errs, field.Invalid(path.Child("name"), m.Name, msg))
		}
	}
	errs = append(errs, metavalidation.ValidateLabels(m.Labels, path.Child("labels"))...)
	return append(errs, validateAnnotations(m.Annotations, path.Child("annotations"))...)
}

func validateAnnotations(annotations map[string]string, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, k := range sortedKeys(annotations) {
		for _, msg := range validation.IsQualifiedName(strings.ToLower(k)) {
			errs = append(errs, field.Invalid(path, k, msg))
		}
	}
	return errs
}

// validateTemplate checks a pod template and the pod in it.
func validateTemplate(t *corev1.PodTemplateSpec, path *field.Path) field.ErrorList {
	errs := metavalidation.ValidateLabels(t.Labels, path.Child("labels"))
	errs = append(errs, validateAnnotations(t.Annotations, path.Child("annotations"))...)
	errs = append(errs, validateProfileAnnotations(t.Annotations, &t.Spec, path.Child("annotations"))...)
	spec := path.Child("spec")
	errs = append(errs, validatePodSpec(&t.Spec, inTemplate, spec)...)
	errs = append(errs, validateProfilesAgree(&t.ObjectMeta, &t.Spec, spec)...)
	if len(t.Spec.EphemeralContainers) > 0 {
		errs = append(errs, field.Forbidden(spec.Child("ephemeralContainers"), "ephemeral containers not allowed in pod template"))
	}
	return errs
}

// nonNegative is the message for numbers that must not be negative (R31).
func nonNegative[T int32 | int64](v T, path *field.Path) field.ErrorList {
	if v < 0 {
		return field.ErrorList{field.Invalid(path, v, "must be greater than or equal to 0")}
	}
	return nil
}

func optionalNonNegative[T int32 | int64](v *T, path *field.Path) field.ErrorList {
	if v == nil {
		return nil
	}
	return nonNegative(*v, path)
}

// invalids converts each message about a value to an Invalid error.
func invalids(path *field.Path, value any, messages []string) field.ErrorList {
	var errs field.ErrorList
	for _, msg := range messages {
		errs = append(errs, field.Invalid(path, value, msg))
	}
	return errs
}
