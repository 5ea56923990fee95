package services

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/lyandev/lyandev/services/compose"
)

// DeepCopy returns an independent copy; nil for a nil stack.
func (s *Stack) DeepCopy() *Stack {
	if s == nil {
		return nil
	}
	out := *s
	out.Workloads = copyEach(s.Workloads, (*Workload).DeepCopy)
	out.Services = copyEach(s.Services, (*corev1.Service).DeepCopy)
	out.ConfigMaps = copyEach(s.ConfigMaps, (*corev1.ConfigMap).DeepCopy)
	out.Secrets = copyEach(s.Secrets, (*corev1.Secret).DeepCopy)
	out.Ingresses = copyEach(s.Ingresses, (*networkingv1.Ingress).DeepCopy)
	out.Builds = copyEach(s.Builds, (*Build).DeepCopy)
	out.Networks = copyEach(s.Networks, (*compose.Network).DeepCopy)
	out.Volumes = copyEach(s.Volumes, (*compose.Volume).DeepCopy)
	out.HostPaths = slices.Clone(s.HostPaths)
	out.Providers = copyEach(s.Providers, (*compose.Provider).DeepCopy)
	out.Models = copyEach(s.Models, (*compose.Model).DeepCopy)
	out.HostPorts = slices.Clone(s.HostPorts)
	out.Notes, out.NotApplied, out.Warnings = slices.Clone(s.Notes), slices.Clone(s.NotApplied), slices.Clone(s.Warnings)
	return &out
}

// Equal reports semantic equality: quantities are compared by value, and empty and absent lists are equal.
func (s *Stack) Equal(other *Stack) bool { return equality.Semantic.DeepEqual(s, other) }

// DeepCopy returns an independent copy.
func (w *Workload) DeepCopy() *Workload {
	if w == nil {
		return nil
	}
	out := *w
	if w.Object != nil {
		out.Object = w.Object.DeepCopyObject()
	}
	out.DependsOn = slices.Clone(w.DependsOn)
	out.Options = maps.Clone(w.Options)
	out.RestartOn = slices.Clone(w.RestartOn)
	out.Bootstrap = slices.Clone(w.Bootstrap)
	for i := range out.Bootstrap {
		out.Bootstrap[i].Check = slices.Clone(out.Bootstrap[i].Check)
		out.Bootstrap[i].Run = slices.Clone(out.Bootstrap[i].Run)
	}
	out.Watch = slices.Clone(w.Watch)
	for i := range out.Watch {
		out.Watch[i].Include = slices.Clone(out.Watch[i].Include)
		out.Watch[i].Ignore = slices.Clone(out.Watch[i].Ignore)
		out.Watch[i].Exec = out.Watch[i].Exec.DeepCopy()
	}
	if w.Test != nil {
		out.Test = &TestCommand{Command: slices.Clone(w.Test.Command), Host: w.Test.Host, Env: maps.Clone(w.Test.Env)}
	}
	return &out
}

// Equal reports semantic equality. Source is ignored.
func (w *Workload) Equal(other *Workload) bool {
	if w == nil || other == nil {
		return w == other
	}
	a, b := *w, *other
	a.Source, b.Source = "", ""
	return equality.Semantic.DeepEqual(&a, &b)
}

// DeepCopy returns an independent copy.
func (b *Build) DeepCopy() *Build {
	if b == nil {
		return nil
	}
	out := *b
	out.Args = maps.Clone(b.Args)
	out.Labels = maps.Clone(b.Labels)
	out.CacheFrom = slices.Clone(b.CacheFrom)
	out.CacheTo = slices.Clone(b.CacheTo)
	out.AdditionalContexts = maps.Clone(b.AdditionalContexts)
	out.Secrets = maps.Clone(b.Secrets)
	out.SSH = maps.Clone(b.SSH)
	return &out
}

func copyEach[T any](list []*T, copyOne func(*T) *T) []*T {
	if list == nil {
		return nil
	}
	out := make([]*T, len(list))
	for i, v := range list {
		out[i] = copyOne(v)
	}
	return out
}
