package e2e_test

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/e2e/harness"
)

// TestMissingConfigMapKeyHeals: a container whose environment names a key that is not there waits in
// CreateContainerConfigError (R133) and starts, never having run, once the key is there. A file that names such a key is
// refused, so the stack is one that was changed after it was loaded.
func TestMissingConfigMapKeyHeals(t *testing.T) {
	t.Parallel()
	i := harness.New(t, `
x-lyandev:
  semantics: kubernetes
  configMaps:
    cfg: {data: {KEY: here}}
services:
  other:
    image: debian:trixie-slim
    command: [sleep, infinity]
    stop_grace_period: 0s
    x-lyandev: {kind: Pod}
  app:
    image: debian:trixie-slim
    command: [sh, -c, 'echo "the key is $$WANTED"; exec sleep infinity']
    stop_grace_period: 0s
    x-lyandev:
      kind: Pod
      env:
        - {name: WANTED, valueFrom: {configMapKeyRef: {name: cfg, key: KEY}}}
`)
	i.Up("--wait", "other")
	stack := i.Stack()
	app := stack.Workload("other").DeepCopy()
	app.Meta().Name = "app"
	app.PodSpec().Containers[0].Env = []corev1.EnvVar{{Name: "WANTED", ValueFrom: &corev1.EnvVarSource{
		ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "cfg"}, Key: "MISSING"},
	}}}
	stack.Workloads = append(stack.Workloads, app)
	i.Apply(stack)
	p := i.UntilPod(20*time.Second, "app", "shows CreateContainerConfigError", func(p *corev1.Pod) bool {
		w := harness.Status(p, "other").State.Waiting
		return w != nil && w.Reason == "CreateContainerConfigError"
	})
	if m := harness.Status(p, "other").State.Waiting.Message; !strings.Contains(m, "MISSING") || !strings.Contains(m, "cfg") {
		t.Errorf("the message does not say what is missing: %q", m)
	}
	if p.Status.Phase != corev1.PodPending {
		t.Errorf("phase is %s, want Pending", p.Status.Phase)
	}

	i.Up("--wait") // the file names the key that is there
	p = i.Pod("app")
	if s := harness.Status(p, "app"); s.RestartCount != 0 || !s.Ready {
		t.Errorf("after the key came: %d restarts, ready %v", s.RestartCount, s.Ready)
	}
	if out := i.Must("logs", "app"); !strings.Contains(out, "the key is here") {
		t.Errorf("the container's log is %q", out)
	}
}

// TestConfigMapKeyAppears: the pod itself heals, without being replaced, when the ConfigMap gets the key.
func TestConfigMapKeyAppears(t *testing.T) {
	t.Parallel()
	i := harness.New(t, `
x-lyandev:
  semantics: kubernetes
  configMaps:
    cfg: {data: {KEY: here}}
services:
  app:
    image: debian:trixie-slim
    command: [sh, -c, 'echo "the key is $$WANTED"; exec sleep infinity']
    stop_grace_period: 0s
    x-lyandev:
      env:
        - {name: WANTED, valueFrom: {configMapKeyRef: {name: cfg, key: KEY}}}
`)
	i.Up("--wait")
	broken := i.Stack()
	broken.ConfigMaps[0].Data = map[string]string{}
	broken.Workload("app").PodMeta().Annotations = map[string]string{"rolled": "yes"}
	i.Apply(broken)
	var stuck *corev1.Pod
	i.Until(20*time.Second, "a pod of app shows CreateContainerConfigError", func(s *state) bool {
		for _, p := range s.PodsOf("app") {
			if w := harness.Status(p, "app").State.Waiting; w != nil && w.Reason == "CreateContainerConfigError" {
				stuck = p
			}
		}
		return stuck != nil
	})
	healed := broken.DeepCopy()
	healed.ConfigMaps[0].Data = map[string]string{"KEY": "back"}
	i.Apply(healed)
	p := i.UntilPod(20*time.Second, stuck.Name, "is ready", podReady)
	if p.UID != stuck.UID {
		t.Errorf("the pod was replaced")
	}
	if out := i.Must("logs", stuck.Name); !strings.Contains(out, "the key is back") {
		t.Errorf("the container's log is %q", out)
	}
}
