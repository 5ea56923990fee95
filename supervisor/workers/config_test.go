package workers

import (
	"context"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
	"github.com/lyandev/lyandev/supervisor/pod"
	"github.com/lyandev/lyandev/supervisor/pod/dockerpod"
	"github.com/lyandev/lyandev/supervisor/probe"
)

// dialled notes the addresses that are dialled; all of them answer.
type dialled struct{ to []string }

func (d *dialled) DialContext(_ context.Context, _, addr string) (net.Conn, error) {
	d.to = append(d.to, addr)
	a, b := net.Pipe()
	_ = b.Close()
	return a, nil
}

// TestConfigReachesThePods: the machine, the profile, and every function of Config.
func TestConfigReachesThePods(t *testing.T) {
	messages := t.TempDir()
	onRig(t, func(r *rig) {
		var laid []string
		d := &dialled{}
		r.change = func(c *Config) {
			c.MessageDir, c.Dialer = messages, d
			c.Wrap = func(_ context.Context, _ *corev1.Pod, _ *corev1.Container, spec *engine.ContainerSpec) error {
				spec.Env = append(spec.Env, "WRAPPED=1")
				return nil
			}
			c.BeforeStart = func(_ context.Context, _ string, p *corev1.Pod, container string) error {
				laid = append(laid, p.Name+" "+container)
				return nil
			}
		}
		r.restart()
		r.SetStack(&services.Stack{Profile: "small"})
		r.start(newPod("a", "a-1", func(p *corev1.Pod) {
			p.Annotations = map[string]string{pod.SandboxAnnotation: "true"}
			c := &p.Spec.Containers[0]
			c.ReadinessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(80)}}}
			for _, name := range []string{"limits.cpu", "limits.memory"} {
				c.Env = append(c.Env, corev1.EnvVar{Name: strings.ToUpper(name[7:]), ValueFrom: &corev1.EnvVarSource{
					ResourceFieldRef: &corev1.ResourceFieldSelector{Resource: name},
				}})
			}
			c.Env = append(c.Env, corev1.EnvVar{Name: "NODE", ValueFrom: &corev1.EnvVarSource{
				FieldRef: &corev1.ObjectFieldSelector{FieldPath: "spec.nodeName"},
			}})
		}))
		r.ready("a-1", true)
		list, err := r.ListContainers(r.t.Context(), map[string]string{services.ContainerLabel: "c"})
		if err != nil || len(list) != 1 {
			t.Fatalf("%v, %v", list, err)
		}
		spec, _ := r.Spec(list[0].ID)
		for _, want := range []string{"WRAPPED=1", "CPU=2", "MEMORY=1073741824", "NODE=node"} {
			if !slices.Contains(spec.Env, want) {
				t.Errorf("no %s in the environment %v", want, spec.Env)
			}
		}
		if spec.Labels[dockerpod.ProfileLabel] != "small" {
			t.Errorf("labels %v", spec.Labels)
		}
		if !slices.ContainsFunc(spec.Mounts, func(m engine.Mount) bool { return filepath.Dir(m.Bind) == messages }) {
			t.Errorf("mounts %+v", spec.Mounts)
		}
		if !slices.Equal(laid, []string{"a c"}) || len(d.to) == 0 || d.to[0] != "10.9.0.10:80" {
			t.Errorf("files were laid for %v, dialled %v", laid, d.to)
		}
	})
}

// TestExecProbesAreFew: at most maxExecProbes run at once, of all pods together.
func TestExecProbesAreFew(t *testing.T) {
	onRig(t, func(r *rig) {
		now, most := 0, 0
		r.On("s-*", enginefake.Script{Exec: func(ctx context.Context, _ *enginefake.Execution) (int, error) {
			r.do(func() { now++; most = max(most, now) })
			defer r.do(func() { now-- })
			select {
			case <-time.After(30 * time.Second):
			case <-ctx.Done():
			}
			return 0, nil
		}})
		for _, name := range []string{"a", "b"} {
			r.Start(newPod(name, types.UID(name+"-1"), func(p *corev1.Pod) {
				p.Annotations = map[string]string{pod.SandboxAnnotation: "true"}
				p.Spec.Containers = nil
				for _, c := range []string{"x", "y", "z"} {
					p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: c, Image: "img:1", ReadinessProbe: execProbe(1)})
				}
			}), "")
		}
		r.pass(time.Minute)
		if most != maxExecProbes {
			t.Errorf("%d exec probes ran at once, want %d", most, maxExecProbes)
		}
	})
}

func TestObjects(t *testing.T) {
	var none Objects
	if _, ok := none.ConfigMap("m"); ok || none.madeHere("img") || none.profile() != "" || none.timing(newPod("a", "a-1")) != probe.Fast {
		t.Error("without a stack there is something")
	}
	workload := func(name, timing string) *services.Workload {
		d := &appsv1.Deployment{}
		d.Name = name
		return &services.Workload{Object: d, Timing: timing}
	}
	var m corev1.ConfigMap
	var k corev1.Secret
	m.Name, k.Name = "m", "k"
	var o Objects
	o.Set(&services.Stack{
		Profile: "p", Timing: "strict", Workloads: []*services.Workload{workload("a", ""), workload("b", "fast")},
		ConfigMaps: []*corev1.ConfigMap{{}, &m}, Secrets: []*corev1.Secret{{}, &k}, Services: []*corev1.Service{{}},
		Builds: []*services.Build{{Image: "made"}},
	})
	if got, ok := o.ConfigMap("m"); !ok || got != &m {
		t.Error("no ConfigMap m")
	}
	if got, ok := o.Secret("k"); !ok || got != &k {
		t.Error("no Secret k")
	}
	if _, ok := o.ConfigMap("k"); ok {
		t.Error("a ConfigMap k")
	}
	if _, ok := o.Secret("m"); ok {
		t.Error("a Secret m")
	}
	if !o.madeHere("made") || o.madeHere("pulled") || o.profile() != "p" || len(o.Services()) != 1 {
		t.Errorf("made %v, pulled %v, profile %q, Services %v", o.madeHere("made"), o.madeHere("pulled"), o.profile(), o.Services())
	}
	for name, want := range map[string]probe.Timing{"a": probe.Strict, "b": probe.Fast, "unknown": probe.Strict} {
		if got := o.timing(newPod(name, "u")); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// TestTimingReachesThePods: a workload with strict timing is probed at its period and no sooner.
func TestTimingReachesThePods(t *testing.T) {
	for timing, few := range map[string]bool{"strict": true, "fast": false} {
		onRig(t, func(r *rig) {
			r.On("s-*", enginefake.Script{Exec: func(context.Context, *enginefake.Execution) (int, error) { return 1, nil }})
			r.SetStack(&services.Stack{Timing: timing})
			r.Start(newPod("a", "a-1", func(p *corev1.Pod) { p.Spec.Containers[0].ReadinessProbe = execProbe(10) }), "")
			r.pass(5 * time.Second)
			if n := len(r.Calls("Exec")); (n < 8) != few { // a sync triggers a try too (R15), and there are a few at the start
				t.Errorf("%s: %d tries in 5 s", timing, n)
			}
		})
	}
}
