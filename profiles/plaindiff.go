package profiles

import (
	"maps"
	"slices"
	"strings"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
)

// withoutContainer returns the template's annotations but the one that containerDifferences compares.
func withoutContainer(w *services.Workload) map[string]string {
	out := maps.Clone(w.PodMeta().Annotations)
	delete(out, compose.Annotation)
	return out
}

// containerDifferences compares what Docker is asked for the containers of two plain services. What the pod's container shows
// too (environment, command, entrypoint) is left to the comparison of the pods, except where only Docker can tell a difference.
func containerDifferences(a, b *services.Workload) []difference {
	if !a.Plain() || !b.Plain() {
		return nil
	}
	was, wasErr := compose.Decode(a.PodMeta().Annotations[compose.Annotation], compose.Project)
	now, nowErr := compose.Decode(b.PodMeta().Annotations[compose.Annotation], compose.Project)
	if wasErr != nil || nowErr != nil {
		return []difference{{text: "the container changed"}}
	}
	var out []difference
	for _, text := range changedFiles(was.FilesHash, now.FilesHash) {
		out = append(out, difference{text: text})
	}
	shown := len(differences("", asJSON(a.PodSpec()), asJSON(b.PodSpec()))) > 0
	for _, c := range []*compose.Container{was, now} {
		c.FilesHash = ""
		if shown {
			c.Config.Env, c.Config.Cmd, c.Config.Entrypoint, c.Config.ExposedPorts = nil, nil, nil, nil
		}
	}
	return append(out, differences("", asJSON(was), asJSON(now))...)
}

// changedFiles says which configs and secrets have another content, given compose.Container.FilesHash of both containers. Those
// that only one has are told by the comparison of the containers.
func changedFiles(was, now string) []string {
	hashes := func(text string) map[string]string {
		out := map[string]string{}
		for _, entry := range strings.Split(text, ",") {
			if name, hash, ok := strings.Cut(entry, "="); ok {
				out[name] = hash
			}
		}
		return out
	}
	a, b := hashes(was), hashes(now)
	var out []string
	for _, name := range slices.Sorted(maps.Keys(b)) {
		if old, ok := a[name]; ok && old != b[name] {
			section, source, _ := strings.Cut(name, "/")
			out = append(out, "content of "+strings.TrimSuffix(section, "s")+" "+source+" changed")
		}
	}
	if was != now && len(a) == 0 && was != "" {
		out = append(out, "content of configs or secrets changed") // a version that kept one hash for all made the container
	}
	return out
}
