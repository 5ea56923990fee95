package workers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
	"github.com/lyandev/lyandev/supervisor/pod"
)

// changing are the calls that change containers.
var changing = []string{"CreateContainer", "StartContainer", "StopContainer", "KillContainer", "RemoveContainer"}

// rig is Workers on a fake engine in virtual time, with a network, and what they told the loop.
type rig struct {
	*enginefake.Engine
	*Workers
	t      *testing.T
	cancel context.CancelFunc
	ended  chan error

	mu       sync.Mutex
	statuses map[types.UID]*corev1.Pod
	// history is every status since the last restart of the rig, as "name ready" or "name unready".
	history []string
	heard
	// onGone is called by the sink, nil by default.
	onGone func(p *corev1.Pod)
	// backFails is what EngineBack answers, holds what ResumeAll is told.
	backFails error
	holds     map[types.UID]string
	// change alters the Config of the next Workers, nil by default.
	change func(c *Config)
}

// heard is what the Workers told the loop.
type heard struct {
	events      []string
	gone        []types.UID
	released    []string
	lost, agent int
	// back and since are what EngineBack was given last.
	back  []*corev1.Pod
	since time.Time
}

// told is what was heard up to now.
func (r *rig) told() heard {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.heard
}

// onRig runs a test with Workers that follow the engine.
func onRig(t *testing.T, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{Engine: enginefake.New(), t: t}
		r.AddImage("img:1", enginefake.Image{})
		r.SetInfo(engine.Info{CPUs: 2, MemoryBytes: 1 << 30})
		if _, err := r.CreateNetwork(t.Context(), engine.NetworkSpec{Name: "s_default", Subnet: netip.MustParsePrefix("10.9.0.0/24")}); err != nil {
			t.Fatal(err)
		}
		r.begin()
		defer func() { r.end() }()
		test(r)
	})
}

// begin makes Workers that know nothing of former ones and opens them.
func (r *rig) begin() []*corev1.Pod {
	r.t.Helper()
	r.statuses, r.holds, r.history = map[types.UID]*corev1.Pod{}, map[types.UID]string{}, nil
	cfg := Config{
		Engine: r.Engine, Project: "s", Dir: "/dir", Network: "s_default", Node: "node", Addresses: rigAddresses{r}, Dialer: nowhere{},
		SandboxImage: func(context.Context) (string, error) { return "img:1", nil },
		Sink:         rigSink{r},
		EngineLost:   func(error) { r.mu.Lock(); defer r.mu.Unlock(); r.lost++ },
		EngineBack:   r.engineBack,
		AgentChanged: func() { r.mu.Lock(); defer r.mu.Unlock(); r.agent++ },
	}
	if r.change != nil {
		r.change(&cfg)
	}
	r.Workers = New(cfg)
	_, pods, err := r.Open(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	r.cancel, r.ended = cancel, make(chan error, 1)
	ended, w := r.ended, r.Workers
	go func() { ended <- w.Run(ctx) }()
	return pods
}

// end ends the Workers as the supervisor does.
func (r *rig) end() {
	r.cancel()
	if err := <-r.ended; err != nil {
		r.t.Error(err)
	}
	r.Wait()
}

// Wait is that of the Workers, not of the engine.
func (r *rig) Wait() { r.Workers.Wait() }

func (r *rig) engineBack(_ context.Context, pods []*corev1.Pod, since time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.back, r.since = pods, since
	if r.backFails != nil {
		return r.backFails
	}
	for _, p := range pods {
		if len(p.Spec.InitContainers) > 0 {
			r.LoseSandbox(p)
		}
	}
	holds := r.holds
	r.ResumeAll(func(uid types.UID) string { return holds[uid] }, since.Add(-time.Second), time.Now())
	return nil
}

func (r *rig) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// do runs f with the rig locked.
func (r *rig) do(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

// status is the latest status of a pod, by UID.
func (r *rig) status(uid types.UID) *corev1.Pod {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.statuses[uid]
	if p == nil {
		r.t.Fatalf("pod %s has said nothing", uid)
	}
	return p
}

func (r *rig) ready(uid types.UID, want bool) *corev1.Pod {
	r.t.Helper()
	p := r.status(uid)
	if isReady(p) != want {
		r.t.Fatalf("pod %s is ready: %v, want %v; conditions %v, containers %+v", uid, !want, want, p.Status.Conditions, p.Status.ContainerStatuses)
	}
	return p
}

func isReady(p *corev1.Pod) bool {
	c := pod.FindCondition(&p.Status, corev1.PodReady)
	return c != nil && c.Status == corev1.ConditionTrue
}

// done are the calls of methods since the first n of them.
func (r *rig) done(n int, methods ...string) []string {
	var out []string
	for _, c := range r.Calls(methods...)[n:] {
		out = append(out, c.Method+" "+c.Object)
	}
	return out
}

// container is the running container of a pod of one.
func (r *rig) container(name string) engine.Container {
	r.t.Helper()
	list, err := r.ListContainers(r.t.Context(), map[string]string{"dev.lyandev.pod": name})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, c := range list {
		if c.State == engine.StateRunning {
			return c
		}
	}
	r.t.Fatalf("no container of pod %s runs: %+v", name, list)
	return engine.Container{}
}

// start starts a pod and lets it get as far as it can in a minute.
func (r *rig) start(p *corev1.Pod) {
	r.t.Helper()
	r.Start(p, "")
	r.pass(time.Minute)
}

// newPod is a pod of one container that stays; change may alter it.
func newPod(name string, uid types.UID, change ...func(p *corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, UID: uid, Labels: map[string]string{services.WorkloadLabel: name}}}
	p.Spec.Containers = []corev1.Container{{Name: "c", Image: "img:1"}}
	for _, f := range change {
		f(p)
	}
	return p
}

func grace(seconds int64) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Spec.TerminationGracePeriodSeconds = &seconds }
}

func execProbe(period int32) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"ready"}}}, PeriodSeconds: period, TimeoutSeconds: 60,
	}
}

// rigAddresses gives every name the same address until it is released, and never one that is in use.
type rigAddresses struct{ r *rig }

var addresses = map[string]byte{"a": 10, "b": 11, "c": 12}

func (a rigAddresses) PodIP(pod string) (netip.Addr, error) {
	last, ok := addresses[pod]
	if !ok {
		return netip.Addr{}, fmt.Errorf("no address for %s", pod)
	}
	return netip.AddrFrom4([4]byte{10, 9, 0, last}), nil
}

func (a rigAddresses) Release(pod string) {
	a.r.mu.Lock()
	defer a.r.mu.Unlock()
	a.r.released = append(a.r.released, pod)
}

func (a rigAddresses) Gateway() string { return "10.9.0.1" }
func (a rigAddresses) DNS() netip.Addr { return netip.MustParseAddr("10.9.0.2") }

// nowhere is a network in which nobody answers.
type nowhere struct{}

func (nowhere) DialContext(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("connection refused")
}

type rigSink struct{ r *rig }

func (k rigSink) StatusChanged(p *corev1.Pod) {
	k.r.mu.Lock()
	defer k.r.mu.Unlock()
	k.r.statuses[p.UID] = p
	word := p.Name + " unready"
	if isReady(p) {
		word = p.Name + " ready"
	}
	if n := len(k.r.history); n == 0 || k.r.history[n-1] != word {
		k.r.history = append(k.r.history, word)
	}
}

func (k rigSink) Event(p *corev1.Pod, container, typ, reason, message string) {
	k.r.mu.Lock()
	defer k.r.mu.Unlock()
	k.r.events = append(k.r.events, strings.Join([]string{p.Name, container, typ, reason, message}, " "))
}

func (k rigSink) Gone(p *corev1.Pod) {
	k.r.mu.Lock()
	k.r.gone = append(k.r.gone, p.UID)
	f := k.r.onGone
	k.r.mu.Unlock()
	if f != nil {
		f(p)
	}
}

func wantCalls(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("calls:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
