package pod

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
)

// notePaused sets or removes the condition services.Paused of a status. Its transition time is kept; Conditions fills in a
// new one. Kubernetes knows no paused containers: somebody used `docker pause`, or a snapshot or a drill is going on.
func (v *view) notePaused(s *corev1.PodStatus) {
	var texts []string
	for _, list := range [][]corev1.Container{v.spec.InitContainers, v.spec.Containers} {
		for i := range list {
			if inst := v.newest[list[i].Name]; inst != nil && inst.State == Running && inst.Paused {
				texts = append(texts, "container "+inst.Container+" is paused, so it does nothing and answers nothing; "+
					"`docker unpause "+inst.ID[:min(len(inst.ID), 12)]+"` lets it go on")
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
