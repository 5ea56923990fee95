// Package podexec reaches into the containers of pods: it runs commands in them and reads their environment.
package podexec

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/engine"
)

const (
	// environmentsKept bounds the cache of environments; when it is full, it is emptied.
	environmentsKept = 256
	// inspectLimit bounds the wait for the engine when an environment is not cached.
	inspectLimit = 2 * time.Second
)

// Engine is the part of the engine that is used.
type Engine interface {
	Exec(ctx context.Context, id string, spec engine.ExecSpec) (engine.ExecResult, error)
	InspectContainer(ctx context.Context, id string) (engine.Container, error)
}

// Pods reaches into pods. It may be used concurrently.
type Pods struct {
	engine Engine
	find   func(name string) *corev1.Pod

	mu sync.Mutex
	// environments is by engine ID. A container's environment never changes, so operators go on working while the engine does
	// not answer.
	environments map[string]map[string]string
}

// New returns a Pods on an engine. find returns a pod with its status, nil if there is none.
func New(e Engine, find func(name string) *corev1.Pod) *Pods {
	return &Pods{engine: e, find: find, environments: map[string]map[string]string{}}
}

// Exec runs a command in a running container of a pod, with extra environment, and blocks until it has ended. Container "" is
// the first that runs. A command that fails is no error: exit says so.
func (p *Pods) Exec(ctx context.Context, pod, container string, cmd, env []string) (exit int, output []byte, err error) {
	id, err := p.container(pod, container)
	if err != nil {
		return 0, nil, err
	}
	r, err := p.engine.Exec(ctx, id, engine.ExecSpec{Cmd: cmd, Env: env})
	return r.ExitCode, r.Output, err
}

// Env is the environment that a running container of a pod was made with; container "" is the first that runs. It blocks for at
// most 2 s, the first time only.
func (p *Pods) Env(pod, container string) (map[string]string, error) {
	id, err := p.container(pod, container)
	if err != nil {
		return nil, err
	}
	if env, ok := p.cached(id); ok {
		return env, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), inspectLimit)
	defer cancel()
	c, err := p.engine.InspectContainer(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("cannot read the environment of container %s of pod %s: %w", container, pod, err)
	}
	env := map[string]string{}
	for _, e := range c.Env {
		k, v, _ := strings.Cut(e, "=")
		env[k] = v
	}
	p.cache(id, env)
	return env, nil
}

func (p *Pods) cached(id string) (map[string]string, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	env, ok := p.environments[id]
	return maps.Clone(env), ok
}

func (p *Pods) cache(id string, env map[string]string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.environments) >= environmentsKept {
		clear(p.environments)
	}
	p.environments[id] = maps.Clone(env)
}

// container is the engine's ID of a running container of a pod.
func (p *Pods) container(pod, container string) (string, error) {
	found := p.find(pod)
	if found == nil {
		return "", fmt.Errorf("cannot reach pod %s: there is none", pod)
	}
	for _, c := range found.Status.ContainerStatuses {
		if (container == "" || c.Name == container) && c.State.Running != nil {
			return engineID(c.ContainerID), nil
		}
	}
	return "", fmt.Errorf("cannot reach container %s of pod %s: it is not running", container, pod)
}

// engineID drops the scheme of a container ID ("docker://...").
func engineID(id string) string {
	if _, rest, ok := strings.Cut(id, "://"); ok {
		return rest
	}
	return id
}
