package pod

// SuspendProbes makes a container unready and stops its probes until ResumeProbes, for a restart of its process. Both take effect
// at once, even during a sync.
func (w *Worker) SuspendProbes(container string) { w.probes.process(container, true) }

// ResumeProbes restarts the container's probes after its process was restarted.
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
