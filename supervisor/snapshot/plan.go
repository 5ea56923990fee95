package snapshot

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
)

// Errors that a caller tells apart.
var (
	ErrNoSnapshot   = errors.New("there is no such snapshot")
	ErrExists       = errors.New("there is a snapshot of that name already")
	ErrIncompatible = errors.New("the versions do not go together")
	// ErrNothing: the stack has no volume that could be copied.
	ErrNothing = errors.New("there is nothing to copy")
)

// Source is a claim of the stack and who uses it.
type Source struct {
	Claim, Workload, Operator, Role string
	// Declared is the role that the file gives the workload.
	Declared string
	// Image is the image of the container that mounts the claim.
	Image string
	// Containers are the engine's IDs of the running containers that mount it.
	Containers []string
	// Pods are the names of the pods that mount it.
	Pods []string
}

// ClaimsOf are the claims that a workload's pods mount, those made from templates included, without repetition.
func ClaimsOf(w *services.Workload) []string {
	var out []string
	add := func(claim string) {
		if !slices.Contains(out, claim) {
			out = append(out, claim)
		}
	}
	for _, v := range w.PodSpec().Volumes {
		if v.PersistentVolumeClaim != nil {
			add(v.PersistentVolumeClaim.ClaimName)
		}
	}
	if s, ok := w.Object.(*appsv1.StatefulSet); ok {
		for _, t := range s.Spec.VolumeClaimTemplates {
			for n := range w.Replicas() {
				add(fmt.Sprintf("%s-%s-%d", t.Name, w.Name(), n))
			}
		}
	}
	return out
}

// Sources are the claims of a stack's workloads, or of those that are named, in the file's order. It is pure.
func Sources(stack *services.Stack, pods []*corev1.Pod, names []string) ([]Source, error) {
	for _, n := range names {
		w := stack.Workload(n)
		if w == nil {
			var all []string
			for _, w := range stack.Workloads {
				if len(ClaimsOf(w)) > 0 {
					all = append(all, w.Name())
				}
			}
			return nil, fmt.Errorf("cannot find service %s in %s; services with volumes are %s", n, stack.Name, strings.Join(all, ", "))
		}
		if len(ClaimsOf(w)) == 0 {
			return nil, fmt.Errorf("cannot copy the volumes of %s: %w, it has none", n, ErrNothing)
		}
	}
	var out []Source
	for _, w := range stack.Workloads {
		if len(names) > 0 && !slices.Contains(names, w.Name()) {
			continue
		}
		for _, claim := range ClaimsOf(w) {
			if !slices.ContainsFunc(out, func(s Source) bool { return s.Claim == claim }) {
				out = append(out, source(w, claim, pods))
			}
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: no service of %s has a volume", ErrNothing, stack.Name)
	}
	return out, nil
}

func source(w *services.Workload, claim string, pods []*corev1.Pod) Source {
	s := Source{Claim: claim, Workload: w.Name(), Operator: w.Operator, Declared: w.Options["role"]}
	for _, c := range w.PodSpec().Containers {
		if mounts(w.PodSpec(), c, claim) || s.Image == "" {
			s.Image = c.Image
		}
	}
	for _, p := range pods {
		ids, mounted := containersOf(p, claim)
		if !mounted {
			continue
		}
		s.Pods = append(s.Pods, p.Name)
		s.Containers = append(s.Containers, ids...)
		if p.Labels[services.WorkloadLabel] == w.Name() && p.Labels[services.RoleLabel] != "" {
			s.Role = p.Labels[services.RoleLabel]
		}
	}
	return s
}

// mounts says that a container mounts a claim under whatever volume.
func mounts(spec *corev1.PodSpec, c corev1.Container, claim string) bool {
	for _, m := range c.VolumeMounts {
		for _, v := range spec.Volumes {
			if v.Name == m.Name && v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ClaimName == claim {
				return true
			}
		}
	}
	return false
}

// containersOf are a pod's running containers that mount a claim.
func containersOf(p *corev1.Pod, claim string) (ids []string, mounted bool) {
	for _, c := range p.Spec.Containers {
		if !mounts(&p.Spec, c, claim) {
			continue
		}
		mounted = true
		for _, st := range p.Status.ContainerStatuses {
			if st.Name == c.Name && st.State.Running != nil {
				_, id, found := strings.Cut(st.ContainerID, "://")
				if !found {
					id = st.ContainerID
				}
				ids = append(ids, id)
			}
		}
	}
	return ids, mounted
}

// Restoring is one claim that gets another content.
type Restoring struct {
	Claim    string `json:"claim"`
	Workload string `json:"workload"`
	Operator string `json:"operator,omitempty"`
	// From is the claim of the snapshot that it gets the content of, "" for an empty volume: the operator seeds it.
	From string `json:"from,omitempty"`
	Sum  string `json:"sum,omitempty"`
	// Lead makes a Redis that was a replica when it was copied start as a master: its copy is the only one there is.
	Lead bool `json:"lead,omitempty"`
}

// Group are the names with all services of the same operators added: those replicate from each other, and cannot have
// contents of different times. Without names it is all services with volumes.
func Group(stack *services.Stack, names []string) []string {
	if len(names) == 0 {
		return nil
	}
	out := slices.Clone(names)
	for _, n := range names {
		w := stack.Workload(n)
		if w == nil || w.Operator == "" {
			continue
		}
		for _, o := range stack.Workloads {
			if o.Operator == w.Operator && len(ClaimsOf(o)) > 0 && !slices.Contains(out, o.Name()) {
				out = append(out, o.Name())
			}
		}
	}
	return out
}

// PlanRestore says which claim of the stack gets which content. A claim gets its own copy. One without a copy, whose
// operator replicates what is restored, is emptied, so that the operator seeds it anew: its old content is of another
// history. It is an error, which changes nothing, if nothing that is asked for is in the snapshot, or if the MariaDB that was
// the master then is not part of this profile. It is pure.
func PlanRestore(m *Meta, sources []Source, profile string) ([]Restoring, error) {
	groups := map[string]bool{}
	led := map[string]bool{}
	var out []Restoring
	for _, s := range sources {
		c := m.Claim(s.Claim)
		if c == nil {
			continue
		}
		groups[s.Operator] = groups[s.Operator] || s.Operator != ""
		led[s.Operator] = led[s.Operator] || c.Role == roleMaster
		out = append(out, Restoring{Claim: s.Claim, Workload: s.Workload, Operator: s.Operator, From: c.Claim, Sum: c.Sum})
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("cannot restore %s: %w: it holds %s, and none of them is asked for", m.Name, ErrNothing, claimNames(m))
	}
	for _, c := range m.Claims {
		if c.Role == roleMaster && c.Operator == "mariadb" && groups[c.Operator] && !led[c.Operator] {
			return nil, fmt.Errorf("cannot restore %s into profile %s: its MariaDB master is %s, which is not part of it; "+
				"switch to profile %s first, restore, and switch back", m.Name, profile, c.Workload, m.Profile)
		}
	}
	for i := range out {
		src := sources[slices.IndexFunc(sources, func(s Source) bool { return s.Claim == out[i].Claim })]
		out[i].Lead = src.Operator == "redis" && !led["redis"] && src.Declared == roleMaster
	}
	for _, s := range sources {
		if m.Claim(s.Claim) == nil && groups[s.Operator] {
			out = append(out, Restoring{Claim: s.Claim, Workload: s.Workload, Operator: s.Operator})
		}
	}
	return out, nil
}

const roleMaster = "master"

// Affected are the workloads that must not run while volumes are exchanged: those that mount them, those that the same
// operator replicates them to, and caches, which would go on telling of what is no more.
func Affected(stack *services.Stack, list []Restoring) []string {
	var out []string
	for _, w := range stack.Workloads {
		hit := w.Operator == "memcached" && slices.ContainsFunc(list, func(r Restoring) bool { return r.Operator == "mariadb" })
		for _, r := range list {
			hit = hit || r.Workload == w.Name() || r.Operator != "" && r.Operator == w.Operator || slices.Contains(ClaimsOf(w), r.Claim)
		}
		if hit {
			out = append(out, w.Name())
		}
	}
	return out
}

func claimNames(m *Meta) string {
	var out []string
	for _, c := range m.Claims {
		out = append(out, c.Claim)
	}
	return strings.Join(out, ", ")
}
