package profiles

import (
	"reflect"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// kubernetesKey marks the places of x-lyandev's schema where a Kubernetes type stands, and names the type; "[]" makes it a list.
const kubernetesKey = "x-kubernetes"

// namedTypes are the types that kubernetesKey can name.
var namedTypes = map[string]reflect.Type{
	"Container":            reflect.TypeFor[corev1.Container](),
	"EnvFromSource":        reflect.TypeFor[corev1.EnvFromSource](),
	"EnvVar":               reflect.TypeFor[corev1.EnvVar](),
	"IngressSpec":          reflect.TypeFor[networkingv1.IngressSpec](),
	"Lifecycle":            reflect.TypeFor[corev1.Lifecycle](),
	"PodSpec":              reflect.TypeFor[corev1.PodSpec](),
	"Probe":                reflect.TypeFor[corev1.Probe](),
	"ResourceRequirements": reflect.TypeFor[corev1.ResourceRequirements](),
	"SecurityContext":      reflect.TypeFor[corev1.SecurityContext](),
	"ServiceSpec":          reflect.TypeFor[corev1.ServiceSpec](),
}

// extraFields are the keys that x-lyandev adds to a Kubernetes type.
var extraFields = map[string][]string{"ServiceSpec": {"name", "labels", "annotations"}, "IngressSpec": {"labels", "annotations"}}

// kinds are the kinds of workloads.
var kinds = []string{"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Pod", "Job", "CronJob"}

// kubernetesPrefix begins the names of the definitions of Kubernetes' types.
const kubernetesPrefix = "kubernetes."

// words are the values of Kubernetes' types that are one of a few words.
var words = map[reflect.Type][]string{
	reflect.TypeFor[appsv1.DaemonSetUpdateStrategyType]():              {"RollingUpdate", "OnDelete"},
	reflect.TypeFor[appsv1.DeploymentStrategyType]():                   {"RollingUpdate", "Recreate"},
	reflect.TypeFor[appsv1.PersistentVolumeClaimRetentionPolicyType](): {"Retain", "Delete"},
	reflect.TypeFor[appsv1.PodManagementPolicyType]():                  {"OrderedReady", "Parallel"},
	reflect.TypeFor[appsv1.StatefulSetUpdateStrategyType]():            {"RollingUpdate", "OnDelete"},
	reflect.TypeFor[batchv1.CompletionMode]():                          {"NonIndexed", "Indexed"},
	reflect.TypeFor[batchv1.ConcurrencyPolicy]():                       {"Allow", "Forbid", "Replace"},
	reflect.TypeFor[corev1.ContainerRestartPolicy]():                   {"Always", "Never", "OnFailure"},
	reflect.TypeFor[corev1.RestartPolicy]():                            {"Always", "OnFailure", "Never"},
	reflect.TypeFor[corev1.DNSPolicy]():                                {"ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"},
	reflect.TypeFor[corev1.PodFSGroupChangePolicy]():                   {"Always", "OnRootMismatch"},
	reflect.TypeFor[corev1.Protocol]():                                 {"TCP", "UDP", "SCTP"},
	reflect.TypeFor[corev1.PullPolicy]():                               {"Always", "IfNotPresent", "Never"},
	reflect.TypeFor[corev1.ServiceAffinity]():                          {"None", "ClientIP"},
	reflect.TypeFor[corev1.ServiceType]():                              {"ClusterIP", "NodePort", "LoadBalancer", "ExternalName"},
	reflect.TypeFor[corev1.StorageMedium]():                            {"", "Memory"},
	reflect.TypeFor[corev1.TerminationMessagePolicy]():                 {"File", "FallbackToLogsOnError"},
	reflect.TypeFor[corev1.URIScheme]():                                {"HTTP", "HTTPS"},
	reflect.TypeFor[networkingv1.PathType]():                           {"Prefix", "Exact", "ImplementationSpecific"},
}

// kubeTypes makes schemas of Kubernetes' Go types.
type kubeTypes struct {
	// defs are the definitions made so far, by name.
	defs map[string]any
}

// replace puts the schemas of Kubernetes' types in the places that name one.
func (k kubeTypes) replace(node any) any {
	return rewrite(node, func(m map[string]any) any {
		name, ok := m[kubernetesKey].(string)
		if !ok {
			return m
		}
		delete(m, kubernetesKey)
		element, isList := strings.CutPrefix(name, "[]")
		t := namedTypes[element]
		switch {
		case t == nil: // spec: see specByKind
		case isList:
			m["items"] = k.of(t)
		case m["description"] != nil:
			m["allOf"] = []any{k.of(t)}
		}
		return m
	})
}

// specByKind gives a service's spec the type that belongs to its kind, or any of them where the kind is written elsewhere.
func (k kubeTypes) specByKind(ext map[string]any) {
	service := ext["$defs"].(map[string]any)["service"].(map[string]any)
	var rules, anyKind []any
	for _, kind := range kinds {
		spec := k.of(specType(kind))
		anyKind = append(anyKind, spec)
		rules = append(rules, map[string]any{
			"if":   map[string]any{"properties": map[string]any{"kind": map[string]any{"const": kind}}, "required": []any{"kind"}},
			"then": map[string]any{"properties": map[string]any{"spec": spec}},
		})
	}
	rules = append(rules, map[string]any{
		"if":   map[string]any{"not": map[string]any{"required": []any{"kind"}}},
		"then": map[string]any{"properties": map[string]any{"spec": map[string]any{"anyOf": anyKind}}},
	})
	service["allOf"] = rules
}

// of returns the schema of a type: a reference if it is a struct.
func (k kubeTypes) of(t reflect.Type) map[string]any {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case quantityType:
		return map[string]any{"type": []any{"string", "number"}}
	case intstrType:
		return map[string]any{"type": []any{"integer", "string"}}
	case durationType, timeType, microType, bytesType:
		return map[string]any{"type": "string"}
	}
	if list := words[t]; list != nil {
		choice := make([]any, len(list))
		for i, word := range list {
			choice[i] = word
		}
		return map[string]any{"type": "string", "enum": choice}
	}
	switch t.Kind() {
	case reflect.Struct:
		return k.structure(t)
	case reflect.Map:
		return map[string]any{"type": []any{"object", "null"}, "additionalProperties": k.of(t.Elem())}
	case reflect.Slice:
		return map[string]any{"type": []any{"array", "null"}, "items": k.of(t.Elem())}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int32, reflect.Int64:
		return map[string]any{"type": "integer"}
	}
	return map[string]any{"type": "string"}
}

// structure returns a reference to the definition of a struct, which it makes if there is none. Null is "not set".
func (k kubeTypes) structure(t reflect.Type) map[string]any {
	name := kubernetesPrefix + t.Name()
	ref := map[string]any{"$ref": "#/$defs/" + name}
	if _, made := k.defs[name]; made {
		return ref
	}
	properties := map[string]any{}
	def := map[string]any{"type": []any{"object", "null"}, "properties": properties, "additionalProperties": false}
	k.defs[name] = def
	docs := fieldDocs(t)
	if docs[""] != "" {
		def["description"] = docs[""]
	}
	for key, f := range jsonFields(t) {
		field := k.of(f.Type)
		if docs[key] != "" {
			field = withDescription(field, docs[key])
		}
		properties[key] = field
	}
	for _, key := range extraFields[t.Name()] {
		properties[key] = map[string]any{"type": "object", "additionalProperties": map[string]any{"type": "string"}, "description": "The " + key + " of the object."}
		if key == "name" {
			properties[key] = map[string]any{"type": "string", "description": "The name of the object."}
		}
	}
	return ref
}

// withDescription gives a schema a description. What stands beside a $ref would be ignored.
func withDescription(schema map[string]any, text string) map[string]any {
	if ref, ok := schema["$ref"].(string); ok {
		return map[string]any{"description": text, "allOf": []any{map[string]any{"$ref": ref}}}
	}
	schema["description"] = text
	return schema
}

// fieldDocs returns Kubernetes' documentation of a type's fields by JSON name, that of the type itself under "".
func fieldDocs(t reflect.Type) map[string]string {
	out := map[string]string{}
	if t.Kind() != reflect.Struct {
		return out
	}
	for i := range t.NumField() {
		if f := t.Field(i); f.Anonymous {
			for key, text := range fieldDocs(f.Type) {
				out[key] = text
			}
		}
	}
	documented, ok := reflect.New(t).Interface().(interface{ SwaggerDoc() map[string]string })
	if !ok {
		return out
	}
	for key, text := range documented.SwaggerDoc() {
		out[key] = text
	}
	return out
}

// goTypeName says in words what a field of a Kubernetes type is.
func goTypeName(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case quantityType:
		return "quantity"
	case intstrType:
		return "number or name"
	}
	switch t.Kind() {
	case reflect.Struct:
		return t.Name()
	case reflect.Map:
		return "mapping"
	case reflect.Slice:
		return "list of " + goTypeName(t.Elem())
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int32, reflect.Int64:
		return "number"
	}
	return "text"
}
