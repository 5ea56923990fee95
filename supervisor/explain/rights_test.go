package explain

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/state"
)

func TestAdviseRights(t *testing.T) {
	with := func(name string, change func(*corev1.PodSpec, *corev1.Container)) *services.Workload {
		d := &appsv1.Deployment{}
		d.Name = name
		spec := &d.Spec.Template.Spec
		spec.Containers = []corev1.Container{{Name: "app", SecurityContext: &corev1.SecurityContext{}}}
		change(spec, &spec.Containers[0])
		return &services.Workload{Object: d}
	}
	no := false
	for _, tc := range []struct {
		name   string
		change func(*corev1.PodSpec, *corev1.Container)
		want   string
	}{
		{"nothing", func(*corev1.PodSpec, *corev1.Container) {}, ""},
		{"not privileged", func(_ *corev1.PodSpec, c *corev1.Container) { c.SecurityContext.Privileged = &no }, ""},
		{"privileged", func(_ *corev1.PodSpec, c *corev1.Container) { c.SecurityContext.Privileged = new(true) }, "(privileged)"},
		{"an init container", func(s *corev1.PodSpec, _ *corev1.Container) {
			s.InitContainers = []corev1.Container{{Name: "i", SecurityContext: &corev1.SecurityContext{Privileged: new(true)}}}
		}, "(privileged)"},
		{"host namespaces", func(s *corev1.PodSpec, _ *corev1.Container) {
			s.HostNetwork, s.HostPID, s.HostIPC = true, true, true
		}, "(host network, host processes, host IPC)"},
		{"a host port", func(_ *corev1.PodSpec, c *corev1.Container) {
			c.Ports = []corev1.ContainerPort{{ContainerPort: 80, HostPort: 8080}, {ContainerPort: 81}}
		}, "(host port 8080)"},
		{"capabilities", func(_ *corev1.PodSpec, c *corev1.Container) {
			c.SecurityContext.Capabilities = &corev1.Capabilities{Add: []corev1.Capability{"SYS_ADMIN", "NET_ADMIN"}, Drop: []corev1.Capability{"ALL"}}
		}, "(capability SYS_ADMIN, capability NET_ADMIN)"},
	} {
		quiet := with("quiet", func(*corev1.PodSpec, *corev1.Container) {})
		got := strings.Join(Advise(&services.Stack{Workloads: []*services.Workload{quiet, with("web", tc.change)}}), "\n")
		if tc.want == "" && got != "" || !strings.Contains(got, tc.want) || got != "" && !strings.HasPrefix(got, "web ") || strings.Contains(got, "quiet") {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
	two := &services.Stack{Workloads: []*services.Workload{
		with("a", func(s *corev1.PodSpec, _ *corev1.Container) { s.HostPID = true }),
		with("b", func(s *corev1.PodSpec, _ *corev1.Container) { s.HostIPC = true }),
	}}
	if got := Advise(two); len(got) != 2 || !strings.HasPrefix(got[0], "a ") || !strings.HasPrefix(got[1], "b ") {
		t.Errorf("two services: %q", got)
	}
}

func TestConnectionsThatWaitAreTold(t *testing.T) {
	f := facts(nil)
	f.Snapshot.Phase, f.Snapshot.Warnings = state.Ready, []string{state.ConnectionsWait + "so many"}
	if a, err := Why(f, ""); err != nil || !strings.Contains(a.Text(now), "so many") {
		t.Errorf("%v, %+v", err, a)
	}
}

func TestPausedPodIsTold(t *testing.T) {
	p := pod("web-0", "web", true)
	p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{
		Type: services.Paused, Status: corev1.ConditionTrue, LastTransitionTime: before(20),
		Message: "container web is paused; `docker unpause abc` lets it go on",
	})
	f := facts([]*corev1.Pod{p}, workload("web", 1, 1, 1))
	for _, name := range []string{"", "web", "web-0"} {
		a, err := Why(f, name)
		if err != nil || !strings.Contains(a.Text(now), "pod web-0 is paused: container web is paused; `docker unpause abc`") {
			t.Errorf("why %s: %v, %+v", name, err, a)
		}
	}
	d, err := Pod(f, "web-0")
	if err != nil || d.Status != "Paused" || !strings.Contains(d.Text(f), "`docker unpause abc` lets it go on") {
		t.Errorf("describe: %v, %s", err, d.Text(f))
	}
}

// TestFailedEditIsTold: of a workload that is right otherwise, and of its pods.
func TestFailedEditIsTold(t *testing.T) {
	f := facts([]*corev1.Pod{pod("web-0", "web", true)}, workload("web", 1, 1, 1), workload("api", 1, 1, 1))
	f.Snapshot.Phase = state.Ready
	f.Snapshot.Warnings = []string{state.EditFailed("web") + "no space left on device"}
	for _, name := range []string{"", "web", "web-0"} {
		a, err := Why(f, name)
		if err != nil || !a.Waits || !strings.Contains(a.Text(now), "web runs without its last edit: no space left on device") {
			t.Errorf("why %s: %v, %+v", name, err, a)
		}
	}
	if a, err := Why(f, "api"); err != nil || a.Waits {
		t.Errorf("of another workload: %v, %+v", err, a)
	}
}
