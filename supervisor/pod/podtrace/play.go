package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/supervisor/backoff"
	"github.com/lyandev/lyandev/supervisor/pod"
	"github.com/lyandev/lyandev/supervisor/probe"
	"github.com/lyandev/lyandev/supervisor/probe/replay"
)

// play runs the scenario to its end. It must be called in a bubble.
func play(ctx context.Context, s *scenario) *recorder { return playOn(ctx, s, true) }

// playOn also plays on an engine whose changes are seen at once, as with Docker's events.
func playOn(ctx context.Context, s *scenario, relist bool) *recorder {
	ctx, cancel := context.WithTimeout(ctx, secs(s.Duration))
	defer cancel()
	log := newRecorder()
	e := newEngine(s, log, relist)
	objects := &objects{}
	for _, o := range s.Objects {
		must(objects.add(o))
	}
	log.add(event{Event: "podAdded"})
	w := pod.New(&s.Pod, pod.Deps{
		Runtime: e, Objects: objects, Sink: log, Probes: probe.Deps{Exec: e}, Timing: probe.Strict,
		BackOff: restartBackOff(s), Node: pod.Node{Name: "node", IP: "10.0.0.254", MilliCPU: 4000, MemoryBytes: 8 << 30},
	})
	e.notify = w.Notify
	var wg sync.WaitGroup
	wg.Go(func() { e.run(ctx) })
	wg.Go(func() { _ = w.Run(ctx) })
	for _, a := range s.Actions {
		wg.Go(func() {
			if pause(ctx, secs(a.At)) == nil {
				log.add(event{Event: "action", Text: a.Do})
				act(w, e, objects, s, a)
			}
		})
	}
	<-ctx.Done()
	wg.Wait()
	return log
}

// restartBackOff is the configuration that the scenario's kubelet would have; its file says 300 s where it says nothing.
func restartBackOff(s *scenario) backoff.Config {
	longest := time.Duration(s.MaxContainerRestartPeriod)
	if longest == 0 {
		longest = backoff.DefaultMax
	}
	if on, said := s.FeatureGates["KubeletCrashLoopBackOffMax"]; said && !on {
		longest = 0
	}
	return backoff.Kubelet(s.FeatureGates["ReduceDefaultCrashLoopBackOffDecay"], longest)
}

// act passes one action on.
func act(w *pod.Worker, e *engine, objects *objects, s *scenario, a action) {
	switch a.Do {
	case deletePod:
		w.Delete(a.Grace)
	case removePod:
		w.ForceDelete()
	case setCondition:
		w.SetCondition(corev1.PodCondition{Type: corev1.PodConditionType(a.Type + a.Name), Status: corev1.ConditionStatus(a.Status + a.Value)})
	case setImage:
		p := s.Pod.DeepCopy()
		for _, list := range [][]corev1.Container{p.Spec.Containers, p.Spec.InitContainers} {
			for i := range list {
				if list[i].Name == a.Name {
					list[i].Image = a.Image + a.Value
				}
			}
		}
		w.Update(p)
	case createObject:
		must(objects.add(a.Object))
	case killContainer:
		e.kill(orElse(a.Code, 137), func(c *container) bool { return c.Container == a.Name })
	case stopSandbox:
		e.killSandbox()
	}
}

// kill ends the running instances that are meant, in the order in which they were made.
func (e *engine) kill(code int32, meant func(*container) bool) {
	e.mu.Lock()
	var all []*container
	for _, id := range e.order {
		if c := e.containers[id]; c != nil && meant(c) {
			all = append(all, c)
		}
	}
	e.mu.Unlock()
	for _, c := range all {
		e.exit(c, code, "")
	}
}

// killSandbox lets the sandbox die, and the containers in it.
func (e *engine) killSandbox() {
	e.kill(137, func(*container) bool { return true })
	_ = e.StopSandbox(context.Background(), nil)
	e.mu.Lock()
	id := e.sandbox.ID // the worker makes the next one as soon as it notices
	e.mu.Unlock()
	if !e.relist {
		e.notify(pod.ContainerEvent{Type: pod.ContainerDied, ID: id})
	}
}

// objects are the scenario's ConfigMaps, Secrets and Services.
type objects struct {
	mu       sync.Mutex
	configs  []*corev1.ConfigMap
	secrets  []*corev1.Secret
	services []*corev1.Service
}

// add takes an object in. One that no pod can refer to, or with an unknown field, is an error.
func (o *objects) add(raw json.RawMessage) error {
	var meta metav1.TypeMeta
	if err := json.Unmarshal(raw, &meta); err != nil {
		return fmt.Errorf("cannot read an object: %w", err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	var err error
	switch meta.Kind {
	case "ConfigMap":
		o.configs, err = read(o.configs, raw)
	case "Secret":
		o.secrets, err = read(o.secrets, raw)
	case "Service":
		o.services, err = read(o.services, raw)
	default:
		err = errors.New("pods do not refer to it")
	}
	if err != nil {
		return fmt.Errorf("cannot read an object of kind %q: %w", meta.Kind, err)
	}
	return nil
}

func read[T any](list []*T, raw json.RawMessage) ([]*T, error) {
	o := new(T)
	err := replay.Decode(raw, o)
	return append(list, o), err
}

// must is for what parse has checked.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

func (o *objects) ConfigMap(name string) (*corev1.ConfigMap, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range o.configs {
		if c.Name == name {
			return c, true
		}
	}
	return nil, false
}

func (o *objects) Secret(name string) (*corev1.Secret, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, s := range o.secrets {
		if s.Name == name {
			return s, true
		}
	}
	return nil, false
}

func (o *objects) Services() []*corev1.Service {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.services
}
