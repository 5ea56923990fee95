package probe

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a pod worker in small: it keeps a status of one container, lays changes over it, and syncs.
type rig struct {
	pod *Pod
	// blocked: changes lead to no pod sync, as during a termination.
	blocked atomic.Bool
	try     func(t Type, id string) Outcome

	mu     sync.Mutex
	zero   time.Time
	status corev1.PodStatus
	tries  []string
	log    []Change
	events []Event
	done   chan struct{}
	cancel context.CancelFunc
}

func podWith(c corev1.Container, policy corev1.RestartPolicy) *corev1.Pod {
	c.Name = "app"
	return &corev1.Pod{Spec: corev1.PodSpec{RestartPolicy: policy, Containers: []corev1.Container{c}}}
}

// newRig makes a pod in the bubble of the caller; Run has not begun.
func newRig(cfg Config, try func(t Type, id string) Outcome) *rig {
	r := &rig{try: try, zero: time.Now(), done: make(chan struct{})}
	cfg.Sink = r
	cfg.Handlers = func(_ *corev1.Container, t Type, _ *corev1.Probe) Handler {
		return HandlerFunc(func(ctx context.Context, target Target) Outcome {
			r.mu.Lock()
			r.tries = append(r.tries, fmt.Sprintf("%s %s@%.2f", strings.ToLower(string(t[:1])), target.ContainerID, r.now()))
			r.mu.Unlock()
			return r.try(t, target.ContainerID)
		})
	}
	r.pod = New(cfg)
	return r
}

func (r *rig) now() float64 { return time.Since(r.zero).Seconds() }

func (r *rig) run() {
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go func() {
		defer close(r.done)
		_ = r.pod.Run(ctx)
	}()
}

func (r *rig) close() {
	r.cancel()
	<-r.done
}

// start puts a new running instance into the status, exit ends it, each with a pod sync.
func (r *rig) start(id string) {
	r.set(corev1.ContainerStatus{
		Name: "app", ContainerID: id,
		State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}},
	})
}

func (r *rig) exit(code int32) {
	r.mu.Lock()
	s := r.status.ContainerStatuses[0]
	r.mu.Unlock()
	s.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code}}
	r.set(s)
}

func (r *rig) set(s corev1.ContainerStatus) {
	r.mu.Lock()
	r.status = corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{s}}
	r.mu.Unlock()
	r.sync()
}

func (r *rig) sync() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.status.ContainerStatuses) > 0 {
		r.pod.UpdatePodStatus(&r.status)
	}
}

func (r *rig) ready() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status.ContainerStatuses[0].Ready
}

func (r *rig) started() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.status.ContainerStatuses[0].Started
	return s != nil && *s
}

// ProbeChanged is the Sink.
func (r *rig) ProbeChanged(c Change) {
	r.mu.Lock()
	r.log = append(r.log, c)
	c.Apply(&r.status)
	r.mu.Unlock()
	if !r.blocked.Load() && c.Syncs() {
		r.sync()
	}
}

// ProbeEvent is the Sink.
func (r *rig) ProbeEvent(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// tried are the tries since the last call, such as "r c0@1.50".
func (r *rig) tried() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := strings.Join(r.tries, " ")
	r.tries = nil
	return s
}

// changes are the published changes since the last call, such as "Liveness=Failure".
func (r *rig) changes() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, c := range r.log {
		out = append(out, fmt.Sprintf("%s=%s", c.Type, c.Result))
	}
	r.log = nil
	return strings.Join(out, " ")
}

func always(o Outcome) func(Type, string) Outcome { return func(Type, string) Outcome { return o } }
