package kube

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validateEnv checks environment variables (R43): names are printable ASCII without "=", and value and valueFrom are mutually
// exclusive.
func validateEnv(env []corev1.EnvVar, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, e := range env {
		p := path.Index(i)
		if e.Name == "" {
			errs = append(errs, field.Required(p.Child("name"), ""))
		} else {
			errs = append(errs, invalids(p.Child("name"), e.Name, validation.IsRelaxedEnvVarName(e.Name))...)
		}
		if e.ValueFrom != nil {
			errs = append(errs, validateValueFrom(e, p.Child("valueFrom"))...)
		}
	}
	return errs
}

func validateValueFrom(e corev1.EnvVar, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	sources := 0
	if f := e.ValueFrom.FieldRef; f != nil {
		sources++
		errs = append(errs, validateFieldRef(f, path.Child("fieldRef"))...)
	}
	if r := e.ValueFrom.ResourceFieldRef; r != nil {
		sources++
		errs = append(errs, validateResourceFieldRef(r, path.Child("resourceFieldRef"))...)
	}
	if c := e.ValueFrom.ConfigMapKeyRef; c != nil {
		sources++
		errs = append(errs, validateKeyRef(c.Name, c.Key, path.Child("configMapKeyRef"))...)
	}
	if s := e.ValueFrom.SecretKeyRef; s != nil {
		sources++
		errs = append(errs, validateKeyRef(s.Name, s.Key, path.Child("secretKeyRef"))...)
	}
	switch {
	case sources == 0 && e.ValueFrom.FileKeyRef != nil:
		errs = append(errs, field.Forbidden(path.Child("fileKeyRef"), "lyandev does not know this source; use a configMapKeyRef or a secretKeyRef"))
	case sources == 0:
		errs = append(errs, field.Invalid(path, "", "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"))
	case e.Value != "":
		errs = append(errs, field.Invalid(path, "", "may not be specified when `value` is not empty"))
	case sources > 1:
		errs = append(errs, field.Invalid(path, "", "may not have more than one field specified at a time"))
	}
	return errs
}

func validateKeyRef(name, key string, path *field.Path) field.ErrorList {
	errs := invalids(path.Child("name"), name, validation.IsDNS1123Subdomain(name))
	if key == "" {
		return append(errs, field.Required(path.Child("key"), ""))
	}
	return append(errs, invalids(path.Child("key"), key, validation.IsConfigMapKey(key))...)
}

// fieldPaths are the pod fields that an environment variable can refer to (R133).
var fieldPaths = []string{
	"metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
	"status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
}

// subscript matches a field with a key: metadata.labels['k'].
var subscript = regexp.MustCompile(`^(.*?)\['(.*)'\]$`)

func validateFieldRef(f *corev1.ObjectFieldSelector, path *field.Path) field.ErrorList {
	p := path.Child("fieldPath")
	if f.APIVersion == "" {
		return field.ErrorList{field.Required(path.Child("apiVersion"), "")}
	}
	if f.FieldPath == "" {
		return field.ErrorList{field.Required(p, "")}
	}
	unknown := func(why string) field.ErrorList {
		return field.ErrorList{field.Invalid(p, f.FieldPath, "error converting fieldPath: "+why)}
	}
	m := subscript.FindStringSubmatch(f.FieldPath)
	switch {
	case f.APIVersion != "v1":
		return unknown("unsupported pod version: " + f.APIVersion)
	case m != nil && m[1] == "metadata.annotations":
		key := strings.ToLower(m[2])
		return invalids(path, key, validation.IsQualifiedName(key))
	case m != nil && m[1] == "metadata.labels":
		return invalids(path, m[2], validation.IsQualifiedName(m[2]))
	case m != nil:
		return unknown("field label does not support subscript: " + f.FieldPath)
	case !knownField(f.FieldPath):
		return unknown("field label not supported: " + f.FieldPath)
	}
	return supported(f.FieldPath, fieldPaths, p)
}

// knownField reports whether a pod has the field, even if a variable cannot refer to it.
func knownField(path string) bool {
	others := []string{
		"metadata.annotations", "metadata.labels", "spec.restartPolicy", "spec.schedulerName", "status.phase",
	}
	return slices.Contains(fieldPaths, path) || slices.Contains(others, path)
}

func validateResourceFieldRef(r *corev1.ResourceFieldSelector, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	kind, name, _ := strings.Cut(r.Resource, ".")
	known := slices.Contains([]string{"cpu", "memory", "ephemeral-storage"}, name) || strings.HasPrefix(name, "hugepages-")
	switch {
	case r.Resource == "":
		errs = append(errs, field.Required(path.Child("resource"), ""))
	case kind != "limits" && kind != "requests" || !known:
		errs = append(errs, field.NotSupported(path.Child("resource"), r.Resource, []string{
			"limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage", "requests.memory",
		}))
	case !r.Divisor.IsZero():
		errs = append(errs, validateDivisor(r, name, path.Child("divisor"))...)
	}
	return errs
}

// byteDivisors are the allowed divisors for amounts of bytes (R133).
var byteDivisors = []string{"1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"}

// validateDivisor checks the divisor of a resourceFieldRef; name is the resource without the prefix limits. or requests.
func validateDivisor(r *corev1.ResourceFieldSelector, name string, path *field.Path) field.ErrorList {
	units, words, what := byteDivisors, strings.Join(byteDivisors, ", "), name
	switch {
	case name == "cpu":
		units, words = []string{"1m", "1"}, "1m and 1"
	case name == "ephemeral-storage":
		what = "local ephemeral storage"
	case strings.HasPrefix(name, "hugepages-"):
		what = "hugepages"
	}
	if slices.Contains(units, r.Divisor.String()) {
		return nil
	}
	return field.ErrorList{field.Invalid(path, r.Resource, fmt.Sprintf("only divisor's values %s are supported with the %s resource", words, what))}
}

func validateEnvFrom(from []corev1.EnvFromSource, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, f := range from {
		p := path.Index(i)
		if f.Prefix != "" {
			errs = append(errs, invalids(p.Child("prefix"), f.Prefix, validation.IsRelaxedEnvVarName(f.Prefix))...)
		}
		sources := 0
		if c := f.ConfigMapRef; c != nil {
			sources++
			errs = append(errs, validateRefName(c.Name, p.Child("configMapRef", "name"))...)
		}
		if s := f.SecretRef; s != nil {
			sources++
			errs = append(errs, validateRefName(s.Name, p.Child("secretRef", "name"))...)
		}
		switch {
		case sources == 0:
			errs = append(errs, field.Invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"))
		case sources > 1:
			errs = append(errs, field.Invalid(path, "", "may not have more than one field specified at a time"))
		}
	}
	return errs
}

// validateRefName checks the name of a ConfigMap or Secret in envFrom.
func validateRefName(name string, path *field.Path) field.ErrorList {
	if name == "" {
		return field.ErrorList{field.Required(path, "")}
	}
	return invalids(path, name, validation.IsDNS1123Subdomain(name))
}
