package supervisor

import (
	"maps"
	"reflect"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/bootstrap"
)

// takeVerdict puts roles and gates onto pods, and tells workloads of changed facts. The verdict of an operator that has been
// stopped since is dropped. Called by the loop.
func (s *Supervisor) takeVerdict(name string, seen services.View, v services.Verdict, now time.Time) {
	if !s.ops.Running(name) {
		return
	}
	w := s.world
	if workload, ok := bootstrap.WorkloadOf(name); ok {
		s.takeBootstrap(workload, seen, v, now)
		return
	}
	if old, ok := w.verdicts[name]; ok && reflect.DeepEqual(old, v) && !seenNewPods(w, seen) {
		return
	}
	w.verdicts[name] = v
	for _, p := range seen.Pods {
		have := w.pods[p.Name]
		if have == nil || have.UID != p.UID {
			continue
		}
		pv, ok := v.Pods[p.Name]
		if !ok {
			pv = services.PodVerdict{Reason: "NotLookedAt", Message: v.Message}
		}
		s.setRole(have, pv.Role)
		s.pods.SetCondition(p.Name, rightCondition(pv, now))
	}
	s.noteFacts(v.Facts, now)
}

// seenNewPods says that a pod of the view has not got its condition from the operator yet.
func seenNewPods(w *world, seen services.View) bool {
	for _, p := range seen.Pods {
		have := w.pods[p.Name]
		if have == nil {
			continue
		}
		found := false
		for _, c := range have.Status.Conditions {
			found = found || c.Type == services.RightGate
		}
		if !found {
			return true
		}
	}
	return false
}

func rightCondition(v services.PodVerdict, now time.Time) corev1.PodCondition {
	c := corev1.PodCondition{
		Type: services.RightGate, Status: corev1.ConditionFalse, Reason: v.Reason, Message: v.Message,
		LastTransitionTime: metav1.NewTime(now),
	}
	if v.Right {
		c.Status = corev1.ConditionTrue
	}
	return c
}

func (s *Supervisor) setRole(p *corev1.Pod, role string) {
	old := p.Labels[services.RoleLabel]
	if old == role {
		return
	}
	next := p.DeepCopy()
	next.Labels = maps.Clone(next.Labels)
	if role == "" {
		delete(next.Labels, services.RoleLabel)
	} else {
		next.Labels[services.RoleLabel] = role
	}
	s.world.pods[p.Name] = next
	if old != "" {
		s.event("Pod", p.Name, "Normal", "RoleChanged", "Role is %s now, was %s", orNone(role), old)
	}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
