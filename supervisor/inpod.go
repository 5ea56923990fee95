package supervisor

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/lyandev/lyandev/supervisor/engine"
)

// execInPod runs a command in a running container of a pod.
func (s *Supervisor) execInPod(ctx context.Context, pod, container string, cmd, env []string) (int, []byte, error) {
	id, err := s.containerOf(pod, container)
	if err != nil {
		return 0, nil, err
	}
	r, err := s.cfg.Engine.Exec(ctx, id, engine.ExecSpec{Cmd: cmd, Env: env})
	return r.ExitCode, r.Output, err
}

// environments are those of containers, by the engine's ID. They never change, so operators go on working while the engine
// does not answer: what they look after runs on.
type environments struct {
	mu sync.Mutex
	of map[string]map[string]string
}

// environmentsKept bounds how many are kept; who is forgotten is asked for again.
const environmentsKept = 256

func (e *environments) get(id string) map[string]string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.of[id]
}

func (e *environments) keep(id string, env map[string]string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.of) >= environmentsKept || e.of == nil {
		e.of = map[string]map[string]string{}
	}
	e.of[id] = env
}

// envOf is the environment that a container was made with.
func (s *Supervisor) envOf(pod, container string) (map[string]string, error) {
	id, err := s.containerOf(pod, container)
	if err != nil {
		return nil, err
	}
	if env := s.envs.get(id); env != nil {
		return maps.Clone(env), nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	c, err := s.cfg.Engine.InspectContainer(ctx, id)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, e := range c.Env {
		k, v, _ := strings.Cut(e, "=")
		out[k] = v
	}
	s.envs.keep(id, maps.Clone(out))
	return out, nil
}

// containerOf is the engine's ID of a running container of a pod; container "" is the first.
func (s *Supervisor) containerOf(pod, container string) (string, error) {
	p := s.store.Latest().Pod(pod)
	if p == nil {
		return "", fmt.Errorf("cannot reach pod %s: there is none", pod)
	}
	for _, c := range p.Status.ContainerStatuses {
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
