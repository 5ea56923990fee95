package supervisor

import (
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
)

// plainService is a plain service that Docker gives no network.
func plainService(t *testing.T, name string) *services.Workload {
	t.Helper()
	c := &compose.Container{Service: name, Host: container.HostConfig{NetworkMode: "none"}}
	text, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	o := &services.ComposeService{ObjectMeta: metav1.ObjectMeta{Name: name}}
	o.Spec.ServiceName = name
	o.Spec.Template.Labels = map[string]string{"app": name}
	o.Spec.Template.Annotations = map[string]string{compose.Annotation: text}
	o.Spec.Template.Spec.Containers = []corev1.Container{{Name: name, Image: "img:1", ImagePullPolicy: corev1.PullNever}}
	return &services.Workload{Object: o}
}

// TestPortsOf: --service-ports publishes what leads to the service, at the port behind its Service.
func TestPortsOf(t *testing.T) {
	x := plainService(t, "web")
	stack := &services.Stack{Workloads: []*services.Workload{x}, HostPorts: []services.HostPort{
		{HostIP: "127.0.0.1", HostPort: 8080, Service: "web", Port: 80, Protocol: corev1.ProtocolTCP},
		{HostIP: "127.0.0.1", Service: "web", Port: 81, Protocol: corev1.ProtocolUDP},
		{HostIP: "127.0.0.1", HostPort: 5432, Service: "db", Port: 5432, Protocol: corev1.ProtocolTCP},
	}}
	for _, name := range []string{"web", "db"} {
		v := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}}
		v.Spec.Selector = map[string]string{"app": name}
		v.Spec.Ports = []corev1.ServicePort{{Port: 80}, {Port: 81}, {Port: 5432}}
		v.Spec.Ports[0].TargetPort.IntVal = 8000
		stack.Services = append(stack.Services, v)
	}
	got := portsOf(stack, x)
	if len(got) != 2 || got["8000/tcp"][0].HostPort != "8080" || got["81/udp"][0].HostPort != "" {
		t.Errorf("the ports are %v", got)
	}
}

// TestOneOffContainers: one is no pod's, so that no worker and no later supervisor takes it for its own, and `down` removes it.
func TestOneOffContainers(t *testing.T) {
	onRig(t, starting(t), func(r *rig) {
		x := plainService(t, "tool")
		stack := &services.Stack{Name: "s", Workloads: []*services.Workload{x}}
		p, err := r.s.oneOffPod(stack, OneOff{Options: compose.OneOff{Command: []string{"ls"}}})
		if err != nil {
			r.t.Fatal(err)
		}
		if !strings.HasPrefix(p.Name, "s-tool-run-") || len(p.Name) != len("s-tool-run-")+12 {
			r.t.Errorf("its name is %s", p.Name)
		}
		pods := len(r.s.Store().Latest().Pods)
		id, err := r.s.pods.CreatePlainOneOff(r.t.Context(), p, stack, r.s.oneOffLabels(x))
		if err == nil {
			err = r.StartContainer(r.t.Context(), id)
		}
		if err != nil {
			r.t.Fatal(err)
		}
		_, err = r.s.pods.CreatePlainOneOff(r.t.Context(), p, stack, r.s.oneOffLabels(x))
		if err == nil || !strings.Contains(err.Error(), "the name is in use by container") {
			r.t.Errorf("a second one of the same name: %v", err)
		}
		r.pass(time.Minute)
		c, err := r.InspectContainer(r.t.Context(), id)
		if err != nil || c.State != "running" || c.Labels[services.PodUIDLabel] != "" || c.Labels["com.docker.compose.oneoff"] != "True" {
			r.t.Errorf("it is %+v, %v", c, err)
		}
		if n := len(r.s.Store().Latest().Pods); n != pods {
			r.t.Errorf("there are %d pods, before %d", n, pods)
		}
		r.s.removeOneOffs(r.t.Context())
		if _, err := r.InspectContainer(r.t.Context(), id); err == nil {
			r.t.Error("it is still there")
		}
	})
}

// TestTrigger: only CronJobs and Jobs can be triggered.
func TestTrigger(t *testing.T) {
	onRig(t, starting(t), func(r *rig) {
		err := r.s.Control(r.t.Context(), Control{Verb: "trigger", Services: []string{"api"}})
		if err == nil || !strings.Contains(err.Error(), "cannot trigger api: it is a Deployment, and only CronJobs and Jobs can be") {
			r.t.Errorf("error %v", err)
		}
	})
}
