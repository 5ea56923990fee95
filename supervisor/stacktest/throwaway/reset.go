package throwaway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/state"
)

// memory is the content of the databases recorded by Remember.
type memory struct {
	mu      sync.Mutex
	known   bool
	mariadb mariadbMemory
	redis   redisMemory
}

// Remember records the content of the databases for Reset: tables of MariaDB, keys of Redis. The content is kept in memory, so it
// is for small amounts of test data.
func (c *Copy) Remember(ctx context.Context) error {
	c.memory.mu.Lock()
	defer c.memory.mu.Unlock()
	err := c.eachOperator(ctx, map[string]func(context.Context, services.View) error{
		"mariadb": func(ctx context.Context, v services.View) (err error) {
			c.memory.mariadb, err = c.rememberMariaDB(ctx, v)
			return err
		},
		"redis": func(ctx context.Context, v services.View) (err error) {
			c.memory.redis, err = rememberRedis(ctx, v)
			return err
		},
	})
	c.memory.known = err == nil
	return err
}

// Reset restores the content that Remember recorded, without restarting containers, and blocks until that is done: changed
// MariaDB tables are reloaded (on the master; slaves follow by replication), Redis is emptied and refilled, Memcached is
// emptied. Views, routines and users are not restored.
func (c *Copy) Reset(ctx context.Context) error {
	c.memory.mu.Lock()
	defer c.memory.mu.Unlock()
	if !c.memory.known {
		return errors.New("cannot reset the databases: their content was not recorded")
	}
	return c.eachOperator(ctx, map[string]func(context.Context, services.View) error{
		"mariadb": func(ctx context.Context, v services.View) error { return c.resetMariaDB(ctx, v, c.memory.mariadb) },
		"redis":   func(ctx context.Context, v services.View) error { return resetRedis(ctx, v, c.memory.redis) },
		"memcached": func(ctx context.Context, v services.View) error {
			return flushMemcached(ctx, v)
		},
	})
}

// eachOperator calls a function for each operator of the stack, concurrently.
func (c *Copy) eachOperator(ctx context.Context, do map[string]func(context.Context, services.View) error) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	for name, f := range do {
		if !c.has(name) {
			continue
		}
		wg.Go(func() {
			err := c.sup.WithOperator(ctx, name, func(ctx context.Context, _ services.Operator, v services.View) error { return f(ctx, v) })
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (c *Copy) has(operator string) bool {
	for _, w := range c.stack.Workloads {
		if w.Operator == operator {
			return true
		}
	}
	return false
}

// withRole returns the pod of a view that has the role.
func withRole(v services.View, role string) (*corev1.Pod, error) {
	for _, p := range v.Pods {
		if p.Labels[services.RoleLabel] == role && p.DeletionTimestamp == nil {
			return p, nil
		}
	}
	return nil, fmt.Errorf("no pod has the role %s now", role)
}

// Exec runs a command in a running container of a pod, "" for the pod's first, and blocks until it ends. The result has the exit
// code and, if spec has no writers, the first 64 KiB of the output.
func (c *Copy) Exec(ctx context.Context, pod, container string, spec engine.ExecSpec) (engine.ExecResult, error) {
	id, err := c.ContainerID(pod, container)
	if err != nil {
		return engine.ExecResult{}, err
	}
	return c.eng.Exec(ctx, id, spec)
}

// ContainerID returns the engine's ID of a container of a pod, "" for the pod's first.
func (c *Copy) ContainerID(pod, container string) (string, error) {
	p := c.State().Pod(pod)
	if p == nil {
		return "", fmt.Errorf("cannot find pod %s: there is none", pod)
	}
	for _, s := range p.Status.ContainerStatuses {
		if (container == "" || s.Name == container) && s.ContainerID != "" {
			return engineID(s.ContainerID), nil
		}
	}
	return "", fmt.Errorf("cannot find container %q of pod %s: it has not been started", container, pod)
}

// shell runs a script in a pod's first container and returns its output. A non-zero exit code is an error with the output.
func (c *Copy) shell(ctx context.Context, pod, script string, stdin io.Reader) ([]byte, error) {
	var out, errOut boundedBuffer
	out.left, errOut.left = maxDump, 8<<10
	r, err := c.Exec(ctx, pod, "", engine.ExecSpec{
		Cmd: []string{"sh", "-c", script}, Stdin: stdin, Stdout: &out, Stderr: &errOut,
	})
	switch {
	case err != nil:
		return nil, err
	case r.ExitCode != 0:
		return nil, fmt.Errorf("exit code %d in pod %s: %s", r.ExitCode, pod, errOut.Bytes())
	case out.left <= 0:
		return nil, fmt.Errorf("pod %s has more than %d MiB of content to record", pod, maxDump>>20)
	}
	return out.Bytes(), nil
}

// PodWithRole returns the pod that has a role in an operator's verdict ("master", "slave", "replica", "sentinel").
func (c *Copy) PodWithRole(operator, role string) (*corev1.Pod, error) {
	return podWithRole(c.State(), c.stack, operator, role)
}

func podWithRole(s *state.Status, stack *services.Stack, operator, role string) (*corev1.Pod, error) {
	for _, w := range stack.Workloads {
		if w.Operator != operator {
			continue
		}
		for _, p := range s.PodsOf(w.Name()) {
			if p.DeletionTimestamp == nil && (role == "" || p.Labels[services.RoleLabel] == role) {
				return p, nil
			}
		}
	}
	return nil, fmt.Errorf("cannot find the %s %s: no pod has that role now", operator, role)
}
