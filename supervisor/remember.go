package supervisor

import (
	"encoding/json"
	"maps"
	"os"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/pod"
)

// remembered is what the loop knows of pods that is on no Docker object, because labels of containers cannot change: it is
// written down at every change, so that the next supervisor goes on where this one was killed.
type remembered struct {
	// Roles are the roles that operators gave, by pod UID.
	Roles map[types.UID]string `json:"roles,omitempty"`
	// Deleting are the pods that were told to end.
	Deleting map[types.UID]metav1.Time `json:"deleting,omitempty"`
	// Ended are the pods that have done their work, or failed for good: their containers may be pruned by anybody at any time,
	// and a Job must not run again for that.
	Ended map[types.UID]*corev1.Pod `json:"ended,omitempty"`
}

const rememberedFile = "pods.json"

// note writes down what is to be remembered, if it is not what was written last. Called by the loop.
func (s *Supervisor) note() {
	m := remembered{Roles: map[types.UID]string{}, Deleting: map[types.UID]metav1.Time{}, Ended: map[types.UID]*corev1.Pod{}}
	for _, p := range s.world.pods {
		if role := p.Labels[services.RoleLabel]; role != "" {
			m.Roles[p.UID] = role
		}
		if p.DeletionTimestamp != nil {
			m.Deleting[p.UID] = *p.DeletionTimestamp
		} else if pod.Final(p.Status.Phase) {
			m.Ended[p.UID] = p
		}
	}
	b, err := json.Marshal(m)
	if err != nil || string(b) == s.noted {
		return
	}
	if err := instance.WriteFile(s.cfg.Instance.File(rememberedFile), b); err != nil {
		s.log.Warn("cannot write down the pods' roles", "error", err)
		return
	}
	s.noted = string(b)
}

// recallPods lays what was remembered over pods that were found, and adds those that had ended and of which nothing is left.
func (s *Supervisor) recallPods(pods []*corev1.Pod) []*corev1.Pod {
	b, err := os.ReadFile(s.cfg.Instance.File(rememberedFile))
	if err != nil {
		return pods
	}
	var m remembered
	if err := json.Unmarshal(b, &m); err != nil {
		s.log.Warn("cannot read the pods' roles; the operators will tell", "error", err)
		return pods
	}
	return m.over(pods)
}

func (m *remembered) over(pods []*corev1.Pod) []*corev1.Pod {
	for _, p := range pods {
		if was := m.Ended[p.UID]; was != nil {
			p.Status = was.Status
			delete(m.Ended, p.UID)
		}
		if role := m.Roles[p.UID]; role != "" {
			p.Labels[services.RoleLabel] = role
		}
		if at, ok := m.Deleting[p.UID]; ok {
			p.DeletionTimestamp, p.DeletionGracePeriodSeconds = &at, p.Spec.TerminationGracePeriodSeconds
		}
	}
	for _, uid := range slices.Sorted(maps.Keys(m.Ended)) {
		pods = append(pods, m.Ended[uid])
	}
	return pods
}
