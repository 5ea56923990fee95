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

// validateEnv is R43: names are printable ASCII without "=", and value and valueFrom exclude each other.
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
	case sources == 0:
		errs = append(errs, field.Invalid(path, "", "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"))
	case e.Value != "":
		errs = append(errs, field.Invalid(path, "", "may not be specified when `value` is not empty"))
	case sources > 1:
		errs = append(errs, field.Invalid(path, "", "may not have more than one field specified at a time"))
	}
	return errs
}

func validateKeyRef(name, key string, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if name == "" {
		errs = append(errs, field.Required(path.Child("name"), ""))
	}
	if key == "" {
		return append(errs, field.Required(path.Child("key"), ""))
	}
	return append(errs, invalids(path.Child("key"), key, validation.IsConfigMapKey(key))...)
}

// fieldPaths are the pod fields that an environment variable may take its value from (R133).
var fieldPaths = []string{
	"metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
	"status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
}

var subscript = regexp.MustCompile(`^(metadata\.(?:labels|annotations))\['([^']*)'\]$`)

func validateFieldRef(f *corev1.ObjectFieldSelector, path *field.Path) field.ErrorList {
	p := path.Child("fieldPath")
	if f.APIVersion == "" {
		return field.ErrorList{field.Required(path.Child("apiVersion"), "")}
	}
	if f.FieldPath == "" {
		return field.ErrorList{field.Required(p, "")}
	}
	if m := subscript.FindStringSubmatch(f.FieldPath); m != nil {
		key := m[2]
		if m[1] == "metadata.annotations" {
			key = strings.ToLower(key)
		}
		return invalids(p, m[2], validation.IsQualifiedName(key))
	}
	if strings.Contains(f.FieldPath, "[") || !knownField(f.FieldPath) {
		return field.ErrorList{field.Invalid(p, f.FieldPath, fmt.Sprintf("error converting fieldPath: field label not supported: %s", f.FieldPath))}
	}
	return supported(f.FieldPath, fieldPaths, p)
}

// knownField reports whether a pod has the field at all, also those that a variable cannot show.
func knownField(path string) bool {
	others := []string{
		"metadata.annotations", "metadata.labels", "spec.restartPolicy", "spec.schedulerName", "spec.hostNetwork", "status.phase",
		"status.nominatedNodeName",
	}
	return slices.Contains(fieldPaths, path) || slices.Contains(others, path)
}

func validateResourceFieldRef(r *corev1.ResourceFieldSelector, path *field.Path) field.ErrorList {
	if r.Resource == "" {
		return field.ErrorList{field.Required(path.Child("resource"), "")}
	}
	kind, name, _ := strings.Cut(r.Resource, ".")
	known := slices.Contains([]string{"cpu", "memory", "ephemeral-storage"}, name) || strings.HasPrefix(name, "hugepages-")
	if kind != "limits" && kind != "requests" || !known {
		return field.ErrorList{field.NotSupported(path.Child("resource"), r.Resource, []string{
			"limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage", "requests.memory",
		})}
	}
	return nil
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
			if c.Name == "" {
				errs = append(errs, field.Required(p.Child("configMapRef", "name"), ""))
			}
		}
		if s := f.SecretRef; s != nil {
			sources++
			if s.Name == "" {
				errs = append(errs, field.Required(p.Child("secretRef", "name"), ""))
			}
		}
		switch {
		case sources == 0:
			errs = append(errs, field.Invalid(p, "", "must specify one of: `configMapRef` or `secretRef`"))
		case sources > 1:
			errs = append(errs, field.Invalid(p, "", "may not have more than one field specified at a time"))
		}
	}
	return errs
}
