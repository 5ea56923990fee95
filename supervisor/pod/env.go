package pod

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/lyandev/lyandev/services/kube"
)

// EnvInput is what an environment is made from.
type EnvInput struct {
	Pod       *corev1.Pod
	Container *corev1.Container
	Objects   Objects
	Node      Node
	// PodIP is the pod's address at the container's start (R133).
	PodIP string
}

// Env makes the complete environment of a container but for its image's part (R130 to R134, R140, R141). It is pure. An
// error is a *WaitError with reason CreateContainerConfigError.
func Env(in EnvInput) ([]EnvVar, error) {
	e := env{in: in, base: map[string]string{}, values: map[string]string{}}
	links := in.Pod.Spec.EnableServiceLinks == nil || *in.Pod.Spec.EnableServiceLinks
	for _, v := range kube.ServiceEnv(in.Objects.Services(), in.Pod.Namespace, links) {
		e.base[v.Name] = v.Value
	}
	for i := range in.Container.EnvFrom {
		if err := e.from(&in.Container.EnvFrom[i]); err != nil {
			return nil, err
		}
	}
	for i := range in.Container.Env {
		if err := e.entry(&in.Container.Env[i]); err != nil {
			return nil, err
		}
	}
	return e.list(), nil
}

// env is an environment in the making: base holds service variables and envFrom, values the entries of env.
type env struct {
	in           EnvInput
	base, values map[string]string
	order        []string
}

func (e *env) get(name string) (string, bool) {
	if v, ok := e.values[name]; ok {
		return v, true
	}
	v, ok := e.base[name]
	return v, ok
}

func (e *env) set(name, value string) {
	if i := slices.Index(e.order, name); i >= 0 {
		e.order = slices.Delete(e.order, i, i+1)
	}
	e.order = append(e.order, name)
	e.values[name] = value
}

// list gives the entries of env in their order, after the others in the order of their names.
func (e *env) list() []EnvVar {
	var out []EnvVar
	for name, value := range e.base {
		if _, ok := e.values[name]; !ok {
			out = append(out, EnvVar{name, value})
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	for _, name := range e.order {
		out = append(out, EnvVar{name, e.values[name]})
	}
	return out
}

// from takes all keys of one envFrom source, with its prefix (R132).
func (e *env) from(src *corev1.EnvFromSource) error {
	data := map[string]string{}
	switch {
	case src.ConfigMapRef != nil:
		cm, ok := e.in.Objects.ConfigMap(src.ConfigMapRef.Name)
		if !ok {
			return missingUnless(src.ConfigMapRef.Optional, "configmaps", src.ConfigMapRef.Name)
		}
		data = cm.Data
	case src.SecretRef != nil:
		s, ok := e.in.Objects.Secret(src.SecretRef.Name)
		if !ok {
			return missingUnless(src.SecretRef.Optional, "secrets", src.SecretRef.Name)
		}
		data = secretText(s)
	}
	for k, v := range data {
		e.base[src.Prefix+k] = v
	}
	return nil
}

func missingUnless(optional *bool, kind, name string) error {
	if optional != nil && *optional {
		return nil
	}
	return configError("%s %q not found", kind, name)
}

func configError(format string, args ...any) error {
	return &WaitError{Reason: ReasonConfigError, Message: fmt.Sprintf(format, args...)}
}

// secretText is a secret's data with what stringData would make of it.
func secretText(s *corev1.Secret) map[string]string {
	out := map[string]string{}
	for k, v := range s.Data {
		out[k] = string(v)
	}
	for k, v := range s.StringData {
		out[k] = v
	}
	return out
}

// entry takes one entry of env (R131, R133, R140, R141).
func (e *env) entry(v *corev1.EnvVar) error {
	if v.ValueFrom == nil {
		e.set(v.Name, kube.Expand(v.Value, e.get))
		return nil
	}
	value, ok, err := e.source(v.ValueFrom)
	if err == nil && ok {
		e.set(v.Name, value)
	}
	return err
}

// source is the value of a valueFrom; ok is false where an optional one is missing.
func (e *env) source(src *corev1.EnvVarSource) (value string, ok bool, err error) {
	ns := e.in.Pod.Namespace
	switch {
	case src.ConfigMapKeyRef != nil:
		ref := src.ConfigMapKeyRef
		cm, found := e.in.Objects.ConfigMap(ref.Name)
		if !found {
			return "", false, missingUnless(ref.Optional, "configmaps", ref.Name)
		}
		if value, ok = cm.Data[ref.Key]; !ok && !optional(ref.Optional) {
			err = configError("couldn't find key %v in ConfigMap %v/%v", ref.Key, ns, ref.Name)
		}
		return value, ok, err
	case src.SecretKeyRef != nil:
		ref := src.SecretKeyRef
		s, found := e.in.Objects.Secret(ref.Name)
		if !found {
			return "", false, missingUnless(ref.Optional, "secrets", ref.Name)
		}
		if value, ok = secretText(s)[ref.Key]; !ok && !optional(ref.Optional) {
			err = configError("couldn't find key %v in Secret %v/%v", ref.Key, ns, ref.Name)
		}
		return value, ok, err
	case src.FieldRef != nil:
		value, err = FieldValue(e.in, src.FieldRef.FieldPath)
		return value, err == nil, err
	case src.ResourceFieldRef != nil:
		value, err = resourceValue(e.in, src.ResourceFieldRef)
		return value, err == nil, err
	}
	return "", false, nil
}

func optional(p *bool) bool { return p != nil && *p }

// FieldValue is the value of a fieldRef (R133). A label or annotation that is absent is empty.
func FieldValue(in EnvInput, path string) (string, error) {
	m := &in.Pod.ObjectMeta
	if key, ok := subscript(path, "metadata.labels"); ok {
		return m.Labels[key], nil
	}
	if key, ok := subscript(path, "metadata.annotations"); ok {
		return m.Annotations[key], nil
	}
	switch path {
	case "metadata.name":
		return m.Name, nil
	case "metadata.namespace":
		return m.Namespace, nil
	case "metadata.uid":
		return string(m.UID), nil
	case "metadata.labels":
		return formatMap(m.Labels), nil
	case "metadata.annotations":
		return formatMap(m.Annotations), nil
	case "spec.nodeName":
		if in.Pod.Spec.NodeName != "" {
			return in.Pod.Spec.NodeName, nil
		}
		return in.Node.Name, nil
	case "spec.serviceAccountName":
		return in.Pod.Spec.ServiceAccountName, nil
	case "status.podIP", "status.podIPs":
		return in.PodIP, nil
	case "status.hostIP", "status.hostIPs":
		return in.Node.IP, nil
	}
	return "", configError("unsupported fieldPath: %v", path)
}

// subscript takes k out of path['k'].
func subscript(path, base string) (string, bool) {
	rest, ok := strings.CutPrefix(path, base+"['")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(rest, "']")
}

// formatMap writes labels or annotations as the downward API does: a line each, sorted, values quoted.
func formatMap(m map[string]string) string {
	var lines []string
	for k, v := range m {
		lines = append(lines, fmt.Sprintf("%v=%q", k, v))
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

// resourceValue is the value of a resourceFieldRef: divided and rounded up; without a limit it is the node's amount (R133).
func resourceValue(in EnvInput, ref *corev1.ResourceFieldSelector) (string, error) {
	c := in.Container
	if ref.ContainerName != "" && ref.ContainerName != c.Name {
		if c, _ = findContainer(&in.Pod.Spec, ref.ContainerName); c == nil {
			return "", configError("container %s not found", ref.ContainerName)
		}
	}
	where, name, _ := strings.Cut(ref.Resource, ".")
	list := c.Resources.Limits
	if where == "requests" {
		list = c.Resources.Requests
	}
	key := corev1.ResourceName(name)
	q, ok := list[key]
	if !ok && where == "limits" {
		q = allocatable(in.Node, key)
	}
	divisor := ref.Divisor
	if divisor.IsZero() {
		divisor = resource.MustParse("1")
	}
	switch key {
	case corev1.ResourceCPU:
		return fmt.Sprint(divideUp(q.MilliValue(), divisor.MilliValue())), nil
	case corev1.ResourceMemory, corev1.ResourceEphemeralStorage:
		return fmt.Sprint(divideUp(q.Value(), divisor.Value())), nil
	}
	return "", configError("unsupported container resource : %v", ref.Resource)
}

func allocatable(n Node, key corev1.ResourceName) resource.Quantity {
	switch key {
	case corev1.ResourceCPU:
		return *resource.NewMilliQuantity(n.MilliCPU, resource.DecimalSI)
	case corev1.ResourceMemory:
		return *resource.NewQuantity(n.MemoryBytes, resource.BinarySI)
	}
	return resource.Quantity{}
}

func divideUp(a, b int64) int64 {
	if b <= 0 {
		b = 1
	}
	return (a + b - 1) / b
}
