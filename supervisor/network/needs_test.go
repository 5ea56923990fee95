package network

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/docker/docker/api/types/container"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
)

// plainWorkload is a plain service whose containers are in networks.
func plainWorkload(t *testing.T, name, mode string, networks ...string) *services.Workload {
	t.Helper()
	c := compose.Container{Service: name, Host: container.HostConfig{NetworkMode: container.NetworkMode(mode)}}
	for _, n := range networks {
		c.Networks = append(c.Networks, compose.Attachment{Network: compose.Project + "_" + n})
	}
	text, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	o := &services.ComposeService{ObjectMeta: metav1.ObjectMeta{Name: name}}
	o.Spec.Template.Labels = map[string]string{"app": name}
	o.Spec.Template.Annotations = map[string]string{compose.Annotation: text}
	return &services.Workload{Object: o}
}

func serviceOf(name, ip string) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.ServiceSpec{ClusterIP: ip, Selector: map[string]string{"app": name}},
	}
}

func deployment(name string) *services.Workload {
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: name}}
	d.Spec.Template.Labels = map[string]string{"app": name}
	return &services.Workload{Object: d}
}

func TestNeeds(t *testing.T) {
	defaultNetwork := []*compose.Network{{Key: "default", Name: compose.Project + "_default"}}
	web := func(mode string, networks ...string) *services.Workload {
		return plainWorkload(t, "web", mode, networks...)
	}
	ports := []services.HostPort{{HostPort: 80, Service: "web", Port: 80}}
	headless := []*corev1.Service{serviceOf("web", "None")}
	for _, c := range []struct {
		name                     string
		stack                    services.Stack
		agent, inDefault, pinned bool
		cluster                  bool
		shared                   string
	}{
		{name: "nothing", shared: "[]"},
		{
			name: "plain, no ports", inDefault: true, shared: "[]",
			stack: services.Stack{Workloads: []*services.Workload{web("", "default")}, Services: headless, Networks: defaultNetwork},
		},
		{
			name: "plain, not in the default network", shared: "[]",
			stack: services.Stack{Workloads: []*services.Workload{web("host")}, Services: headless},
		},
		{
			name: "plain with a host port", agent: true, inDefault: true, shared: "[]",
			stack: services.Stack{Workloads: []*services.Workload{web("", "back", "default")}, Services: headless, Networks: defaultNetwork, HostPorts: ports},
		},
		{
			name: "in other networks", agent: true, shared: "[p_back bridge p_front]",
			stack: services.Stack{
				Workloads: []*services.Workload{
					web("", "back", "other"), plainWorkload(t, "b", "bridge"), plainWorkload(t, "c", "", "front", "x"),
					plainWorkload(t, "d", "", "y", "front"), plainWorkload(t, "e", "none"), plainWorkload(t, "unpublished", "", "z"),
				},
				Services: []*corev1.Service{serviceOf("web", "None"), serviceOf("b", "None"), serviceOf("c", "None"), serviceOf("d", "None"), serviceOf("e", "None")},
				HostPorts: []services.HostPort{
					{Service: "web"}, {Service: "b"}, {Service: "c"}, {Service: "d"}, {Service: "e"}, {Service: "gone"}, {},
				},
			},
		},
		{
			name: "mixed", agent: true, inDefault: true, pinned: true, cluster: true, shared: "[]",
			stack: services.Stack{
				Workloads: []*services.Workload{web("", "default"), deployment("api")}, Networks: defaultNetwork,
				Services: append([]*corev1.Service{serviceOf("api", "")}, headless...),
			},
		},
		{
			name: "pods without Services", agent: true, inDefault: true, pinned: true, shared: "[]",
			stack: services.Stack{Workloads: []*services.Workload{deployment("api")}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, err := NeedsOf(&c.stack, "p")
			if err != nil {
				t.Fatal(err)
			}
			if n.Agent != c.agent || n.Default != c.inDefault || (n.Pinned != nil) != c.pinned || n.ClusterServices != c.cluster {
				t.Errorf("%+v", n)
			}
			if got := fmt.Sprint(n.Shared("p_default")); got != c.shared {
				t.Errorf("shared networks %s, want %s", got, c.shared)
			}
		})
	}
	broken := web("", "default")
	broken.PodMeta().Annotations[compose.Annotation] = "{"
	if _, err := NeedsOf(&services.Stack{Workloads: []*services.Workload{broken}, Services: headless, HostPorts: ports}, "p"); err == nil {
		t.Error("a broken annotation was taken")
	}
}

// The table has the address of a plain pod that the agent can reach, and host ports prefer pods that are ready.
func TestTableOfPlainPods(t *testing.T) {
	inNetworks := func(text string) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Annotations = map[string]string{compose.Annotation: "{}"}
			p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: services.Addresses, Status: corev1.ConditionTrue, Message: text})
		}
	}
	v := View{
		Networks: []string{"p_default", "p_back"},
		Services: []*corev1.Service{
			fromYAML[corev1.Service](t, "metadata: {name: web}\nspec: {clusterIP: None, publishNotReadyAddresses: true, selector: {app: web}, ports: [{port: 80}]}"),
			fromYAML[corev1.Service](t, "metadata: {name: db}\nspec: {clusterIP: None, publishNotReadyAddresses: true, selector: {app: db}, ports: [{port: 80}]}"),
		},
		Pods: []*corev1.Pod{
			pod("both", "172.20.0.2", "web", inNetworks(`{"p_front":"172.20.0.2","p_back":"172.21.0.2","p_default":"10.201.3.1"}`)),
			pod("back", "172.21.0.3", "web", inNetworks(`{"p_back":"172.21.0.3"}`)),
			pod("elsewhere", "172.20.0.4", "web", inNetworks(`{"p_front":"172.20.0.4"}`)),
			pod("stopped", "", "web", inNetworks(`{"p_back":"172.21.0.9"}`)),
			pod("six", "fd00::2", "web", inNetworks(`{"p_back":"fd00::2"}`)),
			pod("odd", "172.21.0.5", "web", inNetworks(`[`)),
			pod("db-0", "10.201.0.10", "db"),
		},
	}
	addresses := func(v View) (out []string) {
		table, _ := Table(v)
		if err := table.Validate(); err != nil {
			t.Fatal(err)
		}
		for _, p := range table.Pods {
			out = append(out, p.Name+" "+p.Address.String())
		}
		if !table.DockerNames || !table.Services[0].PreferReady || table.Services[1].PreferReady {
			t.Errorf("%+v", table)
		}
		return out
	}
	if got, want := addresses(v), []string{"both 10.201.3.1", "back 172.21.0.3", "db-0 10.201.0.10"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	reg := NewRegistry("p", v)
	if n := len(reg.Services[0].Ready); n != 4 {
		t.Errorf("the registry has %d endpoints, want all 4 with an IPv4 address", n)
	}
	v.Pods = v.Pods[6:]
	if table, _ := Table(v); table.DockerNames {
		t.Error("Docker is asked for names in a stack without plain pods")
	}
}
