package snapshot

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
)

// Errors for errors.Is.
var (
	ErrNoSnapshot   = errors.New("no such snapshot")
	ErrExists       = errors.New("a snapshot of that name already exists")
	ErrIncompatible = errors.New("incompatible versions")
	// ErrNothing: no volume matches, or the stack has none.
	ErrNothing = errors.New("there is nothing to copy")
)

// Source is a claim of the stack and who uses it.
type Source struct {
	Claim, Workload, Operator, Role string
	// Declared is the workload's role option in the stack file.
	Declared string
	// Image is the image of the container that mounts the claim.
	Image string
	// Containers are the engine's IDs of the running containers that mount it.
	Containers []string
	// Pods are the names of the pods that mount it.
	Pods []string
}

// ClaimsOf returns the claims that a workload's pods mount, including those from volumeClaimTemplates, without duplicates.
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

// Sources returns the claims of the named workloads, of all workloads without names, in the order of the stack file. It is
// pure. An unknown name, or no claim at all (ErrNothing), is an error.
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
		if left := LeftOut(stack, []string{n}); len(left) > 0 {
			return nil, fmt.Errorf("cannot copy the volumes of %s: %w: %s", n, ErrNothing, leftOutText(left))
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
	if left := LeftOut(stack, names); len(out) == 0 && len(left) > 0 {
		return nil, fmt.Errorf("%w: %s", ErrNothing, leftOutText(left))
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: no service of %s has a volume", ErrNothing, stack.Name)
	}
	return out, nil
}

// LeftOut are the Docker volumes of the named workloads, of all without names, that no snapshot has: those that only services with
// Compose's semantics mount.
func LeftOut(stack *services.Stack, names []string) []string {
	var out []string
	for _, w := range stack.Workloads {
		if !w.Plain() || len(names) > 0 && !slices.Contains(names, w.Name()) {
			continue
		}
		c, err := compose.Decode(w.PodMeta().Annotations[compose.Annotation], stack.Name)
		if err != nil {
			continue // it is told of when its container is made
		}
		out = append(out, c.NamedVolumes()...)
	}
	for _, w := range stack.Workloads {
		for _, claim := range ClaimsOf(w) {
			if v := stack.ClaimVolume(claim); v != nil {
				out = slices.DeleteFunc(out, func(name string) bool { return name == compose.Named(v.Name, stack.Name) })
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func leftOutText(volumes []string) string {
	return fmt.Sprintf("a snapshot has the volumes of services with Kubernetes' semantics, and not %s; give the service `x-lyandev: {kind: StatefulSet}`, "+
		"or copy the volume with `docker run --rm -v VOLUME:/from -v \"$PWD\":/to IMAGE cp -a /from /to`", strings.Join(volumes, ", "))
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

// mounts reports whether a container mounts a claim, through any volume.
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

// containersOf returns the IDs of a pod's running containers that mount a claim; mounted is true if any container does.
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

// Restoring is one claim whose content is replaced.
type Restoring struct {
	Claim    string `json:"claim"`
	Workload string `json:"workload"`
	Operator string `json:"operator,omitempty"`
	// From is the claim in the snapshot whose content it gets, "" for an empty volume, which the operator seeds.
	From string `json:"from,omitempty"`
	Sum  string `json:"sum,omitempty"`
	// Lead makes a Redis that was a replica when it was copied start as master, because the snapshot has no copy of a master.
	Lead bool `json:"lead,omitempty"`
}

// Group returns the names plus all services of the same operators: these replicate from each other, so their contents must
// be of the same time. Without names it returns nil, which means all services.
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

// PlanRestore decides which claim of the stack gets which content. A claim gets its own copy. A claim without a copy is
// emptied if its operator replicates a restored one: its data has diverged, and the operator seeds it anew. It returns an
// error if the snapshot holds none of the requested claims (ErrNothing), or if the MariaDB master of the snapshot is not part
// of this profile. It is pure.
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
		return nil, fmt.Errorf("cannot restore %s: %w: it holds only %s, none of which was requested", m.Name, ErrNothing, claimNames(m))
	}
	for _, c := range m.Claims {
		if c.Role == roleMaster && c.Operator == "mariadb" && groups[c.Operator] && !led[c.Operator] {
			return nil, fmt.Errorf("cannot restore %s into profile %s: the snapshot's MariaDB master is %s, which is not part of the profile; "+
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

// Affected returns the workloads that must be stopped while the volumes are replaced: those that mount them, those of the
// same operator (they replicate from them), and Memcached if MariaDB is restored, since its entries would be stale.
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
