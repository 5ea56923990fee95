package prepare

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
)

// onlyStack is web -> api -> db, with a host port each; the port of db leads to the master.
func onlyStack(image string) *services.Stack {
	s := &services.Stack{Name: "s"}
	on := map[string]string{"web": "api", "api": "db"}
	for _, name := range []string{"db", "api", "web"} {
		d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: name}}
		d.Spec.Template.Labels = map[string]string{"app": name}
		d.Spec.Template.Spec.Containers = []corev1.Container{{Name: name, Image: name + image}}
		w := &services.Workload{Object: d}
		if on[name] != "" {
			w.DependsOn = []services.Dependency{{Workload: on[name]}}
		}
		s.Workloads = append(s.Workloads, w)
		v := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}}
		v.Spec.Selector = map[string]string{"app": name}
		if name == "db" {
			v.Spec.Selector[services.RoleLabel] = "master"
		}
		s.Services = append(s.Services, v)
		s.HostPorts = append(s.HostPorts, services.HostPort{Service: name, Port: 80})
	}
	return s
}

func TestOnly(t *testing.T) {
	for _, c := range []struct {
		running *services.Stack
		names   []string
		deps    bool
		want    string // images of the result, then its host ports
	}{
		{nil, []string{"api"}, true, "db:2 api:2 | db api"},
		{nil, []string{"api"}, false, "api:2 | api"},
		{onlyStack(":1"), []string{"api"}, true, "db:2 api:2 web:1 | db api web"},
		{onlyStack(":1"), []string{"api"}, false, "db:1 api:2 web:1 | db api web"},
	} {
		got, _, err := Only(c.running, onlyStack(":2"), c.names, c.deps)
		if err != nil {
			t.Fatal(err)
		}
		var words []string
		for _, w := range got.Workloads {
			words = append(words, w.PodSpec().Containers[0].Image)
		}
		words = append(words, "|")
		for _, h := range got.HostPorts {
			words = append(words, h.Service)
		}
		if text := strings.Join(words, " "); text != c.want {
			t.Errorf("only %v with dependencies %v: %s, want %s", c.names, c.deps, text, c.want)
		}
	}
	if _, _, err := Only(nil, onlyStack(":2"), []string{"nosuch"}, true); err == nil || !strings.Contains(err.Error(), "db, api, web") {
		t.Errorf("the error is %v", err)
	}
}
