package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lyandev/lyandev/profiles"
	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/api"
	"github.com/lyandev/lyandev/supervisor/innerloop"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/network"
	"github.com/lyandev/lyandev/supervisor/prepare"
	"github.com/lyandev/lyandev/supervisor/probe"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/switchplan"
	"github.com/lyandev/lyandev/supervisor/timeline"
)

type stubKey struct{}

// stubHolder holds a script's supervisor, nil before there is one.
type stubHolder struct{ stub *stub }

// stub stands in for a supervisor: it serves an instance's socket under its lock, answers from a made-up snapshot of a stack,
// and remembers what it was asked for.
type stub struct {
	store    *state.Store
	events   *state.Events
	instance *instance.Instance
	end      context.CancelFunc

	mu    sync.Mutex
	stack *services.Stack
	// halted are the workloads that were stopped or removed, by what was asked; restarts counts the restarts.
	halted   map[string]string
	restarts map[string]int32
	mode     string
	asked    []string
	last     *time.Timer
	// applied is the number of the last apply.
	applied uint64
	// paused is the pause of all pods' probes, nil for none.
	paused *corev1.PodCondition
}

var (
	_ api.SwitchBackend   = (*stub)(nil)
	_ api.SnapshotBackend = (*stub)(nil)
	_ api.OperatorUser    = (*stub)(nil)
	_ api.Scaler          = (*stub)(nil)
	_ api.WorkloadTeller  = (*stub)(nil)
	_ api.ProbeTeller     = (*stub)(nil)
	_ api.ProbePauser     = (*stub)(nil)
	_ api.LoopBackend     = (*stub)(nil)
	_ api.TimesBackend    = (*stub)(nil)
)

// startStub is the command supervisor.
func startStub(ts *testscript.TestScript, neg bool, args []string) {
	mode := "ready"
	if len(args) > 0 {
		mode = args[0]
	}
	if neg || len(args) > 1 || !slices.Contains([]string{"ready", "starting", "away", "stopping", "ended"}, mode) {
		ts.Fatalf("usage: supervisor [ready|starting|away|stopping|ended]")
	}
	work := ts.Getenv("WORK")
	stack, err := profiles.Load(context.Background(), profiles.Options{Files: []string{filepath.Join(work, "compose.yaml")}})
	ts.Check(err)
	reg := &instance.Registry{Root: filepath.Join(ts.Getenv("XDG_STATE_HOME"), "lyandev")}
	i, err := reg.Resolve(context.Background(), stack.Name, stack.Dir, "")
	ts.Check(err)
	ts.Check(i.Save())
	lock, err := i.Lock()
	ts.Check(err)
	l, err := api.ListenSocket(i.Socket())
	ts.Check(err)
	ctx, end := context.WithCancel(context.Background())
	s := &stub{halted: map[string]string{}, restarts: map[string]int32{}, stack: stack, instance: i, mode: mode, end: end, events: state.NewEvents(), store: state.NewStore(&state.Status{})}
	ts.Check(s.save())
	s.store.Publish(s.snapshot())
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s.events.Add(at, "Pod", "web-0", "Normal", "Started", "Started container web")
	s.events.Add(at, "Pod", "db-0", "Warning", "Unhealthy", "Readiness probe failed: no\n05:00:00  Normal  Killing  pod/db-0  forged\n")
	done := make(chan error, 1)
	go func() {
		err := api.Serve(ctx, l, s, slog.New(slog.DiscardHandler))
		lock.Release()
		done <- err
	}()
	ts.Value(stubKey{}).(*stubHolder).stub = s
	ts.Defer(func() {
		end()
		ts.Check(<-done)
	})
}

// checkAsked is the command asked.
func checkAsked(ts *testscript.TestScript, neg bool, args []string) {
	s := ts.Value(stubKey{}).(*stubHolder).stub
	if s == nil || len(args) != 1 {
		ts.Fatalf("usage, after supervisor: asked TEXT")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.asked, args[0]) == neg {
		ts.Fatalf("the supervisor was asked for %q", s.asked)
	}
}

func (s *stub) ask(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, fmt.Sprintf(format, args...))
}

// snapshot makes up what a supervisor would publish of the stack: one pod of each workload for each replica. Called with mu
// held, or before anybody has s.
func (s *stub) snapshot() *state.Status {
	snap := &state.Status{
		Time: time.Now(), Project: s.stack.Name, Dir: s.stack.Dir, Profile: s.stack.Profile, Version: "stub", PID: os.Getpid(),
		Applied: s.applied, Phase: state.Ready, Services: s.stack.Services, Bound: s.stack.HostPorts, Workloads: []state.Workload{},
	}
	switch s.mode {
	case "starting":
		snap.Phase, snap.Message = state.Starting, "web has pod web-0 not ready yet"
	case "stopping":
		snap.Phase, snap.Message = state.Stopping, "1 pods to go"
	case "away":
		snap.Phase, snap.Engine = state.Degraded, "the Docker engine does not answer: connection refused"
		snap.Message = snap.Engine
	}
	for _, w := range s.stack.Workloads {
		n := w.Replicas()
		ready := s.mode == "ready"
		x := state.Workload{Name: w.Name(), Kind: w.Kind(), Want: n, Have: n, Updated: n, Right: ready}
		if ready {
			x.Ready = n
		}
		snap.Workloads = append(snap.Workloads, x)
		if verb := s.halted[w.Name()]; verb == "rm" || verb == "stop" && !w.Plain() {
			continue
		}
		for k := range n {
			p := stubPod(w, int(k), ready)
			p.Status.ContainerStatuses[0].RestartCount += s.restarts[w.Name()]
			if s.halted[w.Name()] == "stop" {
				p.Status.Phase, p.Status.Reason = corev1.PodFailed, services.ReasonStopped
				p.Status.ContainerStatuses[0].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 137}}
			}
			if s.mode == "ended" {
				p.Status.Phase = corev1.PodFailed
				p.Status.ContainerStatuses[0].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 7, FinishedAt: metav1.Now()}}
			}
			if s.paused != nil {
				p.Status.Conditions = append(p.Status.Conditions, *s.paused)
			}
			snap.Pods = append(snap.Pods, p)
		}
	}
	return snap
}

// stubPod is a pod of a workload that has been running for an hour. One that is not ready crashes.
func stubPod(w *services.Workload, ordinal int, ready bool) *corev1.Pod {
	name := fmt.Sprintf("%s-%d", w.Name(), ordinal)
	began := metav1.NewTime(time.Now().Add(-time.Hour))
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name: name, UID: types.UID("uid-" + name), CreationTimestamp: began, Labels: map[string]string{services.WorkloadLabel: w.Name()},
		OwnerReferences: []metav1.OwnerReference{{Kind: w.Kind(), Name: w.Name(), Controller: new(true)}},
	}, Spec: *w.PodSpec()}
	p.Status.Phase, p.Status.PodIP, p.Status.StartTime = corev1.PodRunning, fmt.Sprintf("10.9.0.%d", 10+ordinal), &began
	status := corev1.ConditionFalse
	if ready {
		status = corev1.ConditionTrue
	}
	for _, t := range []corev1.PodConditionType{corev1.ContainersReady, corev1.PodReady} {
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: t, Status: status, LastTransitionTime: began})
	}
	for _, c := range p.Spec.Containers {
		cs := corev1.ContainerStatus{Name: c.Name, Image: c.Image, ContainerID: "docker://" + name, Ready: ready}
		if ready {
			cs.State.Running = &corev1.ContainerStateRunning{StartedAt: began}
		} else {
			cs.RestartCount = 4
			cs.State.Waiting = &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off 1m20s"}
			cs.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 7, Reason: "Error", StartedAt: began, FinishedAt: began}
		}
		p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, cs)
	}
	if w.Plain() {
		p.Labels[services.NumberLabel], p.Annotations = strconv.Itoa(ordinal+1), w.PodMeta().Annotations
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: services.HealthCheck, Reason: services.HealthHealthy})
	}
	return p
}

func (s *stub) Events() *state.Events { return s.events }

// Store is also how the stub notices that somebody watches: one that is stopping has stopped soon after nobody new came.
func (s *stub) Store() *state.Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mode == "stopping" {
		if s.last != nil {
			s.last.Stop()
		}
		s.last = time.AfterFunc(200*time.Millisecond, s.stopped)
	}
	return s.store
}

func (s *stub) Apply(_ context.Context, r api.ApplyRequest) (api.ApplyAnswer, error) {
	line := fmt.Sprintf("apply %s %s", r.Stack.Name, r.Stack.Profile)
	if len(r.Only) > 0 {
		line += " only " + strings.Join(r.Only, " ")
	}
	if r.Pull != "" {
		line += " pull " + r.Pull
	}
	if r.NoRecreate {
		line += " no-recreate"
	}
	if r.NewVolumes {
		line += " new-volumes"
	}
	if r.NoStart {
		line += " no-start"
	}
	if r.Grace != nil {
		line += fmt.Sprintf(" in %d s", *r.Grace)
	}
	s.ask("%s", line)
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Stack.Workload("refused") != nil {
		return api.ApplyAnswer{}, errors.New("cannot use image nowhere:1: it is not on this machine")
	}
	a := api.ApplyAnswer{Applied: s.applied + 1}
	for _, w := range r.Stack.Workloads {
		if s.halted[w.Name()] != "" {
			a.Again = append(a.Again, w.Name())
		}
	}
	for _, n := range r.Stack.Networks {
		if n.Driver == "stubborn" {
			a.Warnings = append(a.Warnings, "network "+n.Key+" stays as it is")
		}
	}
	clear(s.halted)
	s.stack = r.Stack
	if err := s.save(); err != nil {
		return a, err
	}
	s.applied++
	s.store.Publish(s.snapshot())
	return a, nil
}

// save saves the stack as the supervisor does.
func (s *stub) save() error {
	prepared, err := prepare.Stack(s.stack, s.instance.Name, nil)
	if err != nil {
		return err
	}
	b, err := json.Marshal(prepared)
	if err != nil {
		return err
	}
	return instance.WriteFile(s.instance.File("stack.json"), b)
}

func (s *stub) Stop() {
	s.ask("stop")
	s.stopped()
}

func (s *stub) stopped() {
	_ = os.Remove(s.instance.File("stack.json")) // as the supervisor does when nothing is left
	s.store.Publish(&state.Status{Project: s.stack.Name, Phase: state.Stopped})
	s.end()
}

func (s *stub) known(name string) error {
	if s.stack.Workload(name) == nil {
		return fmt.Errorf("cannot find %s: there is no such workload", name)
	}
	return nil
}

func (s *stub) Control(_ context.Context, r api.ControlRequest) error {
	line := r.Verb + " " + strings.Join(r.Services, " ")
	if r.Stop {
		line += " stopping"
	}
	if r.Signal != "" {
		line += " with " + r.Signal
	}
	if r.Grace != nil {
		line += fmt.Sprintf(" in %d s", *r.Grace)
	}
	s.ask("%s", strings.TrimSpace(line))
	for _, name := range r.Services {
		if err := s.known(name); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.stack.Workloads {
		if len(r.Services) > 0 && !slices.Contains(r.Services, w.Name()) {
			continue
		}
		switch r.Verb {
		case "stop", "rm":
			if r.Verb == "stop" || r.Stop || s.halted[w.Name()] != "" {
				s.halted[w.Name()] = r.Verb
			}
		case "start":
			delete(s.halted, w.Name())
		case "restart":
			delete(s.halted, w.Name())
			s.restarts[w.Name()]++
		}
	}
	s.store.Publish(s.snapshot())
	return nil
}

func (s *stub) RestartWorkload(_ context.Context, name string) error {
	s.ask("restart %s", name)
	return s.known(name)
}

func (s *stub) Scale(_ context.Context, replicas map[string]int) error {
	for name, n := range replicas {
		s.ask("scale %s=%d", name, n)
		if err := s.known(name); err != nil {
			return err
		}
	}
	return nil
}

func (s *stub) Workload(_ context.Context, name string) (*services.Workload, error) {
	return s.stack.Workload(name), s.known(name)
}

func (s *stub) ProbeAnswers() map[string][]probe.Answer { return map[string][]probe.Answer{} }

func (s *stub) PauseProbes(_ context.Context, r api.ProbePauseRequest) ([]string, error) {
	s.ask("pause probes of %s, liveness %t, for %s", strings.Join(r.Names, " "), r.Liveness, r.For)
	reason := "all"
	if r.Liveness {
		reason = "liveness"
	}
	return s.pauseProbes(&corev1.PodCondition{
		Type: services.ProbesPaused, Status: corev1.ConditionTrue, Reason: reason, LastTransitionTime: metav1.Now(),
		Message: "by pause-probes; `lyandev resume-probes " + r.Names[0] + "` resumes them",
	}), nil
}

func (s *stub) ResumeProbes(_ context.Context, r api.ProbePauseRequest) ([]string, error) {
	s.ask("resume probes of %s", strings.Join(r.Names, " "))
	return s.pauseProbes(nil), nil
}

// pauseProbes sets the pause of all pods, and returns those that were or are paused.
func (s *stub) pauseProbes(c *corev1.PodCondition) (pods []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	concerned := c != nil || s.paused != nil
	s.paused = c
	snap := s.snapshot()
	for _, p := range snap.Pods {
		if concerned {
			pods = append(pods, p.Name)
		}
	}
	s.store.Publish(snap)
	return pods
}

// Times makes up an `up` of one pod that waited for another one.
func (s *stub) Times(name string) *timeline.Action {
	if name != "" && name != "up" {
		return nil
	}
	at := func(ms int) time.Time { return time.Date(2026, 1, 2, 3, 4, 5, ms*int(time.Millisecond), time.UTC) }
	span := func(kind timeline.Kind, name, object, of string, from, to int, detail string) timeline.Span {
		return timeline.Span{Kind: kind, Name: name, Object: object, Of: of, Start: at(from), End: at(to), Detail: detail}
	}
	a := &timeline.Action{Name: "up", Title: "profile small", Start: at(0), End: at(2000), Over: true, Spans: []timeline.Span{
		span(timeline.Client, "read the files", "", "", 0, 100, ""),
		span(timeline.Wait, "dependency", "web", "db", 100, 1000, "waits for db"),
		span(timeline.Engine, "StartContainer", "shop-db-0", "db-0", 300, 800, ""),
	}}
	for i, pod := range []string{"db-0", "web-0"} {
		from, workload := 100+900*i, strings.TrimSuffix(pod, "-0")
		a.Spans = append(
			a.Spans,
			span(timeline.Mark, timeline.PodWanted, pod, workload, from, from, ""),
			span(timeline.Pod, timeline.StepCreate, pod, "", from, from+200, "c"),
			span(timeline.Pod, timeline.StepStart, pod, "", from+200, from+700, "c"),
			span(timeline.Probe, "Readiness", pod, "c", from+750, from+800, ""),
			span(timeline.Mark, timeline.ContainersReady, pod, workload, from+900, from+900, ""),
			span(timeline.Mark, timeline.PodReady, pod, workload, from+900, from+900, ""),
		)
	}
	return a
}

func (s *stub) TakeTimes(a timeline.Action) { s.ask("times of %s, over: %v", a.Name, a.Over) }

func (s *stub) Loop() any { return []innerloop.Record{} }

func (s *stub) Endpoints() network.Registry {
	return network.Registry{Project: s.stack.Name, Services: []network.RegistryService{{
		Name: "web", DNS: "web.default.svc.cluster.local", Type: "ClusterIP", Address: "10.9.3.1",
		Ports: []network.RegistryPort{{Port: 80, Protocol: "TCP", Host: []string{"127.0.0.1:8080"}}},
		Ready: []network.RegistryEndpoint{{Pod: "web-0", Address: "10.9.0.10"}},
	}}}
}

func (s *stub) Operate(_ context.Context, r api.OperateRequest) (any, error) {
	s.ask("operate %s", strings.TrimSpace(strings.Join([]string{r.Operator, r.Action, r.Target}, " ")))
	if r.Action == "status" {
		return map[string]any{"message": "all is right", "master": "db-0"}, nil
	}
	return nil, fmt.Errorf("cannot %s: nothing in this stack has operator %s", r.Action, r.Operator)
}

func (s *stub) PlanSwitch(_ context.Context, r api.SwitchRequest) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return switchplan.New(s.stack, r.Stack, nil), nil
}

func (s *stub) Switch(_ context.Context, r api.SwitchRequest) error {
	s.ask("switch %s", r.Stack.Profile)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	t := &state.Switch{From: s.stack.Profile, To: r.Stack.Profile, Phase: state.SwitchDone, Started: now, Ended: now.Add(time.Second)}
	if r.Stack.Workload("broken") != nil {
		t.Phase, t.Error = state.SwitchRolledBack, "container broken exits with 1 again and again"
	} else {
		s.stack = r.Stack
	}
	snap := s.snapshot()
	snap.Switch = t
	s.store.Publish(snap)
	return nil
}

func (s *stub) SaveSnapshot(_ context.Context, name string, _ api.SnapshotRequest) (any, error) {
	s.ask("save %s", name)
	return map[string]any{"name": name, "bytes": 2048}, nil
}

func (s *stub) RestoreSnapshot(_ context.Context, name string, _ api.SnapshotRequest) (any, error) {
	s.ask("restore %s", name)
	return nil, fmt.Errorf("cannot restore: there is no snapshot %s", name)
}
