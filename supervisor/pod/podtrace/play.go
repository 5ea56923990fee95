package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/supervisor/backoff"
	"github.com/lyandev/lyandev/supervisor/pod"
	"github.com/lyandev/lyandev/supervisor/probe"
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
		objects.add(o)
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
	case "delete":
		w.Delete(a.Grace)
	case "removePod":
		w.ForceDelete()
	case "setCondition":
		w.SetCondition(corev1.PodCondition{Type: corev1.PodConditionType(a.Type + a.Name), Status: corev1.ConditionStatus(a.Status)})
	case "setImage":
		p := s.Pod.DeepCopy()
		for _, list := range [][]corev1.Container{p.Spec.Containers, p.Spec.InitContainers} {
			for i := range list {
				if list[i].Name == a.Name {
					list[i].Image = a.Image
				}
			}
		}
		w.Update(p)
	case "createObject":
		objects.add(a.Object)
	case "killContainer":
		e.killContainer(a.Name, orElse(a.Code, 137))
	case "stopSandbox":
		e.killSandbox()
	default:
		panic(fmt.Sprintf("unknown action %q", a.Do))
	}
}

// killContainer ends the running instance of a container.
func (e *engine) killContainer(name string, code int32) {
	e.mu.Lock()
	all := slices.Collect(maps.Values(e.containers))
	e.mu.Unlock()
	for _, c := range all {
		if c.Container == name {
			e.exit(c, code, "")
		}
	}
}

// killSandbox lets the sandbox die.
func (e *engine) killSandbox() {
	_ = e.StopSandbox(context.Background(), nil)
	if !e.relist {
		e.notify(pod.ContainerEvent{Type: pod.ContainerDied, ID: e.sandbox.ID})
	}
}

// objects are the scenario's ConfigMaps, Secrets and Services.
type objects struct {
	mu       sync.Mutex
	configs  []*corev1.ConfigMap
	secrets  []*corev1.Secret
	services []*corev1.Service
}

func (o *objects) add(raw json.RawMessage) {
	var meta metav1.TypeMeta
	must(json.Unmarshal(raw, &meta))
	o.mu.Lock()
	defer o.mu.Unlock()
	switch meta.Kind {
	case "ConfigMap":
		o.configs = append(o.configs, decode[corev1.ConfigMap](raw))
	case "Secret":
		o.secrets = append(o.secrets, decode[corev1.Secret](raw))
	case "Service":
		o.services = append(o.services, decode[corev1.Service](raw))
	}
}

func decode[T any](raw json.RawMessage) *T {
	out := new(T)
	must(json.Unmarshal(raw, out))
	return out
}

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
