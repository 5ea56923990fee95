package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/supervisor/probe"
)

const containerName = "app"

// happening is something the script makes happen at a time after the workers' creation.
type happening struct {
	at time.Duration
	do func()
}

// world is the scripted container and the pod syncs around it. Everything in it is done by play's goroutine, except
// record and the Sink.
type world struct {
	s        *scenario
	scripts  map[probe.Type]*scripted
	outcomes map[probe.Type]map[string][]outcome
	pod      *probe.Pod
	manifest *corev1.Pod
	plan     []happening
	changes  chan probe.Change
	// status is the container's published status as the pod sync would report it.
	status   corev1.ContainerStatus
	phase    corev1.PodPhase
	now      int
	running  bool
	deleting bool
	// unborn: the workers are not made yet.
	unborn bool

	mu      sync.Mutex
	zero    time.Time
	started time.Time
	current int
	// said are the last values of started and ready in the trace.
	said   map[string]bool
	events []event
}

// newWorld reads the scripts; the clock starts with play.
func newWorld(s *scenario) (*world, error) {
	w := &world{
		s: s, said: map[string]bool{}, phase: corev1.PodPending,
		scripts:  map[probe.Type]*scripted{probe.Startup: s.Startup, probe.Readiness: s.Readiness, probe.Liveness: s.Liveness},
		outcomes: map[probe.Type]map[string][]outcome{},
	}
	for t, p := range w.scripts {
		if p == nil {
			continue
		}
		w.outcomes[t] = map[string][]outcome{}
		p.PerInstance = withDefault(p.PerInstance, p.Script)
		for n, tokens := range p.PerInstance {
			o, err := parseScript(tokens)
			if err != nil {
				return nil, err
			}
			if len(o) == 0 {
				return nil, fmt.Errorf("cannot play scenario: the %s probe has an empty script", lower(t))
			}
			w.outcomes[t][n] = o
		}
	}
	return w, nil
}

func withDefault(per map[string][]string, script []string) map[string][]string {
	all := map[string][]string{"": script}
	for n, tokens := range per {
		all[n] = tokens
	}
	return all
}

// podOf is the pod of one container that the scenario describes.
func (w *world) podOf() *corev1.Pod {
	c := corev1.Container{Name: containerName}
	fields := map[probe.Type]**corev1.Probe{
		probe.Startup: &c.StartupProbe, probe.Readiness: &c.ReadinessProbe, probe.Liveness: &c.LivenessProbe,
	}
	for t, p := range w.scripts {
		if p != nil {
			*fields[t] = &p.Probe
		}
	}
	pod := &corev1.Pod{Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicy(w.s.RestartPolicy)}}
	if w.s.KubeletUptime != nil {
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	}
	if w.s.Sidecar {
		always := corev1.ContainerRestartPolicyAlways
		c.RestartPolicy = &always
		pod.Spec.InitContainers = []corev1.Container{c}
	} else {
		pod.Spec.Containers = []corev1.Container{c}
	}
	return pod
}

// play runs the scenario on the product's workers; the caller provides virtual time.
func (w *world) play(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	time.Sleep(seconds(w.s.WallPhase))
	// Made here: only channels of the bubble let its clock move on.
	w.zero, w.changes = time.Now(), make(chan probe.Change, 100)
	w.manifest = w.podOf()
	cfg := probe.Config{Pod: w.manifest, Handlers: w.handler, Sink: w, Timing: probe.Strict}
	if w.s.KubeletUptime != nil {
		cfg.Began = w.zero.Add(-seconds(*w.s.KubeletUptime))
	}
	w.pod = probe.New(cfg)
	w.schedule()
	w.found()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = w.pod.Run(ctx)
	}()
	end := time.After(seconds(w.s.Duration))
	for {
		next := time.Hour * 1e5
		if len(w.plan) > 0 {
			next = w.plan[0].at - time.Since(w.zero)
		}
		select {
		case <-end:
			cancel()
			<-done
			return
		case c := <-w.changes:
			w.react(c)
		case <-time.After(next):
			do := w.plan[0].do
			w.plan = w.plan[1:]
			do()
		}
	}
}

// schedule lays out what the scenario itself says will happen.
func (w *world) schedule() {
	for n, c := range w.s.Containers {
		w.at(seconds(c.Start), func() { w.start(n) })
		if c.End != nil {
			w.at(seconds(*c.End), func() { w.exit(c.ExitCode, true) })
		}
	}
	for _, t := range w.s.ResyncAt {
		w.at(seconds(t), func() {
			w.record(event{Event: "podSync", Instance: w.now})
			w.sync()
		})
	}
	if w.s.DeleteAt > 0 {
		w.at(seconds(w.s.DeleteAt), w.delete)
	}
	if w.s.DeleteExitsAt > 0 {
		w.at(seconds(w.s.DeleteExitsAt), func() {
			w.exit(0, true)
			w.pod.Stop()
		})
	}
}

// found is what is there before the workers are: the first pod sync reports it, and makes the workers after that.
func (w *world) found() {
	for w.unborn = true; len(w.plan) > 0 && w.plan[0].at <= 0; w.plan = w.plan[1:] {
		w.plan[0].do()
	}
	w.unborn = false
}

func (w *world) at(t time.Duration, do func()) {
	w.plan = append(w.plan, happening{t, do})
	slices.SortStableFunc(w.plan, func(a, b happening) int { return int(a.at - b.at) })
}

func (w *world) after(d time.Duration, do func()) { w.at(time.Since(w.zero)+d, do) }

func (w *world) start(n int) {
	at := time.Now()
	w.mu.Lock()
	w.current, w.started = n, at
	w.mu.Unlock()
	w.now, w.running, w.phase = n, true, corev1.PodRunning
	at = at.Add(-seconds(w.startedAgo(n)))
	// A status carries whole seconds of the wall clock.
	at = at.Truncate(time.Second)
	started := w.s.KubeletUptime != nil && n == 0
	w.status = corev1.ContainerStatus{
		Name: containerName, ContainerID: fmt.Sprintf("c%d", n), Started: &started,
		State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(at)}},
	}
	w.record(event{Event: "containerStarted", Instance: n})
	w.sync()
}

// startedAgo is by how many seconds the n-th instance is older than its appearance in the trace.
func (w *world) startedAgo(n int) float64 {
	switch {
	case n < len(w.s.Containers) && w.s.Containers[n].StartedAgo != nil:
		return *w.s.Containers[n].StartedAgo
	case n == 0:
		return w.s.StartedAgo
	}
	return 0
}

// exit ends the current instance; observed says that a pod sync sees it.
func (w *world) exit(code int32, observed bool) {
	if !w.running {
		return
	}
	w.running = false
	w.record(event{Event: "containerExited", Instance: w.now, Text: fmt.Sprintf("exit code %d", code)})
	if !observed {
		return
	}
	w.status.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code}}
	if w.deleting || !w.s.Sidecar && !probe.RestartsAfter(&corev1.Container{}, corev1.RestartPolicy(w.s.RestartPolicy), code) {
		w.phase = corev1.PodSucceeded
		if code != 0 {
			w.phase = corev1.PodFailed
		}
	}
	w.sync()
}

// delete begins the pod's termination; there are no pod syncs after it.
func (w *world) delete() {
	w.record(event{Event: "delete", Instance: w.now})
	if w.s.NoStopCall {
		w.manifest.DeletionTimestamp = &metav1.Time{Time: time.Now()} // before the lock of sync, after which workers look
	}
	w.sync()
	w.deleting = true
	if !w.s.NoStopCall {
		w.pod.StopLivenessAndStartup()
	}
}

// sync is the probes' part of a pod sync.
func (w *world) sync() {
	if w.status.ContainerID == "" {
		return
	}
	status := &corev1.PodStatus{Phase: w.phase, ContainerStatuses: []corev1.ContainerStatus{w.status}}
	if w.s.Sidecar {
		status.ContainerStatuses, status.InitContainerStatuses = nil, status.ContainerStatuses
	}
	if w.s.Isolated || w.deleting || w.unborn {
		w.pod.Observe(status)
	} else {
		w.pod.UpdatePodStatus(status)
	}
	w.status = append(status.ContainerStatuses, status.InitContainerStatuses...)[0]
	w.say("started", *w.status.Started)
	w.say("ready", w.status.Ready)
}

// react is the kubelet's answer to a published result: the status, a kill, a pod sync.
func (w *world) react(c probe.Change) {
	status := &corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{w.status}}
	if c.Apply(status) {
		w.status = status.ContainerStatuses[0]
		w.say("started", *w.status.Started)
		w.say("ready", w.status.Ready)
	}
	if c.Kills() && w.running && !w.deleting && c.ContainerID == w.status.ContainerID {
		w.record(event{Event: "kill", Type: lower(c.Type), Instance: w.now})
		w.kill()
	}
	if c.Syncs() && !w.deleting {
		w.sync()
	}
}

func (w *world) kill() {
	r := w.s.ReactToKill
	if r == nil {
		return
	}
	w.after(seconds(r.StopTakes), func() {
		w.exit(137, r.ObserveExit)
		if w.s.RestartPolicy == string(corev1.RestartPolicyNever) && !w.s.Sidecar || w.deleting {
			return
		}
		w.after(seconds(r.RestartDelay), func() { w.start(w.now + 1) })
	})
}
