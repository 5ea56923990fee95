// Package workers runs the pods of one stack. Every pod has a worker (pod.Worker) in a goroutine of its own; this package
// starts and ends them, wakes them by the engine's events, and keeps all of them from starting anything while the engine does
// not answer.
//
//	Start -> worker --> Sink (the loop)
//	           ^
//	           | events, Hold, Resync
//	Run -> enginewatch --> EngineLost, EngineBack (the loop) --> ResumeAll
package workers

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod"
	"github.com/lyandev/lyandev/supervisor/pod/composepod"
	"github.com/lyandev/lyandev/supervisor/pod/dockerpod"
	"github.com/lyandev/lyandev/supervisor/probe"
	"github.com/lyandev/lyandev/supervisor/timeline"
)

// maxExecProbes bounds the exec probes that run at once: each costs the engine several calls and a process.
const maxExecProbes = 4

// Addresses are the addresses of the stack's network. Its methods are called from many goroutines and must not call Workers.
type Addresses interface {
	// PodIP is the address of a pod name, the same until Release. It fails before the network is up.
	PodIP(pod string) (netip.Addr, error)
	// Release makes the address of a pod name free.
	Release(pod string)
	// Gateway is the host's address in the network, "" before it is up.
	Gateway() string
	// DNS is the address of the stack's name server; it is not valid before the network is up.
	DNS() netip.Addr
}

// Config is what Workers work with. All but SameHost, Wrap, BeforeStart, Warn, MessageDir, Jitter, Pause, Times and Log must be set.
type Config struct {
	Engine engine.Engine
	// Project is the instance's name, Dir its directory, Network its Docker network, Node the name of the one node.
	Project, Dir, Network, Node string
	// MessageDir is where termination messages below /dev are kept; see dockerpod.Config.
	MessageDir string
	Addresses  Addresses
	// Dialer reaches addresses in the network, for probes and hooks.
	Dialer probe.Dialer
	// SandboxImage makes sure of the sandboxes' image and returns its reference.
	SandboxImage func(ctx context.Context) (string, error)
	// SameHost reports whether the engine is known to keep its volumes on this host.
	SameHost func() bool
	// Wrap and BeforeStart may change a container before it is created, and put files into it before it is started; see
	// dockerpod.Config.
	Wrap        func(ctx context.Context, p *corev1.Pod, c *corev1.Container, spec *engine.ContainerSpec) error
	BeforeStart func(ctx context.Context, containerID string, p *corev1.Pod, container string) error
	// Warn is told what the engine leaves out when it makes a container of a pod.
	Warn func(pod, text string)
	// PlainDNS returns the name servers that containers of plain services ask besides Docker's own. FileDir is where files that such a container mounts are written; see composepod.Deps.
	PlainDNS func(networks, own []string) []string
	FileDir  string
	// AnonymousFile keeps the anonymous volumes of plain services' containers that are being replaced; "" keeps them in memory.
	AnonymousFile string
	// Sink is told what happens to the pods, from the workers' goroutines.
	Sink pod.Sink

	// EngineLost says that the engine does not answer, after every failed try to reach it.
	EngineLost func(err error)
	// EngineBack says that the engine answers again, with the pods as it has them; since is when the trouble began. Nothing is
	// started until somebody calls ResumeAll. An error counts as one more loss. EngineLost and EngineBack are called from
	// Run's goroutine.
	EngineBack func(ctx context.Context, pods []*corev1.Pod, since time.Time) error
	// Jitter is the random part of a probe's first wait; see probe.Config. nil is chance.
	Jitter func() float64
	// Pause is the pause of a pod's probes when its worker starts; nil is none. It is called by Start.
	Pause func(p *corev1.Pod) pod.Pause
	// AgentChanged says that the agent's container has started or ended.
	AgentChanged func()
	// Times records how long the pods' steps take; nil records nothing.
	Times *timeline.Recorder

	Log *slog.Logger
}

// Workers are the workers of one stack's pods. All methods may be called from many goroutines; all but Open, Run, Rejoin and
// Wait return at once. A method that names a pod without a worker does nothing.
type Workers struct {
	cfg     Config
	log     *slog.Logger
	runtime *dockerpod.Runtime
	limit   *probe.Limiter
	objects Objects
	// anonymous are the anonymous volumes of plain services' containers that are being replaced.
	anonymous composepod.Anonymous
	preStarts composepod.PreStarts
	loopbacks loopbacks

	// ctx ends with the supervisor, not with the stack: workers leave their containers running then.
	ctx    context.Context
	cancel context.CancelFunc
	// running counts the goroutines that Wait waits for.
	running sync.WaitGroup

	mu sync.Mutex
	// info and began are what Open found; began is zero if no pod was there.
	info  engine.Info
	began time.Time
	// pods are the workers by pod name.
	pods map[string]*worker
	// hurried: pods are ended with next to no grace from now on. closed: Wait has begun, nothing is started any more.
	hurried, closed bool
	// held is why no worker may start anything, "" if the holds of single pods decide.
	held string
}

// Runner runs one pod: a pod.Worker with Kubernetes' semantics, or a composepod.Worker for a pod of a plain Compose service.
type Runner interface {
	Run(ctx context.Context) error
	Pod() *corev1.Pod
	ProbeAnswers() []probe.Answer
	Delete(grace *int64)
	Update(p *corev1.Pod)
	SetCondition(c corev1.PodCondition)
	RestartContainer(name, reason string)
	SuspendProbes(container string)
	ResumeProbes(container string)
	PauseProbes(p pod.Pause)
	Resync()
	Notify(e pod.ContainerEvent)
	Hold(why string)
	Excuse(from, to time.Time)
}

// worker is the worker of a pod.
type worker struct {
	Runner
	uid types.UID
}

// New makes Workers without pods.
func New(cfg Config) *Workers {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	w := &Workers{cfg: cfg, log: cfg.Log, limit: probe.NewLimiter(maxExecProbes), pods: map[string]*worker{}}
	w.anonymous.File = cfg.AnonymousFile
	w.ctx, w.cancel = context.WithCancel(context.Background())
	w.loopbacks = loopbacks{w: w, busy: map[string]bool{}}
	w.runtime = dockerpod.New(dockerpod.Config{
		Engine: cfg.Engine, Project: cfg.Project, Dir: cfg.Dir, Profile: w.objects.profile, Network: cfg.Network,
		PodIP: cfg.Addresses.PodIP, DNS: cfg.Addresses.DNS, SandboxImage: cfg.SandboxImage, SameHost: cfg.SameHost, MadeHere: w.objects.madeHere, Volume: w.objects.volume,
		Wrap: cfg.Wrap, BeforeStart: cfg.BeforeStart, Warn: cfg.Warn, MessageDir: cfg.MessageDir, Log: cfg.Log,
	})
	return w
}

// Open asks the engine what machine it is on and which pods it has; see dockerpod.Runtime.Observe. If there are any, the pods
// that are started from now on count as adopted where their containers run already: they keep the readiness in the status
// that Start is given until their probes say otherwise. Call it once, before Start.
func (w *Workers) Open(ctx context.Context) (engine.Info, []*corev1.Pod, error) {
	info, err := w.cfg.Engine.Info(ctx)
	if err != nil {
		return engine.Info{}, nil, fmt.Errorf("%w; start it, or say where it is with DOCKER_HOST", err)
	}
	pods, err := w.runtime.Observe(ctx)
	if err != nil {
		return engine.Info{}, nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.info = info
	if len(pods) > 0 {
		w.began = time.Now()
	}
	return info, pods, nil
}

// SetStack replaces the objects that pods refer to by those of another stack, and makes every worker look at them.
func (w *Workers) SetStack(s *services.Stack) {
	w.objects.Set(s)
	for _, x := range w.all() {
		if plain, ok := x.(*composepod.Worker); ok {
			plain.CheckNames()
		} else {
			x.Resync()
		}
	}
}

// Volume returns the volume of the Compose file that a claim of the stack stands for; nil if there is none.
func (w *Workers) Volume(claim string) *compose.Volume { return w.objects.volume(claim) }

// Start gives a pod its worker, in the place of one of the same name that is ending. While hold is not "" the worker starts
// nothing and gives hold as the reason; see Hold. After Wait it does nothing.
func (w *Workers) Start(p *corev1.Pod, hold string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	x := &worker{uid: p.UID, Runner: w.runner(p)}
	w.pods[p.Name] = x
	x.Hold(cmp.Or(w.held, hold))
	if w.cfg.Pause != nil {
		x.PauseProbes(w.cfg.Pause(p))
	}
	w.running.Go(func() { w.run(x, p.Name) })
}

// runner makes what runs a pod.
func (w *Workers) runner(p *corev1.Pod) Runner {
	if _, plain := p.Annotations[compose.Annotation]; plain {
		return composepod.New(p, w.plainDeps())
	}
	return pod.New(p, pod.Deps{
		Runtime: w.runtime, Objects: &w.objects, Sink: w.cfg.Sink,
		Probes: probe.Deps{Dialer: w.cfg.Dialer, Exec: w.runtime, Limit: w.limit, Ports: w.runtime, Jitter: w.cfg.Jitter},
		Timing: w.objects.timing(p), Began: w.began, Log: w.log, Node: w.node(),
	})
}

// node describes this machine to pods. The caller holds mu.
func (w *Workers) node() pod.Node {
	return pod.Node{
		Name: w.cfg.Node, IP: w.cfg.Addresses.Gateway(), MilliCPU: int64(w.info.CPUs) * 1000, MemoryBytes: w.info.MemoryBytes,
	}
}

// plainDeps are the dependencies of the workers of plain services' pods.
func (w *Workers) plainDeps() composepod.Deps {
	return composepod.Deps{
		Engine: w.cfg.Engine, Project: w.cfg.Project, Labels: w.runtime.PlainLabels, Images: w.runtime, Objects: &w.objects,
		Sink: w.cfg.Sink, DNS: w.cfg.PlainDNS, BeforeStart: w.cfg.BeforeStart, Warn: w.cfg.Warn, Volumes: &w.anonymous, PreStarts: &w.preStarts,
		FileDir: w.cfg.FileDir, Log: w.log,
	}
}

// run runs a worker and forgets it when its pod is gone. A pod of the same name that was started meanwhile keeps the address.
func (w *Workers) run(x *worker, name string) {
	if err := x.Run(timeline.With(w.ctx, w.cfg.Times, name)); err != nil {
		return // the supervisor ends; the pod goes on
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pods[name] == x {
		delete(w.pods, name)
		w.cfg.Addresses.Release(name)
	}
}

// Wait ends the workers, which leave their containers running, and blocks until they have ended.
func (w *Workers) Wait() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.cancel()
	w.running.Wait()
}

// Get is the worker of a pod, nil if it has none.
func (w *Workers) Get(name string) Runner {
	w.mu.Lock()
	defer w.mu.Unlock()
	if x := w.pods[name]; x != nil {
		return x.Runner
	}
	return nil
}

// Plain is the worker of a pod of a plain Compose service, nil for any other pod.
func (w *Workers) Plain(name string) *composepod.Worker {
	x, _ := w.Get(name).(*composepod.Worker)
	return x
}

// all are the workers by pod name.
func (w *Workers) all() map[string]Runner {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make(map[string]Runner, len(w.pods))
	for name, x := range w.pods {
		out[name] = x.Runner
	}
	return out
}

func (w *Workers) resyncAll() {
	for _, x := range w.all() {
		x.Resync()
	}
}
