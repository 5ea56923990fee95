package supervisor

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod"
	"github.com/lyandev/lyandev/supervisor/pod/dockerpod"
	"github.com/lyandev/lyandev/supervisor/probe"
)

// maxExecProbes bounds the exec probes that run at once: each costs the engine several calls and a process.
const maxExecProbes = 4

// nodeName is the one node, as DaemonSets and fieldRefs name it.
const nodeName = "lyandev"

// podRunner owns the workers, one a pod, and the engine's event stream that wakes them.
type podRunner struct {
	s       *Supervisor
	runtime *dockerpod.Runtime
	objects stackObjects
	began   time.Time
	limit   *probe.Limiter

	wg sync.WaitGroup
	// ctx ends with the supervisor, not with a stack: workers leave their containers as they are then.
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex
	workers map[string]*pod.Worker // by pod name
	uids    map[string]types.UID
	inHurry bool
	// held is why no worker may start anything, "" if each may by itself.
	held string
}

func newPodRunner(s *Supervisor) *podRunner {
	r := &podRunner{s: s, limit: probe.NewLimiter(maxExecProbes), workers: map[string]*pod.Worker{}, uids: map[string]types.UID{}}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.runtime = dockerpod.New(dockerpod.Config{
		Engine: s.cfg.Engine, Project: s.cfg.Instance.Name, Dir: s.cfg.Instance.Dir,
		Profile: func() string { return r.objects.profile() },
		Network: s.fabric.networkName(),
		PodIP:   s.fabric.podIP,
		DNS:     func() netip.Addr { s.fabric.mu.Lock(); defer s.fabric.mu.Unlock(); return s.fabric.layout.Agent },
		SandboxImage: func(ctx context.Context) (string, error) {
			ref, _, err := s.fabric.agentImage(ctx)
			return ref, err
		},
		MadeHere: r.objects.madeHere,
		Wrap: func(ctx context.Context, p *corev1.Pod, c *corev1.Container, spec *engine.ContainerSpec) error {
			return s.inner.wrap(ctx, p, c, spec)
		},
		BeforeStart: func(ctx context.Context, id string, p *corev1.Pod, container string) error {
			return s.inner.files.beforeStart(ctx, id, p, container)
		},
		MessageDir: s.cfg.Instance.File("messages"),
		Log:        s.log,
	})
	return r
}

// stackObjects are the objects that pods refer to: those of the stack that is wanted.
type stackObjects struct {
	stack atomic.Pointer[services.Stack]
}

// Store takes another stack into use.
func (o *stackObjects) Store(s *services.Stack) { o.stack.Store(s) }

func (o *stackObjects) profile() string {
	if s := o.stack.Load(); s != nil {
		return s.Profile
	}
	return ""
}

func (o *stackObjects) madeHere(ref string) bool {
	if s := o.stack.Load(); s != nil {
		for _, b := range s.Builds {
			if b.Image == ref {
				return true
			}
		}
	}
	return false
}

// ConfigMap implements pod.Objects.
func (o *stackObjects) ConfigMap(name string) (*corev1.ConfigMap, bool) {
	if s := o.stack.Load(); s != nil {
		for _, m := range s.ConfigMaps {
			if m.Name == name {
				return m, true
			}
		}
	}
	return nil, false
}

// Secret implements pod.Objects.
func (o *stackObjects) Secret(name string) (*corev1.Secret, bool) {
	if s := o.stack.Load(); s != nil {
		for _, m := range s.Secrets {
			if m.Name == name {
				return m, true
			}
		}
	}
	return nil, false
}

// Services implements pod.Objects.
func (o *stackObjects) Services() []*corev1.Service {
	if s := o.stack.Load(); s != nil {
		return s.Services
	}
	return nil
}

// ProbeAnswers are what the probes of every pod said last, by pod: up to ten answers a probe, each oldest first.
func (s *Supervisor) ProbeAnswers() map[string][]probe.Answer {
	s.pods.mu.Lock()
	workers := maps.Clone(s.pods.workers)
	s.pods.mu.Unlock()
	out := make(map[string][]probe.Answer, len(workers))
	for name, w := range workers {
		list := w.ProbeAnswers()
		for i := range list {
			list[i].Output = s.secrets.mask(list[i].Output)
		}
		out[name] = list
	}
	return out
}

// dialer fits the fabric to what probes ask for.
type dialer struct{ f *fabric }

// DialContext implements probe.Dialer.
func (d dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return d.f.dial(ctx, network, addr)
}

// observe finds the pods that run.
func (r *podRunner) observe(ctx context.Context) ([]*corev1.Pod, error) {
	return r.runtime.Observe(ctx)
}

// start gives a pod its worker, which starts nothing while it is held ("" is not).
func (r *podRunner) start(p *corev1.Pod, stack *services.Stack, hold string) {
	s := r.s
	w := pod.New(p, pod.Deps{
		Runtime: r.runtime, Objects: &r.objects, Sink: podSink{s},
		Probes: probe.Deps{Dialer: dialer{s.fabric}, Exec: r.runtime, Limit: r.limit},
		Timing: timingOf(p, stack), Began: r.began, Log: s.log,
		Node: pod.Node{
			Name: nodeName, IP: s.fabric.gateway(), MilliCPU: int64(s.node.CPUs) * 1000, MemoryBytes: s.node.MemoryBytes,
		},
	})
	r.mu.Lock()
	r.workers[p.Name], r.uids[p.Name] = w, p.UID
	w.Hold(cmp.Or(r.held, hold))
	r.mu.Unlock()
	r.wg.Go(func() {
		if err := w.Run(r.ctx); err != nil && !errors.Is(err, context.Canceled) {
			s.log.Error("a pod's worker has ended", "pod", p.Name, "error", err)
		}
		r.mu.Lock()
		if r.workers[p.Name] == w {
			delete(r.workers, p.Name)
			delete(r.uids, p.Name)
		}
		r.mu.Unlock()
		if r.ctx.Err() == nil {
			s.fabric.releasePod(p.Name)
			s.podGone(p.Name, p.UID)
		}
	})
}

// timingOf is the workload's timing, else the stack's, else fast.
func timingOf(p *corev1.Pod, stack *services.Stack) probe.Timing {
	timing := ""
	if stack != nil {
		timing = stack.Timing
		if w := stack.Workload(p.Labels[workloadLabel]); w != nil && w.Timing != "" {
			timing = w.Timing
		}
	}
	if timing == string(probe.Strict) {
		return probe.Strict
	}
	return probe.Fast
}

func (r *podRunner) worker(name string) *pod.Worker {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.workers[name]
}

// delete ends a pod; in a hurry with the least grace that there is.
func (r *podRunner) delete(name string) {
	w := r.worker(name)
	if w == nil {
		return
	}
	r.mu.Lock()
	hurry := r.inHurry
	r.mu.Unlock()
	if hurry {
		// Not 0: that forgets the pod at once, and its containers would outlive the supervisor, which ends with its last pod.
		w.Delete(new(int64(1)))
		return
	}
	w.Delete(nil)
}

// hurry kills what is being stopped already, and what will be.
func (r *podRunner) hurry() {
	r.mu.Lock()
	r.inHurry = true
	r.mu.Unlock()
	r.wg.Go(func() {
		ctx, cancel := context.WithTimeout(r.ctx, 10*time.Second)
		defer cancel()
		list, err := r.s.cfg.Engine.ListContainers(ctx, map[string]string{
			services.ProjectLabel: r.s.cfg.Instance.Name, dockerpod.PodUIDLabel: "",
		})
		if err != nil {
			return
		}
		for _, c := range list {
			_ = r.s.cfg.Engine.KillContainer(ctx, c.ID, "SIGKILL")
		}
	})
}

func (r *podRunner) update(p *corev1.Pod) {
	if w := r.worker(p.Name); w != nil {
		w.Update(p)
	}
}

func (r *podRunner) setCondition(name string, c corev1.PodCondition) {
	if w := r.worker(name); w != nil {
		w.SetCondition(c)
	}
}

// away says that the engine is not heard of.
func (r *podRunner) away() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held != ""
}

// resyncAll makes every worker look at its objects again.
func (r *podRunner) resyncAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range r.workers {
		w.Resync()
	}
}

// background does what nobody waits for, until it is done or the supervisor ends.
func (r *podRunner) background(do func(ctx context.Context)) {
	r.wg.Go(func() { do(r.ctx) })
}

// wait ends the workers, which leave their containers running, and blocks until they have ended.
func (r *podRunner) wait() {
	r.cancel()
	r.wg.Wait()
}

// podSink takes what workers say to the loop.
type podSink struct{ s *Supervisor }

type podUpdate struct{ pod *corev1.Pod }

// StatusChanged implements pod.Sink.
func (k podSink) StatusChanged(p *corev1.Pod) {
	k.s.secrets.maskStatus(&p.Status)
	k.s.podChanged(&podUpdate{p})
}

// Event implements pod.Sink.
func (k podSink) Event(p *corev1.Pod, container, typ, reason, message string) {
	k.s.events.AddContainer(time.Now(), "Pod", p.Name, container, typ, reason, k.s.secrets.mask(message))
}

// Gone implements pod.Sink. A pod that was deleted by force goes from the store while its containers still stop.
func (k podSink) Gone(p *corev1.Pod) { k.s.podGone(p.Name, p.UID) }
