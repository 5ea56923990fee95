package supervisor

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/pod"
)

// Halt ends the stack as Stop does, but the containers of plain services are only stopped: they, their networks and the saved
// stack stay, and the next supervisor goes on with them, as `docker compose up` does after Ctrl-C. A second call hurries, and a
// call of Stop after it removes the containers too. A stack of which no container is left afterwards is down, as after Stop.
func (s *Supervisor) Halt() { s.post(stopRequest{keep: true}) }

// keeps reports whether a pod's container stays when the stack ends. Called by the loop.
func (s *Supervisor) keeps(p *corev1.Pod) bool {
	return s.keeping && services.PlainPod(p) && p.DeletionTimestamp == nil
}

// kept reports whether a pod's container stays and does not run any more. Called by the loop.
func (s *Supervisor) kept(p *corev1.Pod) bool {
	if !s.keeps(p) {
		return false
	}
	return pod.Final(p.Status.Phase) || neverRan(p)
}

// halt has a plain service's container stopped, once. Called by the loop.
func (s *Supervisor) halt(p *corev1.Pod) {
	w := s.pods.Plain(p.Name)
	if w == nil || s.halted[p.UID] {
		return
	}
	s.halted[p.UID] = true
	w.Halt()
}
