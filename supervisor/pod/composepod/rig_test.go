package composepod

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
	"github.com/lyandev/lyandev/supervisor/pod"
)

// rig runs workers on a fake engine in virtual time, and passes the engine's events on as package workers does.
type rig struct {
	*enginefake.Engine
	t       *testing.T
	ctx     context.Context
	workers map[string]*Worker
	volumes Anonymous
	secret  *corev1.Secret
	running sync.WaitGroup

	mu     sync.Mutex
	status map[string]*corev1.Pod
	events []string
	gone   []string
	// begun are the containers that BeforeStart was called for.
	begun []string
}

func onRig(t *testing.T, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r := &rig{Engine: enginefake.New(), t: t, ctx: ctx, workers: map[string]*Worker{}, status: map[string]*corev1.Pod{}}
		r.AddImage("img:1", enginefake.Image{})
		if _, err := r.CreateNetwork(ctx, engine.NetworkSpec{Name: "p_default", Subnet: netip.MustParsePrefix("10.9.0.0/24")}); err != nil {
			t.Fatal(err)
		}
		events, _, err := r.Events(ctx, map[string]string{services.ProjectLabel: "p"})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for e := range events {
				if w := r.workers[e.Labels["pod"]]; w != nil {
					w.Notify(pod.ContainerEvent{Type: pod.EventType(e.Type), ID: e.ID, ExitCode: e.ExitCode})
				}
			}
		}()
		test(r)
		cancel()
		r.running.Wait()
	})
}

// start starts the worker of a pod. change may alter what Docker is asked for.
func (r *rig) start(name string, change func(*compose.Container)) *Worker {
	r.t.Helper()
	c := &compose.Container{
		Service: strings.TrimSuffix(name, "-1"),
		Host:    container.HostConfig{NetworkMode: compose.Project + "_default"},
		Networks: []compose.Attachment{{
			Network: compose.Project + "_default", Settings: network.EndpointSettings{Aliases: []string{name}},
		}},
	}
	if change != nil {
		change(c)
	}
	text, err := c.Encode()
	if err != nil {
		r.t.Fatal(err)
	}
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name: name, Namespace: "default", UID: types.UID(fmt.Sprintf("%s-%d", name, len(r.Calls()))),
		Labels:      map[string]string{services.NumberLabel: "1", services.WorkloadLabel: c.Service},
		Annotations: map[string]string{compose.Annotation: text},
	}}
	p.Spec.Containers = []corev1.Container{{Name: c.Service, Image: "img:1", ImagePullPolicy: corev1.PullIfNotPresent}}
	return r.run(p)
}

func (r *rig) run(p *corev1.Pod) *Worker {
	w := New(p, Deps{
		Engine: r.Engine, Project: "p", Images: images{r.Engine}, Objects: objects{r}, Sink: sink{r}, Volumes: &r.volumes,
		BeforeStart: func(_ context.Context, id string, _ *corev1.Pod, _ string) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.begun = append(r.begun, id)
			return nil
		},
		Labels: func(p *corev1.Pod) map[string]string {
			return map[string]string{
				services.ProjectLabel: "p", services.PodUIDLabel: string(p.UID), "pod": p.Name, services.KindLabel: "container",
				services.WorkloadLabel: p.Labels[services.WorkloadLabel], services.NumberLabel: "1",
			}
		},
	})
	r.workers[p.Name] = w
	r.running.Go(func() { _ = w.Run(r.ctx) })
	r.pass(0)
	return w
}

// pass lets time pass, and everything happen that is due.
func (r *rig) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// now is the latest status of a pod in short: phase, ready or not, restarts, and why it waits or ended.
func (r *rig) now(name string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.status[name]
	if p == nil {
		return "none"
	}
	out := string(p.Status.Phase)
	if c := pod.FindCondition(&p.Status, corev1.PodReady); c != nil && c.Status == corev1.ConditionTrue {
		out += " ready"
	}
	for _, c := range p.Status.ContainerStatuses {
		if c.RestartCount > 0 {
			out += fmt.Sprintf(" restarts=%d", c.RestartCount)
		}
		if c.State.Waiting != nil {
			out += " " + c.State.Waiting.Reason
		}
		if c.State.Terminated != nil {
			out += fmt.Sprintf(" exit=%d", c.State.Terminated.ExitCode)
		}
	}
	if p.Status.Reason != "" {
		out += " " + p.Status.Reason
	}
	return out
}

func (r *rig) want(name, status string) {
	r.t.Helper()
	if got := r.now(name); got != status {
		r.t.Errorf("pod %s is %q, want %q; events %v", name, got, status, r.events)
	}
}

// container is the container of a name; there must be one.
func (r *rig) container(name string) engine.Container {
	r.t.Helper()
	c, err := r.InspectContainer(r.ctx, name)
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

type sink struct{ r *rig }

func (s sink) StatusChanged(p *corev1.Pod) {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	s.r.status[p.Name] = p
}

func (s sink) Event(_ *corev1.Pod, _, typ, reason, message string) {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	s.r.events = append(s.r.events, typ+" "+reason+": "+message)
}

func (s sink) Gone(p *corev1.Pod) {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	s.r.gone = append(s.r.gone, p.Name)
}

type images struct{ *enginefake.Engine }

func (i images) FindImage(ctx context.Context, ref string) (pod.Image, bool, error) {
	img, err := i.InspectImage(ctx, ref)
	if engine.IsNotFound(err) {
		return pod.Image{}, false, nil
	}
	return pod.Image{ID: img.ID}, err == nil, err
}

func (i images) PullImage(ctx context.Context, ref string) error {
	return i.Engine.PullImage(ctx, ref, engine.PullOptions{})
}
func (i images) MissingImage(string) string { return "" }

type objects struct{ r *rig }

func (objects) ConfigMap(string) (*corev1.ConfigMap, bool) { return nil, false }
func (o objects) Secret(string) (*corev1.Secret, bool)     { return o.r.secret, o.r.secret != nil }
func (objects) Services() []*corev1.Service                { return nil }

// healthOf is what the pod's condition says about the engine's health check, and the message.
func healthOf(p *corev1.Pod) (health, output string) {
	if c := pod.FindCondition(&p.Status, services.HealthCheck); c != nil {
		return c.Reason, c.Message
	}
	return "", ""
}
