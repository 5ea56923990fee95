package explain

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/probe"
)

// pausedProbes describes the pauses of the pods' probes, a sentence each; pods that are paused in the same way share one.
func (f Facts) pausedProbes(pods []*corev1.Pod) []string {
	type group struct {
		first *corev1.PodCondition
		names []string
	}
	var groups []*group
	byText := map[string]*group{}
	for _, p := range pods {
		c := services.PausedProbes(p)
		if c == nil || p.DeletionTimestamp != nil {
			continue
		}
		key := c.Reason + " " + c.Message
		g := byText[key]
		if g == nil {
			g = &group{first: c}
			byText[key], groups = g, append(groups, g)
		}
		if c.LastTransitionTime.Before(&g.first.LastTransitionTime) {
			g.first = c
		}
		g.names = append(g.names, services.ShownPod(p))
	}
	var out []string
	for _, g := range groups {
		out = append(out, whichProbes(g.first)+" of "+strings.Join(g.names, ", ")+" "+f.pausedFor(g.first))
	}
	return out
}

func whichProbes(c *corev1.PodCondition) string {
	if c.Reason == string(probe.PauseLiveness) {
		return "liveness and startup probes"
	}
	return "probes"
}

// pausedFor says since when probes are paused and why, as a predicate.
func (f Facts) pausedFor(c *corev1.PodCondition) string {
	return fmt.Sprintf("have been paused for %s %s", f.ago(c.LastTransitionTime.Time), c.Message)
}
