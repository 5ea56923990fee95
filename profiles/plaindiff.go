package profiles

import (
	"maps"

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
func containerDifferences(a, b *services.Workload) []string {
	if !a.Plain() || !b.Plain() {
		return nil
	}
	was, wasErr := compose.Decode(a.PodMeta().Annotations[compose.Annotation], compose.Project)
	now, nowErr := compose.Decode(b.PodMeta().Annotations[compose.Annotation], compose.Project)
	if wasErr != nil || nowErr != nil {
		return []string{"the container changed"}
	}
	var out []string
	if was.FilesHash != now.FilesHash {
		out = append(out, "the content or the place of a config or secret changed")
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
