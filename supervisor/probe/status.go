package probe

import corev1 "k8s.io/api/core/v1"

// ProbeReadiness triggers an iteration of the readiness probes, which restarts their ticks (R15).
func (p *Pod) ProbeReadiness() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.workers {
		if w.machine.typ == Readiness {
			w.triggerNow()
		}
	}
}

// UpdatePodStatus is the probes' part of a pod sync. It sets started and ready of every container in the status from the
// published results (R9, R11, R14), makes a copy of the status visible to the workers (so containers, phase and pod IP must be
// filled in already), and triggers the readiness workers of containers that are started, running and not ready (R15). Call it
// in every pod sync that is not part of a termination, and once when a termination begins. The status is changed in place.
func (p *Pod) UpdatePodStatus(status *corev1.PodStatus) {
	p.update(status, true)
}

// Observe is UpdatePodStatus without the triggers, for changes outside of pod syncs: a container that exits while the pod is
// being terminated, or the state found at the supervisor's start.
func (p *Pod) Observe(status *corev1.PodStatus) {
	p.update(status, false)
}

func (p *Pod) update(status *corev1.PodStatus, trigger bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var wake []*worker
	for i := range status.ContainerStatuses {
		if w := p.fill(&status.ContainerStatuses[i]); w != nil {
			wake = append(wake, w)
		}
		p.ready = p.ready && status.ContainerStatuses[i].Ready
	}
	for i := range status.InitContainerStatuses {
		s := &status.InitContainerStatuses[i]
		if !p.sidecar(s.Name) {
			fillInit(s)
		} else if w := p.fill(s); w != nil {
			wake = append(wake, w)
		}
	}
	p.see(status.DeepCopy())
	for _, w := range wake {
		if trigger {
			w.triggerNow()
		}
	}
}

// fillInit sets ready of a plain init container, which has no probes: it is ready once it has exited with 0 (R19).
func fillInit(s *corev1.ContainerStatus) {
	started := s.State.Running != nil
	s.Started = &started
	s.Ready = s.State.Terminated != nil && s.State.Terminated.ExitCode == 0
}

// fill sets started and ready of one container and returns the readiness worker to trigger, if any.
func (p *Pod) fill(s *corev1.ContainerStatus) *worker {
	started := p.started(s)
	s.Started = &started
	s.Ready = false
	if !started || p.suspended[s.Name] {
		return nil
	}
	result, probed := p.results[resultKey{Readiness, s.ContainerID}]
	if probed && result == Success {
		s.Ready = true
		return nil
	}
	w := p.worker(s.Name, Readiness)
	alive := w != nil && w.alive
	s.Ready = !alive
	if adopted(s, p.cfg.Began) && !probed {
		s.Ready = w == nil || p.ready
	}
	if alive {
		return w
	}
	return nil
}

// started implements R14. An adopted instance stays started until its startup probe fails (R21).
func (p *Pod) started(s *corev1.ContainerStatus) bool {
	if s.State.Running == nil {
		return false
	}
	if p.worker(s.Name, Startup) == nil {
		return true
	}
	if result, ok := p.results[resultKey{Startup, s.ContainerID}]; ok {
		return result == Success
	}
	return adopted(s, p.cfg.Began) && s.Started != nil && *s.Started
}

func (p *Pod) worker(container string, t Type) *worker {
	for _, w := range p.workers {
		if w.machine.typ == t && w.machine.container.Name == container {
			return w
		}
	}
	return nil
}

func (p *Pod) sidecar(name string) bool {
	for i := range p.cfg.Pod.Spec.InitContainers {
		if c := &p.cfg.Pod.Spec.InitContainers[i]; c.Name == name {
			return IsSidecar(c)
		}
	}
	return false
}
