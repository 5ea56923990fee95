package workers

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/enginewatch"
	"github.com/lyandev/lyandev/supervisor/pod"
	"github.com/lyandev/lyandev/supervisor/pod/dockerpod"
)

// engineAway is why nothing is started while the engine does not answer.
const engineAway = "waits for the Docker engine to answer"

// agentKind is the value of services.KindLabel that the agent's container has.
const agentKind = "agent"

// Run follows the engine's events and wakes the workers they concern, until ctx ends; then it returns nil. From the moment the
// events break off no worker starts anything until ResumeAll: containers that ended with the engine must come back in the
// start order, and not in the order in which their workers notice.
func (w *Workers) Run(ctx context.Context) error {
	var since time.Time // when the trouble began: the last break, or the first failed try; zero until then
	watch := enginewatch.Watch{
		Engine: w.cfg.Engine, Labels: map[string]string{services.ProjectLabel: w.cfg.Project}, Event: w.notify,
		Broken: func(err error) {
			since = time.Now()
			w.log.Info("the engine's event stream is down", "error", err)
			w.holdAll(engineAway)
		},
		Lost: func(err error) {
			if since.IsZero() {
				since = time.Now()
				w.holdAll(engineAway)
			}
			w.cfg.EngineLost(err)
		},
		Back: func(ctx context.Context) error {
			w.lookAtLoopbacks(ctx)
			if since.IsZero() { // the first subscription
				w.resyncAll()
				return nil
			}
			pods, err := w.runtime.Observe(ctx)
			if err != nil {
				return err
			}
			return w.cfg.EngineBack(ctx, pods, since)
		},
	}
	return watch.Run(ctx)
}

// notify passes an event to the worker of its pod, or tells of the agent.
func (w *Workers) notify(e engine.Event) {
	if e.Labels[services.LocalhostLabel] != "" && (e.Type == "start" || e.Type == "die" || e.Type == "destroy") {
		w.loopbacks.look(e.ID)
	}
	switch e.Labels[services.KindLabel] {
	case agentKind:
		if e.Type == "start" || e.Type == "die" {
			w.cfg.AgentChanged()
		}
		return
	case dockerpod.KindOneOff:
		w.oneOffEvent(e)
		return
	}
	switch t := pod.EventType(e.Type); t {
	case pod.ContainerStarted, pod.ContainerDied, pod.ContainerRemoved, pod.ContainerPaused, pod.ContainerUnpaused:
		if x := w.Get(e.Labels[services.PodLabel]); x != nil {
			x.Notify(pod.ContainerEvent{Type: t, ID: e.ID, ExitCode: e.ExitCode})
		}
	case pod.ContainerHealth, pod.ContainerKilled:
		// Not for other pods: an engine that shuts down sends the signals before it is known to go, and a worker that looked
		// then would start its container again.
		if x := w.Plain(e.Labels[services.PodLabel]); x != nil {
			x.Notify(pod.ContainerEvent{Type: t, ID: e.ID})
		}
	}
}

// holdAll keeps all workers from starting anything, also those that are made later.
func (w *Workers) holdAll(why string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = why
	for _, x := range w.pods {
		x.Hold(why)
	}
}

// ResumeAll lifts the hold of all workers; those of single pods, which why gives by UID, remain ("" is none). Containers that
// ended between two times ended with the engine: they are started again without a back-off. why must not call Workers.
func (w *Workers) ResumeAll(why func(types.UID) string, from, to time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = ""
	for _, x := range w.pods {
		x.Excuse(from, to)
		x.Hold(why(x.uid))
		x.Resync()
	}
}

// Hold keeps one pod from starting anything; why is the reason that its status gives, and "" lets it go on. It has no effect
// while all workers are held (Held), since ResumeAll decides anew.
func (w *Workers) Hold(name, why string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if x := w.pods[name]; x != nil && w.held == "" {
		x.Hold(why)
		x.Resync()
	}
}

// Held says that the engine does not answer, so no worker may start anything.
func (w *Workers) Held() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.held != ""
}
