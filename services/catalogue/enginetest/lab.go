// Package enginetest runs pods on a real Docker engine, through the docker command line, and provides the operators' View of
// them. Only tests import it.
package enginetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
)

const label = "dev.lyandev.test=operators"

// Lab is a Docker network with pods. Everything is removed when the test ends.
type Lab struct {
	T testing.TB
	// Net is the network's name, and the prefix of containers and volumes.
	Net string

	mu     sync.Mutex
	pods   map[string]*Pod
	order  []string
	Events []string
}

// Pod is one pod: a network namespace with one address, shared by its containers.
type Pod struct {
	Name, IP   string
	Labels     map[string]string
	Containers []Container
	// Workload is the name of the pod's workload; its pods share the options.
	Workload string
	Options  map[string]string
}

// Container is one container of a pod.
type Container struct {
	Name, Image string
	Args        []string
	Env         map[string]string
	// Volume is a named volume's short name, mounted at Mount.
	Volume, Mount string
	Port          corev1.ContainerPort
}

// New creates the network after removing leftovers of an earlier run. Without an engine the test fails; with -short it is skipped.
func New(t testing.TB, name, subnet string) *Lab {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a Docker engine; make test runs it")
	}
	l := &Lab{T: t, Net: "lyandev-test-" + name, pods: map[string]*Pod{}}
	l.clean()
	l.Docker("network", "create", "--label", label, "--subnet", subnet, l.Net)
	t.Cleanup(func() {
		if t.Failed() {
			for _, n := range l.order {
				for _, c := range l.pods[n].Containers {
					out, _ := l.docker("logs", "--tail", "15", l.container(n, c.Name))
					t.Logf("---- %s/%s\n%s", n, c.Name, out)
				}
			}
			l.mu.Lock()
			t.Logf("---- events\n%s", strings.Join(l.Events, "\n"))
			l.mu.Unlock()
		}
		l.clean()
	})
	return l
}

func (l *Lab) clean() {
	mine := []string{"--filter", "label=" + label, "--filter", "name=" + l.Net}
	if out, _ := l.docker(append([]string{"ps", "-aq"}, mine...)...); out != "" {
		_, _ = l.docker(append([]string{"rm", "-fv"}, strings.Fields(out)...)...)
	}
	if out, _ := l.docker(append([]string{"volume", "ls", "-q"}, mine...)...); out != "" {
		_, _ = l.docker(append([]string{"volume", "rm"}, strings.Fields(out)...)...)
	}
	_, _ = l.docker("network", "rm", l.Net)
}

func (l *Lab) docker(args ...string) (string, error) {
	out, err := exec.Command("docker", args...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// Docker runs the docker command line and fails the test if it fails.
func (l *Lab) Docker(args ...string) string {
	l.T.Helper()
	out, err := l.docker(args...)
	if err != nil {
		l.T.Fatalf("docker %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return out
}

func (l *Lab) container(pod, container string) string { return l.Net + "-" + pod + "-" + container }

// Start creates and starts a pod. Existing volumes are reused.
func (l *Lab) Start(p Pod) {
	l.T.Helper()
	l.mu.Lock()
	if _, ok := l.pods[p.Name]; !ok {
		l.order = append(l.order, p.Name)
	}
	l.pods[p.Name] = &p
	l.mu.Unlock()
	network := []string{"--network", l.Net, "--ip", p.IP}
	if len(p.Containers) > 1 {
		pause := l.container(p.Name, "pause")
		args := append([]string{"run", "-d", "--name", pause, "--label", label}, network...)
		l.Docker(append(args, "debian:trixie-slim", "sleep", "infinity")...)
		network = []string{"--network", "container:" + pause}
	}
	for _, c := range p.Containers {
		args := append([]string{"run", "-d", "--name", l.container(p.Name, c.Name), "--label", label}, network...)
		for k, v := range c.Env {
			args = append(args, "-e", k+"="+v)
		}
		if c.Volume != "" {
			volume := l.Net + "-" + c.Volume
			l.Docker("volume", "create", "--label", label, volume)
			args = append(args, "-v", volume+":"+c.Mount)
		}
		args = append(args, c.Image)
		l.Docker(append(args, c.Args...)...)
	}
}

// Remove removes a pod's containers, and its volumes if asked.
func (l *Lab) Remove(pod string, volumes bool) {
	l.T.Helper()
	p := l.pods[pod]
	for _, c := range p.Containers {
		l.Docker("rm", "-fv", l.container(pod, c.Name))
		if volumes && c.Volume != "" {
			l.Docker("volume", "rm", l.Net+"-"+c.Volume)
		}
	}
	if len(p.Containers) > 1 {
		l.Docker("rm", "-f", l.container(pod, "pause"))
	}
	l.mu.Lock()
	delete(l.pods, pod)
	for i, n := range l.order {
		if n == pod {
			l.order = append(l.order[:i:i], l.order[i+1:]...)
		}
	}
	l.mu.Unlock()
}

// Kill sends SIGKILL to a container; Restart starts it again.
func (l *Lab) Kill(pod, container string) {
	l.T.Helper()
	l.Docker("kill", l.container(pod, container))
}

// Restart starts a container that was killed.
func (l *Lab) Restart(pod, container string) {
	l.T.Helper()
	l.Docker("start", l.container(pod, container))
}

// Pause freezes a container.
func (l *Lab) Pause(pod, container string) {
	l.T.Helper()
	l.Docker("pause", l.container(pod, container))
}

// Unpause resumes a paused container.
func (l *Lab) Unpause(pod, container string) {
	l.T.Helper()
	l.Docker("unpause", l.container(pod, container))
}

// View returns the view to pass to the operator.
func (l *Lab) View() services.View {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := services.View{
		Stack: &services.Stack{Name: l.Net}, Now: time.Now(), Exec: l.exec,
		Dial: (&net.Dialer{Timeout: time.Second}).DialContext,
		Env: func(pod, container string) (map[string]string, error) {
			l.mu.Lock()
			defer l.mu.Unlock()
			for _, c := range l.pods[pod].Containers {
				if c.Name == container {
					return c.Env, nil
				}
			}
			return nil, fmt.Errorf("no container %s", container)
		},
		Addr: func(pod string) (string, bool) {
			l.mu.Lock()
			defer l.mu.Unlock()
			p, ok := l.pods[pod]
			if !ok {
				return "", false
			}
			return p.IP, true
		},
		Event: func(pod, kind, reason, message string) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.Events = append(l.Events, fmt.Sprintf("%s %s %s: %s", pod, kind, reason, message))
		},
	}
	seen := map[string]bool{}
	for _, name := range l.order {
		p := l.pods[name]
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{
				Name: p.Name, Labels: p.Labels, OwnerReferences: []metav1.OwnerReference{{Name: p.Workload}},
			},
			Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIP: p.IP},
		}
		for _, c := range p.Containers {
			pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{
				Name: c.Name, Image: c.Image, Args: c.Args, Ports: []corev1.ContainerPort{c.Port},
			})
		}
		v.Pods = append(v.Pods, pod)
		if !seen[p.Workload] {
			seen[p.Workload] = true
			v.Workloads = append(v.Workloads, &services.Workload{
				Object: &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: p.Workload}}, Options: p.Options,
			})
		}
	}
	return v
}

// exec passes secrets in the environment of the docker process, not in its arguments.
func (l *Lab) exec(ctx context.Context, pod, container string, cmd, env []string) (int, []byte, error) {
	args := []string{"exec"}
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		args = append(args, "-e", name)
	}
	args = append(append(args, l.container(pod, container)), cmd...)
	c := exec.CommandContext(ctx, "docker", args...)
	c.Env = append(os.Environ(), env...)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode(), out.Bytes(), nil
	}
	return 0, out.Bytes(), err
}

// Until reconciles about every 100 ms until the condition holds. It fails the test after limit.
func (l *Lab) Until(o services.Operator, limit time.Duration, what string, ok func(services.Verdict) bool) services.Verdict {
	l.T.Helper()
	ctx, cancel := context.WithTimeout(l.T.Context(), limit)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	started := time.Now()
	for {
		one, done := context.WithTimeout(ctx, 8*time.Second)
		v, err := o.Reconcile(one, l.View())
		done()
		if err == nil && ok(v) {
			l.T.Logf("%s after %s: %s", what, time.Since(started).Round(10*time.Millisecond), v.Message)
			return v
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			l.T.Fatalf("not %s within %s: %+v (error %v)", what, limit, v, err)
		}
	}
}

// Right is the usual condition of Until.
func Right(v services.Verdict) bool { return v.Right }

// BuildPlain builds an image from Debian packages, for tests with servers that are not from lyandev's own images.
func BuildPlain(t testing.TB, tag string, packages ...string) string {
	t.Helper()
	c := exec.Command("docker", "build", "-q", "--label", label, "-t", tag, "-")
	c.Stdin = strings.NewReader("FROM debian:trixie-slim\nRUN apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q " +
		"--no-install-recommends " + strings.Join(packages, " ") + " && rm -rf /var/lib/apt/lists/*\n")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("cannot build %s: %v: %s", tag, err, out)
	}
	return tag
}
