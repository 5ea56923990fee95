package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod/dockerpod"
)

// choice chooses containers of pods.
type choice struct {
	// names are services, pods or POD/CONTAINER; none means all.
	names []string
	// container is the name of the container in its pod, "" for any.
	container string
	// ended includes containers that do not run; init includes init containers and sandboxes.
	ended, init bool
}

// lister is the part of engine.Engine that finds containers.
type lister interface {
	ListContainers(ctx context.Context, labels map[string]string) ([]engine.Container, error)
}

// chooseContainers returns the chosen containers, sorted by pod and then by creation: a pod's first container is created first.
// A name that no container has is an error: with exitUsage, unless known has it.
func chooseContainers(ctx context.Context, eng lister, project string, want choice, known []string) ([]engine.Container, error) {
	list, err := eng.ListContainers(ctx, map[string]string{services.ProjectLabel: project})
	if err != nil {
		return nil, err
	}
	var out []engine.Container
	found := map[string]bool{}
	for _, c := range list {
		kind := c.Labels[services.KindLabel]
		if kind != dockerpod.KindContainer && !(want.init && (kind == dockerpod.KindInit || kind == dockerpod.KindSandbox)) {
			continue
		}
		known = append(known, c.Labels[services.WorkloadLabel], c.Labels[composeServiceLabel], c.Labels[services.PodLabel])
		if !want.ended && c.State != engine.StateRunning && c.State != engine.StatePaused {
			continue
		}
		named := isNamed(c.Name, c.Labels)
		if want.container != "" && c.Labels[services.ContainerLabel] != want.container || len(want.names) > 0 && !slices.ContainsFunc(want.names, named) {
			continue
		}
		for _, n := range want.names {
			found[n] = found[n] || named(n)
		}
		out = append(out, c)
	}
	for _, n := range want.names {
		if !found[n] {
			return nil, noContainer(n, want.container, known)
		}
	}
	slices.SortFunc(out, compareContainers)
	return out, nil
}

// noContainer is the error for a name without a running container.
func noContainer(name, container string, known []string) error {
	known = slices.DeleteFunc(known, func(n string) bool { return n == "" })
	pod, _, _ := strings.Cut(name, "/")
	switch {
	case len(known) == 0:
		return fmt.Errorf("cannot find a running container of %s: no pods are running; `lyandev up` starts them", name)
	case !slices.Contains(known, pod):
		return unknownName("service or pod", name, known)
	case container != "":
		name += " with the name " + container
	}
	return fmt.Errorf("cannot find a running container of %s; see `lyandev ps %s`", name, pod)
}

func compareContainers(a, b engine.Container) int {
	pa, pb := a.Labels[services.PodLabel], b.Labels[services.PodLabel]
	byNumber := 0 // web-2 comes before web-10
	if a.Labels[services.WorkloadLabel] == b.Labels[services.WorkloadLabel] {
		byNumber = len(pa) - len(pb)
	}
	return cmp.Or(byNumber, cmp.Compare(pa, pb), a.Created.Compare(b.Created))
}

// serviceOf is the name of a container's service as the file has it.
func serviceOf(c engine.Container) string {
	if s := c.Labels[composeServiceLabel]; s != "" {
		return s
	}
	return c.Labels[services.WorkloadLabel]
}

// knownServices are the names of the running stack's services, none if there is no supervisor.
func knownServices(ctx context.Context, t *target) []string {
	s, err := t.client.State(ctx)
	if err != nil {
		return nil
	}
	return serviceNames(s)
}

// findContainer finds a running container of a service or pod: that of its first pod, or of its pod number index, counted from 1.
// It takes the pod's first container, unless one is named.
func findContainer(ctx context.Context, eng lister, t *target, name, container string, index int) (engine.Container, error) {
	return findOne(ctx, eng, t, choice{names: []string{name}, container: container}, index)
}

// findAnyContainer is findContainer that takes a container that does not run if none of the name runs.
func findAnyContainer(ctx context.Context, eng lister, t *target, name, container string, index int) (engine.Container, error) {
	found, err := findContainer(ctx, eng, t, name, container, index)
	if err == nil {
		return found, nil
	}
	if any, e := findOne(ctx, eng, t, choice{names: []string{name}, container: container, ended: true}, index); e == nil {
		return any, nil
	}
	return found, err
}

// findOne finds the first container of pod number index, from 1, among the chosen ones; 0 is the first pod.
func findOne(ctx context.Context, eng lister, t *target, want choice, index int) (engine.Container, error) {
	list, err := chooseContainers(ctx, eng, t.instance.Name, want, knownServices(ctx, t))
	if err != nil {
		return engine.Container{}, err
	}
	name := want.names[0]
	var firsts []engine.Container
	for _, c := range list {
		if len(firsts) == 0 || firsts[len(firsts)-1].Labels[services.PodLabel] != c.Labels[services.PodLabel] {
			firsts = append(firsts, c)
		}
	}
	if index < 0 || index > len(firsts) {
		return engine.Container{}, withCode(exitUsage, fmt.Errorf("cannot use --index %d: %s has %d running %s", index, name, len(firsts), plural(len(firsts), "pod")))
	}
	return firsts[max(index, 1)-1], nil
}
