package supervisor

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// engineLost notes that the engine does not answer. Called by the loop.
func (s *Supervisor) engineLost(err error) {
	if s.engineTrouble != "" {
		return
	}
	s.engineTrouble = "the Docker engine does not answer; what runs goes on, though published ports may not, and everything " +
		"is brought back as soon as it answers"
	s.log.Warn("the Docker engine does not answer; what runs goes on", "error", err)
	s.event("Node", nodeName, corev1.EventTypeWarning, "NodeNotReady", "the Docker engine does not answer: %v", err)
}

// engineBack goes on after the engine was not heard of since a time, with the pods as they are now. Called by the loop.
func (s *Supervisor) engineBack(observed []*corev1.Pod, since time.Time) {
	now := time.Now()
	ended := s.cluster.EndedWithEngine(observed)
	if len(ended) > 0 || s.engineTrouble != "" {
		text := "nothing had ended"
		if n := len(ended); n > 0 {
			text = fmt.Sprintf("%d pods had ended and are started again, each when what it depends on is ready", n)
		}
		s.log.Info("the Docker engine answers again", "after", now.Sub(since).Round(time.Millisecond), "ended", len(ended))
		s.event("Node", nodeName, corev1.EventTypeNormal, "NodeReady", "the Docker engine answers again after %s; %s",
			now.Sub(since).Round(100*time.Millisecond), text)
	}
	s.engineTrouble = ""
	for _, p := range ended {
		s.pods.LoseSandbox(p)
	}
	// Containers may have ended with the engine a moment before the break was noticed.
	s.pods.ResumeAll(s.cluster.Recovery.Hold, since.Add(-time.Second), now)
	s.podnet.Look()
}
