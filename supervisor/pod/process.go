package pod

// SuspendProbes takes a container out of service before its process is restarted within it: the pod is not ready, and
// nothing is probed, until ResumeProbes. Both take effect at once, also while a sync is going on.
func (w *Worker) SuspendProbes(container string) { w.probes.process(container, true) }

// ResumeProbes begins the container's probes anew after its process was restarted.
func (w *Worker) ResumeProbes(container string) { w.probes.process(container, false) }

func (p *probes) process(container string, suspend bool) {
	p.mu.Lock()
	var found *probeSet
	for _, s := range p.sets {
		if s.names[container] {
			found = s
		}
	}
	p.mu.Unlock()
	switch {
	case found == nil:
	case suspend:
		found.pod.Suspend(container)
	default:
		found.pod.Resume(container)
	}
}
