package explain

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/goldentest"
	"github.com/lyandev/lyandev/supervisor/state"
)

func statusFacts() Facts {
	f := facts([]*corev1.Pod{pod("db-0", "db", true), pod("web-1", "web", false, crashing)},
		workload("db", 1, 1, 1), workload("web", 1, 1, 0), held(workload("mail", 1, 0, 0), "web", "waits for web to be ready"))
	s := f.Snapshot
	s.Profile, s.Phase, s.Message = "ha", state.Degraded, "web has 0 of 1 pods ready"
	s.Bound = []services.HostPort{{HostIP: "127.0.0.1", HostPort: 8000, Service: "web", Port: 80}}
	s.Datapath = &state.Datapath{Name: "userland", Fallback: "no nftables"}
	s.Warnings, s.Advice = []string{"rollout of web is stuck"}, []string{"web asks Sentinel"}
	s.Operators = map[string]services.Verdict{
		"mariadb": {Right: true, Message: "master db-0, 1 slave", Pods: map[string]services.PodVerdict{
			"db-0": {Role: "master", Right: true, Detail: map[string]string{"version": "11.8", "gtid": "0-1-7", "lag": ""}},
			"db-1": {Role: "slave", Reason: "Behind", Message: "12 s behind the master", Detail: map[string]string{"lag": "12s"}},
		}},
		"redis": {Message: "no quorum", Pods: map[string]services.PodVerdict{}},
	}
	return f
}

func TestStatusText(t *testing.T) {
	s := StatusOf(statusFacts())
	goldentest.Compare(t, "status.txt", s.Text(Paint{}))
	if s.Right {
		t.Error("a degraded stack is right")
	}
	// Colours change nothing but colours.
	mark := func(before string) func(string) string {
		return func(s string) string { return before + s + "\x1b[0m" }
	}
	coloured := s.Text(Paint{Good: mark("\x1b[32m"), Bad: mark("\x1b[31m"), Weak: mark("\x1b[2m"), Strong: mark("\x1b[1m")})
	plain := strings.NewReplacer("\x1b[32m", "", "\x1b[31m", "", "\x1b[2m", "", "\x1b[1m", "", "\x1b[0m", "").Replace(coloured)
	if diff := cmp.Diff(s.Text(Paint{}), plain); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(coloured, "\x1b[31mno") {
		t.Error("nothing is red")
	}
}

func TestStatusOfAReadyStack(t *testing.T) {
	f := facts([]*corev1.Pod{pod("db-0", "db", true)}, workload("db", 1, 1, 1))
	f.Snapshot.Phase = state.Ready
	s := StatusOf(f)
	if !s.Right || s.Workloads[0].Why != "" || s.Operators == nil {
		t.Errorf("%+v", s)
	}
}

func sentinelStack(change ...func(web *services.Workload)) *services.Stack {
	sentinel := &services.Workload{Object: &appsv1.ReplicaSet{}, Operator: "redis", Options: map[string]string{"role": "sentinel"}}
	sentinel.Meta().Name = "redis-sentinel"
	sentinel.PodMeta().Labels = map[string]string{"redis-sentinel": "true"}
	server := &services.Workload{Object: &appsv1.StatefulSet{}, Operator: "redis", Options: map[string]string{"role": "master"}}
	server.Meta().Name = "redis"
	server.PodMeta().Labels = map[string]string{"app": "redis"}
	web := &services.Workload{Object: &appsv1.Deployment{}}
	web.Meta().Name = "web"
	web.PodSpec().Containers = []corev1.Container{{Name: "web", Env: []corev1.EnvVar{
		{Name: "REDIS_URL", Value: "redis://redis:6379/0"},
		{Name: "SENTINEL", ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "cfg"}, Key: "sentinel"}}},
	}}}
	for _, c := range change {
		c(web)
	}
	service := func(name string, selector map[string]string) *corev1.Service {
		v := &corev1.Service{}
		v.Name, v.Spec.Selector = name, selector
		return v
	}
	cfg := &corev1.ConfigMap{Data: map[string]string{"sentinel": "redis-sentinel.default.svc:26379"}}
	cfg.Name = "cfg"
	return &services.Stack{
		Workloads: []*services.Workload{server, sentinel, web}, ConfigMaps: []*corev1.ConfigMap{cfg},
		Services: []*corev1.Service{service("redis", server.PodMeta().Labels), service("redis-sentinel", sentinel.PodMeta().Labels), service("none", nil)},
	}
}

func TestAdvise(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(web *services.Workload)
		want   string
	}{
		{"asks sentinel", func(*services.Workload) {}, "web asks Sentinel (SENTINEL names redis-sentinel): "},
		{"is restarted", func(w *services.Workload) { w.RestartOn = []string{masterChanged} }, ""},
		{"needs no restart, and says so", func(w *services.Workload) { w.RestartOn = []string{} }, ""},
		{"uses the service only", func(w *services.Workload) { w.PodSpec().Containers[0].Env = w.PodSpec().Containers[0].Env[:1] }, ""},
		{"another name", func(w *services.Workload) {
			w.PodSpec().Containers[0].Env = []corev1.EnvVar{{Name: "X", Value: "my-redis-sentinel:1"}, {Name: "Y", Value: "redis-sentinels"}}
		}, ""},
		{"by envFrom", func(w *services.Workload) {
			c := &w.PodSpec().Containers[0]
			c.Env = nil
			c.EnvFrom = []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "cfg"}}}}
		}, "web asks Sentinel (sentinel names redis-sentinel): "},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := strings.Join(Advise(sentinelStack(c.change)), "\n")
			if (got == "") != (c.want == "") || !strings.HasPrefix(got, c.want) {
				t.Errorf("advice %q, want %q", got, c.want)
			}
		})
	}
}

func TestAdviseKnowsSentinelsWithoutOptions(t *testing.T) {
	s := sentinelStack()
	w := s.Workload("redis-sentinel")
	w.Options = nil
	for _, c := range []corev1.Container{{Command: []string{"redis-sentinel", "/etc/s.conf"}}, {Env: []corev1.EnvVar{{Name: "REDIS_MODE", Value: "sentinel"}}}} {
		w.PodSpec().Containers = []corev1.Container{c}
		if len(Advise(s)) != 1 {
			t.Errorf("no advice for sentinels made by %+v", c)
		}
	}
	w.PodSpec().Containers = []corev1.Container{{Command: []string{"redis-server"}}}
	if got := Advise(s); len(got) != 0 {
		t.Errorf("advice without sentinels: %q", got)
	}
}
