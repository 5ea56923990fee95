package pod

import (
	"context"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/probe"
)

// probes are the probe workers of the pod. Normally it is one probe.Pod, made before the first container (R2);
// containers that are added to the running pod get one of their own.
type probes struct {
	worker *Worker
	wg     sync.WaitGroup

	mu   sync.Mutex
	sets []*probeSet
	// covered are the containers whose probes exist or never will.
	covered map[string]bool
	stopped bool
	pause   probe.Pause
}

// probeSet is some containers' probes.
type probeSet struct {
	names map[string]bool
	pod   *probe.Pod
}

func newProbes(w *Worker) *probes { return &probes{worker: w, covered: map[string]bool{}} }

// wait blocks until all workers have ended.
func (p *probes) wait() { p.wg.Wait() }

// cover makes the workers of containers that are new in the pod, which live until ctx ends, and forgets those that are
// no more in it.
func (p *probes) cover(ctx context.Context, pod *corev1.Pod) {
	p.mu.Lock()
	defer p.mu.Unlock()
	part := *pod
	part.Spec.Containers, part.Spec.InitContainers = nil, nil
	names, wanted := map[string]bool{}, map[string]bool{}
	take := func(c *corev1.Container) bool {
		wanted[c.Name] = true
		names[c.Name] = !p.covered[c.Name]
		return names[c.Name]
	}
	for i := range pod.Spec.Containers {
		if c := &pod.Spec.Containers[i]; take(c) {
			part.Spec.Containers = append(part.Spec.Containers, *c)
		}
	}
	for i := range pod.Spec.InitContainers {
		if c := &pod.Spec.InitContainers[i]; take(c) {
			part.Spec.InitContainers = append(part.Spec.InitContainers, *c)
		}
	}
	p.drop(wanted)
	if len(part.Spec.Containers)+len(part.Spec.InitContainers) > 0 && !p.stopped {
		p.add(ctx, part.DeepCopy(), names)
	}
}

// drop takes containers that are not wanted any more out of their sets; p.mu is held.
func (p *probes) drop(wanted map[string]bool) {
	for name := range p.covered {
		if wanted[name] {
			continue
		}
		delete(p.covered, name)
		for _, s := range p.sets {
			delete(s.names, name)
		}
	}
	for _, s := range p.sets {
		if len(s.names) == 0 {
			s.pod.Stop()
		}
	}
}

// add makes and starts the workers of a part of the pod; p.mu is held.
func (p *probes) add(ctx context.Context, part *corev1.Pod, names map[string]bool) {
	d := p.worker.deps
	set := &probeSet{names: map[string]bool{}}
	for name, mine := range names {
		if mine {
			set.names[name], p.covered[name] = true, true
		}
	}
	set.pod = probe.New(probe.Config{
		Pod: part, Sink: probeSink{p.worker}, Timing: d.Timing, Began: d.Began,
		Handlers: d.Probes.Handlers(), Jitter: d.Probes.Jitter,
	})
	set.pod.Pause(p.pause)
	p.sets = append(p.sets, set)
	p.wg.Go(func() { _ = set.pod.Run(ctx) })
}

// update fills started and ready into the status and shows it to the workers; trigger is R15.
func (p *probes) update(s *corev1.PodStatus, trigger bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, set := range p.sets {
		part := *s
		part.ContainerStatuses = set.filter(s.ContainerStatuses)
		part.InitContainerStatuses = set.filter(s.InitContainerStatuses)
		if trigger {
			set.pod.UpdatePodStatus(&part)
		} else {
			set.pod.Observe(&part)
		}
		putBack(s.ContainerStatuses, part.ContainerStatuses)
		putBack(s.InitContainerStatuses, part.InitContainerStatuses)
	}
}

func (s *probeSet) filter(list []corev1.ContainerStatus) []corev1.ContainerStatus {
	var out []corev1.ContainerStatus
	for _, c := range list {
		if s.names[c.Name] {
			out = append(out, c)
		}
	}
	return out
}

func putBack(list, part []corev1.ContainerStatus) {
	for _, c := range part {
		for i := range list {
			if list[i].Name == c.Name {
				list[i].Started, list[i].Ready = c.Started, c.Ready
			}
		}
	}
}

// result is the published result of an instance.
func (p *probes) result(t probe.Type, id string) (probe.Result, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.sets {
		if r, ok := s.pod.Result(t, id); ok {
			return r, true
		}
	}
	return "", false
}

// answers are what the probes said last.
func (p *probes) answers() []probe.Answer {
	var out []probe.Answer
	p.each(func(x *probe.Pod) { out = append(out, x.Answers()...) })
	return out
}

// terminating is R17; ended is the end of all workers.
func (p *probes) terminating() { p.each((*probe.Pod).StopLivenessAndStartup) }

func (p *probes) ended() {
	p.mu.Lock()
	p.stopped = true
	p.mu.Unlock()
	p.each((*probe.Pod).Stop)
}

func (p *probes) each(do func(*probe.Pod)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.sets {
		do(s.pod)
	}
}

// probeSink takes what the probe workers find to the worker.
type probeSink struct{ w *Worker }

func (s probeSink) ProbeChanged(c probe.Change) {
	s.w.published.apply(s.w.deps.Sink, c)
	if c.Syncs() {
		s.w.inbox.put(func(m *mail) { m.probe = true })
	}
}

func (s probeSink) ProbeEvent(e probe.Event) {
	s.w.published.event(s.w.deps.Sink, e.Container, corev1.EventTypeWarning, e.Reason, e.Message)
}
