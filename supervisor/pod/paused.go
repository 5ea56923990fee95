package pod

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
)

// notePaused sets or removes the condition services.Paused of a status. It keeps the transition time; Conditions sets a new one.
// Kubernetes has no paused containers: the cause is `docker pause`, or a snapshot or drill in progress.
func (v *view) notePaused(s *corev1.PodStatus) {
	var texts []string
	for _, list := range [][]corev1.Container{v.spec.InitContainers, v.spec.Containers} {
		for i := range list {
			if inst := v.newest[list[i].Name]; inst != nil && inst.State == Running && inst.Paused {
				texts = append(texts, "container "+inst.Container+" is paused and does not respond; "+
					"`docker unpause "+inst.ID[:min(len(inst.ID), 12)]+"` resumes it")
			}
		}
	}
	i := slices.IndexFunc(s.Conditions, func(c corev1.PodCondition) bool { return c.Type == services.Paused })
	switch {
	case len(texts) == 0 && i >= 0:
		s.Conditions = slices.Delete(s.Conditions, i, i+1)
	case len(texts) == 0:
	case i < 0:
		s.Conditions = append(s.Conditions, corev1.PodCondition{
			Type: services.Paused, Status: corev1.ConditionTrue, Message: strings.Join(texts, "; "),
		})
	default:
		s.Conditions[i].Message = strings.Join(texts, "; ")
	}
}
