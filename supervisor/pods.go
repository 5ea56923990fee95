package supervisor

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/pod/composepod"
	"github.com/lyandev/lyandev/supervisor/probe"
	"github.com/lyandev/lyandev/supervisor/workers"
)

// nodeName is the one node, as DaemonSets and fieldRefs name it.
const nodeName = "lyandev"

// newWorkers makes the pods' workers. Network, image and inner loop must be there.
func newWorkers(s *Supervisor) *workers.Workers {
	cfg := workers.Config{
		Engine: s.cfg.Engine, Project: s.cfg.Instance.Name, Dir: s.cfg.Instance.Dir, Network: s.podnet.Name(), Node: nodeName,
		MessageDir: s.cfg.Instance.File("messages"), Addresses: s.podnet, Dialer: s.podnet,
		SandboxImage: func(ctx context.Context) (string, error) {
			ref, _, err := s.image.Ensure(ctx)
			return ref, err
		},
		SameHost: s.podnet.SameHost,
		PlainDNS: s.podnet.PlainDNS, FileDir: s.cfg.Instance.File("files"), AnonymousFile: s.cfg.Instance.File(composepod.AnonymousFile),
		Wrap: s.inner.Wrap, BeforeStart: s.inner.BeforeStart,
		Warn:       func(pod, text string) { s.engineWarned("Pod", pod, text) },
		Sink:       podSink{s},
		EngineLost: func(err error) { s.post(engineLost{err}) },
		EngineBack: func(ctx context.Context, pods []*corev1.Pod, since time.Time) error {
			return s.change(ctx, "the engine answers again", func() error { s.engineBack(pods, since); return nil })
		},
		Pause:        s.firstPause,
		AgentChanged: s.podnet.Look,
		Times:        s.times,
		Log:          s.log,
	}
	if s.cfg.Simulation != nil {
		cfg.Jitter = s.cfg.Simulation.Jitter
	}
	return workers.New(cfg)
}

// ProbeAnswers are the last answers of every pod's probes, by pod name: up to ten a probe, oldest first. Secrets are masked.
func (s *Supervisor) ProbeAnswers() map[string][]probe.Answer {
	out := s.pods.ProbeAnswers()
	maskOutputs(out, s.secrets.mask)
	return out
}

// maskOutputs masks the outputs of answers. Equal ones, of which probes give many, are masked once: a page takes milliseconds.
func maskOutputs(answers map[string][]probe.Answer, mask func(string) string) {
	masked := map[string]string{}
	for _, list := range answers {
		for i := range list {
			text, ok := masked[list[i].Output]
			if !ok {
				text = mask(list[i].Output)
				masked[list[i].Output] = text
			}
			list[i].Output = text
		}
	}
}

// podSink implements pod.Sink: it passes what workers say on to the loop.
type podSink struct{ s *Supervisor }

// StatusChanged implements pod.Sink.
func (k podSink) StatusChanged(p *corev1.Pod) {
	k.s.secrets.maskStatus(&p.Status)
	k.s.post(podStatus{p})
}

// Event implements pod.Sink.
func (k podSink) Event(p *corev1.Pod, container, typ, reason, message string) {
	k.s.events.AddContainer(time.Now(), "Pod", p.Name, container, typ, reason, k.s.secrets.mask(message))
}

// Gone implements pod.Sink. A pod that was deleted by force goes from the store while its containers still stop.
func (k podSink) Gone(p *corev1.Pod) { k.s.post(podGone{p.Name, p.UID}) }
