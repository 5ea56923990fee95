package throwaway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/state"
)

// testLabel is on the pods that run test commands; its value is the workload that they are based on.
const testLabel = "dev.lyandev.test"

// tests are the started pods of test commands.
type tests struct {
	mu   sync.Mutex
	pods []*services.Workload
}

// RunInStack runs a command in a new pod in the stack's network, with the image, environment and volumes of a workload. No Service
// selects the pod. It streams the output, blocks until the command ends, and returns its exit code. It returns an error if the
// pod could not start or ctx ended first.
func (c *Copy) RunInStack(ctx context.Context, workload string, cmd services.TestCommand, stdout, stderr io.Writer) (int, error) {
	w := c.stack.Find(workload)
	if w == nil {
		return 0, fmt.Errorf("cannot run %s: there is no workload %s in profile %q", cmd.Command[0], workload, c.stack.Profile)
	}
	pod, err := c.addTestPod(ctx, w, cmd)
	if err != nil {
		return 0, fmt.Errorf("cannot run %s in a pod of %s: %w", cmd.Command[0], workload, err)
	}
	var id string
	err = c.await(ctx, func(s *state.Status) (bool, error) {
		id, err = startedContainer(s.Pod(pod))
		return id != "", err
	})
	if err != nil {
		return 0, fmt.Errorf("cannot run %s in a pod of %s: %w", cmd.Command[0], workload, err)
	}
	if err := c.stream(ctx, id, stdout, stderr); err != nil {
		return 0, fmt.Errorf("cannot follow %s in pod %s: %w", cmd.Command[0], pod, err)
	}
	code := 0
	err = c.await(ctx, func(s *state.Status) (bool, error) {
		ended := false
		code, ended = exitOf(s.Pod(pod))
		return ended, nil
	})
	return code, err
}

// addTestPod applies the stack with one more pod.
func (c *Copy) addTestPod(ctx context.Context, w *services.Workload, cmd services.TestCommand) (string, error) {
	c.tests.mu.Lock()
	defer c.tests.mu.Unlock()
	name := fmt.Sprintf("%s-test-%d", w.Name(), len(c.tests.pods))
	pod := testPod(w, name, cmd)
	if err := changePlain(pod, func(c *compose.Container) { runOnce(c, name, cmd) }); err != nil {
		return "", err
	}
	c.tests.pods = append(c.tests.pods, pod)
	stack := c.stack.DeepCopy()
	stack.Workloads = append(stack.Workloads, c.tests.pods...)
	_, err := c.sup.Apply(ctx, stack, supervisor.ApplyOptions{NoBuild: true, PortsAuto: true})
	return name, err
}

// testPod returns a pod that runs a command once, based on the workload's first container. It is pure.
func testPod(w *services.Workload, name string, cmd services.TestCommand) *services.Workload {
	spec := w.PodSpec().DeepCopy()
	main := spec.Containers[0]
	main.Command, main.Args = cmd.Command, nil
	main.LivenessProbe, main.ReadinessProbe, main.StartupProbe, main.Lifecycle = nil, nil, nil, nil
	main.Ports, main.Stdin, main.TTY = nil, false, false
	main.Env = withEnv(main.Env, cmd.Env)
	volumes := map[string]bool{}
	for _, v := range spec.Volumes {
		volumes[v.Name] = true
	}
	main.VolumeMounts = slices.DeleteFunc(main.VolumeMounts, func(m corev1.VolumeMount) bool { return !volumes[m.Name] })
	spec.InitContainers, spec.Containers, spec.ReadinessGates = nil, []corev1.Container{main}, nil
	spec.RestartPolicy, spec.TerminationGracePeriodSeconds = corev1.RestartPolicyNever, new(int64(1))
	spec.HostNetwork = false
	var annotations map[string]string
	if text, plain := w.PodMeta().Annotations[compose.Annotation]; plain {
		annotations = map[string]string{compose.Annotation: text}
	}
	return &services.Workload{
		Object: &corev1.Pod{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{testLabel: w.Name()}, Annotations: annotations},
			Spec:       *spec,
		},
		Source: w.Source,
	}
}

// withEnv sets variables, in name order, and drops others of the same names.
func withEnv(env []corev1.EnvVar, set map[string]string) []corev1.EnvVar {
	env = slices.DeleteFunc(env, func(e corev1.EnvVar) bool { _, ok := set[e.Name]; return ok })
	for _, name := range slices.Sorted(maps.Keys(set)) {
		env = append(env, corev1.EnvVar{Name: name, Value: set[name]})
	}
	return env
}

// startedContainer returns the engine's ID of the pod's container once it has started, or an error if it cannot start.
func startedContainer(p *corev1.Pod) (string, error) {
	if p == nil || len(p.Status.ContainerStatuses) == 0 {
		return "", nil
	}
	c := p.Status.ContainerStatuses[0]
	if c.State.Running == nil && c.State.Terminated == nil {
		if w := c.State.Waiting; w != nil && (strings.HasSuffix(w.Reason, "Error") || strings.HasSuffix(w.Reason, "BackOff")) {
			return "", fmt.Errorf("%s: %s", w.Reason, w.Message)
		}
		return "", nil
	}
	return engineID(c.ContainerID), nil
}

// engineID removes the scheme of a container ID, if any ("docker://...").
func engineID(id string) string {
	if _, rest, ok := strings.Cut(id, "://"); ok {
		return rest
	}
	return id
}

func exitOf(p *corev1.Pod) (code int, ended bool) {
	if p == nil || len(p.Status.ContainerStatuses) == 0 {
		return 0, false
	}
	t := p.Status.ContainerStatuses[0].State.Terminated
	if t == nil {
		return 0, false
	}
	return int(t.ExitCode), true
}

// stream copies what a container prints until it ends.
func (c *Copy) stream(ctx context.Context, id string, stdout, stderr io.Writer) error {
	r, err := c.eng.Logs(ctx, id, engine.LogOptions{Follow: true, Tail: -1, StderrTo: stderr})
	if err != nil {
		return err
	}
	defer r.Close()
	stop := context.AfterFunc(ctx, func() { _ = r.Close() })
	defer stop()
	_, err = io.Copy(stdout, r)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// RunOnHost runs a command on this host, in the stack's directory. Its environment is that of this process, overridden by HostEnv
// of a workload. It blocks until the command ends, and returns its exit code, or an error if there is none.
func (c *Copy) RunOnHost(ctx context.Context, workload string, cmd services.TestCommand, stdout, stderr io.Writer) (int, error) {
	env, err := c.HostEnv(ctx, workload, cmd.Env)
	if err != nil {
		return 0, err
	}
	x := exec.CommandContext(ctx, cmd.Command[0], cmd.Command[1:]...)
	x.Dir, x.Stdout, x.Stderr, x.WaitDelay = c.stack.Dir, stdout, stderr, 5*time.Second
	x.Env = append(os.Environ(), env...)
	err = x.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return 0, fmt.Errorf("cannot run %s to its end: %w", cmd.Command[0], context.Cause(ctx))
	case errors.As(err, &exit) && exit.Exited():
		return exit.ExitCode(), nil
	case err != nil:
		return 0, fmt.Errorf("cannot run %s: %w", cmd.Command[0], err)
	}
	return 0, nil
}
