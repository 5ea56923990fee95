package prepare

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
)

// Only limits a stack to some of its services and, with deps, what they depend on; all else stays as it is in the running stack, which may be
// nil. names are as the file has them. It returns the stack to apply, and the names of the workloads that are taken from next.
func Only(running, next *services.Stack, names []string, deps bool) (*services.Stack, []string, error) {
	chosen, err := closure(next, names, deps)
	if err != nil {
		return nil, nil, err
	}
	out := *next
	out.Workloads = nil
	for _, x := range next.Workloads {
		if slices.Contains(chosen, x.Name()) {
			out.Workloads = append(out.Workloads, x)
		} else if running != nil && running.Workload(x.Name()) != nil {
			out.Workloads = append(out.Workloads, running.Workload(x.Name()))
		}
	}
	if running != nil {
		keepRunning(&out, running)
	}
	out.HostPorts = slices.DeleteFunc(slices.Clone(out.HostPorts), func(h services.HostPort) bool { return !serves(&out, h) })
	images := map[string]bool{}
	for _, name := range chosen {
		spec := next.Workload(name).PodSpec()
		for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
			images[c.Image] = true
		}
	}
	out.Builds = slices.DeleteFunc(slices.Clone(next.Builds), func(b *services.Build) bool { return !images[b.Image] })
	return &out, chosen, nil
}

// closure are the workloads of names and, with deps, all that they depend on.
func closure(stack *services.Stack, names []string, deps bool) ([]string, error) {
	var out []string
	for _, n := range names {
		x := stack.Find(n)
		if x == nil {
			return nil, fmt.Errorf("cannot start %s: there is no such service; there are %s", n, strings.Join(stack.DisplayNames(), ", "))
		}
		switch {
		case deps:
			out = stack.WithDependencies(out, x)
		case !slices.Contains(out, x.Name()):
			out = append(out, x.Name())
		}
	}
	return out, nil
}

// keepRunning adds what the running stack has and the next one has not.
func keepRunning(out, running *services.Stack) {
	for _, x := range running.Workloads {
		if out.Workload(x.Name()) == nil {
			out.Workloads = append(out.Workloads, x)
		}
	}
	out.Services = withMissing(out.Services, running.Services, func(v *corev1.Service) string { return v.Namespace + "/" + v.Name })
	out.ConfigMaps = withMissing(out.ConfigMaps, running.ConfigMaps, func(v *corev1.ConfigMap) string { return v.Name })
	out.Secrets = withMissing(out.Secrets, running.Secrets, func(v *corev1.Secret) string { return v.Name })
	for _, n := range running.Networks {
		if !slices.ContainsFunc(out.Networks, func(o *compose.Network) bool { return o.Key == n.Key }) {
			out.Networks = append(out.Networks, n)
		}
	}
	for _, v := range running.Volumes {
		if !slices.ContainsFunc(out.Volumes, func(o *compose.Volume) bool { return o.Key == v.Key && o.Claim == v.Claim }) {
			out.Volumes = append(out.Volumes, v)
		}
	}
	for _, h := range running.HostPorts {
		if !slices.ContainsFunc(out.HostPorts, func(o services.HostPort) bool {
			return o.Service == h.Service && o.Port == h.Port && o.Protocol == h.Protocol
		}) {
			out.HostPorts = append(out.HostPorts, h)
		}
	}
}

func withMissing[T any](list, more []T, key func(T) string) []T {
	list = slices.Clone(list)
	for _, m := range more {
		if !slices.ContainsFunc(list, func(o T) bool { return key(o) == key(m) }) {
			list = append(list, m)
		}
	}
	return list
}

// serves reports whether a workload of the stack is behind a host port.
func serves(stack *services.Stack, h services.HostPort) bool {
	v := stack.Service(h.Service)
	if v == nil || len(v.Spec.Selector) == 0 {
		return v != nil
	}
	return slices.ContainsFunc(stack.Workloads, func(x *services.Workload) bool { return x.Behind(v) })
}
