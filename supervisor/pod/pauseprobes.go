package pod

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/probe"
)

// Pause is a pause of a pod's probes. The zero value is none.
type Pause struct {
	Probes probe.Pause
	// Since is when it began. Message says who asked for it and how to end it, for the condition services.ProbesPaused.
	Since   metav1.Time
	Message string
}

// PauseProbes begins, changes or ends a pause of the pod's probes; see probe.Pause. It takes effect at once, even during a sync or
// before Run.
func (w *Worker) PauseProbes(p Pause) {
	w.probes.pauseAll(p.Probes)
	w.outbox.put(func(m *mail) { m.pause = &p })
}

// Note sets or removes the condition services.ProbesPaused of a status.
func (p Pause) Note(s *corev1.PodStatus) {
	i := slices.IndexFunc(s.Conditions, func(c corev1.PodCondition) bool { return c.Type == services.ProbesPaused })
	if p.Probes == probe.NotPaused {
		if i >= 0 {
			s.Conditions = slices.Delete(s.Conditions, i, i+1)
		}
		return
	}
	c := corev1.PodCondition{
		Type: services.ProbesPaused, Status: corev1.ConditionTrue, Reason: string(p.Probes), Message: p.Message, LastTransitionTime: p.Since,
	}
	if i < 0 {
		s.Conditions = append(s.Conditions, c)
	} else {
		s.Conditions[i] = c
	}
}

// pauseAll pauses the probes of all containers, also of those that are added later.
func (p *probes) pauseAll(which probe.Pause) {
	p.mu.Lock()
	p.pause = which
	p.mu.Unlock()
	p.each(func(x *probe.Pod) { x.Pause(which) })
}
