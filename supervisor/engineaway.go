package supervisor

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/enginewatch"
	"github.com/lyandev/lyandev/supervisor/pod"
	"github.com/lyandev/lyandev/supervisor/pod/dockerpod"
)

// engineAway is why nothing is started while the engine is not heard of.
const engineAway = "waits for the Docker engine to answer"

// watch follows the engine's events and wakes the workers they concern, until ctx ends. While the engine is not heard of
// nothing is started: when it answers again, whoever comes first must not get ahead of the start order.
func (r *podRunner) watch(ctx context.Context) error {
	s := r.s
	var since time.Time // of the first break that nothing has made good; zero while all is well
	w := enginewatch.Watch{
		Engine: s.cfg.Engine, Labels: map[string]string{services.ProjectLabel: s.cfg.Instance.Name}, Event: r.notify,
		Broken: func(err error) {
			since = time.Now()
			s.log.Info("the engine's events have broken off", "error", err)
			r.holdAll(engineAway)
		},
		Lost: func(err error) {
			if since.IsZero() {
				since = time.Now()
				r.holdAll(engineAway)
			}
			s.post(func() { s.engineLost(err) })
		},
		Back: func(ctx context.Context) error {
			if since.IsZero() {
				r.resyncAll()
				return nil
			}
			pods, err := r.observe(ctx)
			if err == nil {
				err = s.ask(ctx, func() { s.engineBack(pods, since) })
			}
			if err == nil {
				since = time.Time{}
			}
			return err
		},
	}
	return w.Run(ctx)
}

func (r *podRunner) notify(e engine.Event) {
	if e.Labels[kindLabel] == "agent" {
		if e.Type == "start" || e.Type == "die" {
			r.s.fabric.agentChanged()
		}
		return
	}
	w := r.worker(e.Labels[dockerpod.PodLabel])
	switch t := pod.EventType(e.Type); t {
	case pod.ContainerStarted, pod.ContainerDied, pod.ContainerRemoved:
		if w != nil {
			w.Notify(pod.ContainerEvent{Type: t, ID: e.ID})
		}
	}
}

// holdAll keeps every worker from starting anything, and those to come.
func (r *podRunner) holdAll(why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = why
	for _, w := range r.workers {
		w.Hold(why)
	}
}

// goOn ends holdAll: each pod is held only as why says, and what ended between two times is excused.
func (r *podRunner) goOn(why func(types.UID) string, from, to time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = ""
	for name, w := range r.workers {
		w.Excuse(from, to)
		w.Hold(why(r.uids[name]))
		w.Resync()
	}
}

// hold keeps one pod from starting anything; why "" lets it go on.
func (r *podRunner) hold(name, why string) {
	if w := r.worker(name); w != nil {
		w.Hold(why)
		w.Resync()
	}
}

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
	ended := s.world.endedWithEngine(observed)
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
		s.pods.runtime.LoseSandbox(p)
	}
	// What ended with the engine may have done so a moment before its end was noticed.
	s.pods.goOn(s.world.holdOfPod, since.Add(-time.Second), now)
	s.fabric.look()
}
