package network

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/agent"
)

func fromYAML[T any](t *testing.T, text string) *T {
	t.Helper()
	v := new(T)
	if err := yaml.UnmarshalStrict([]byte(text), v); err != nil {
		t.Fatal(err)
	}
	return v
}

func pod(name, ip, app string, change ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("uid-" + name), Labels: map[string]string{"app": app, "extra": "x"}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Ports: []corev1.ContainerPort{
			{Name: "http", ContainerPort: 8000},
			{Name: "http", ContainerPort: 8053, Protocol: corev1.ProtocolUDP},
		}}}},
		Status: corev1.PodStatus{PodIP: ip, Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{
			{Type: corev1.PodReady, Status: corev1.ConditionTrue},
		}},
	}
	for _, c := range change {
		c(p)
	}
	return p
}

func unready(p *corev1.Pod) { p.Status.Conditions[0].Status = corev1.ConditionFalse }

func terminating(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)} }

func view(t *testing.T) View {
	svc := func(text string) *corev1.Service { return fromYAML[corev1.Service](t, text) }
	return View{
		Services: []*corev1.Service{
			svc("metadata: {name: web}\nspec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}, {name: udp, port: 80, protocol: UDP, targetPort: http}]}"),
			svc("metadata: {name: db}\nspec: {clusterIP: None, publishNotReadyAddresses: true, selector: {app: db}, ports: [{port: 3306}]}"),
			svc("metadata: {name: docs}\nspec: {type: ExternalName, externalName: example.org.}"),
			svc("metadata: {name: sticky}\nspec: {type: NodePort, sessionAffinity: ClientIP, selector: {app: web}, ports: [{port: 1, targetPort: 9999}]}"),
			svc("metadata: {name: sticky2}\nspec: {sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}, ports: [{port: 1}, {port: 2, protocol: SCTP}]}"),
		},
		Pods: []*corev1.Pod{
			pod("web-a", "10.201.0.10", "web"),
			pod("web-b", "10.201.0.11", "web", unready),
			pod("web-c", "10.201.0.12", "web", terminating),
			pod("web-new", "", "web"),
			pod("web-done", "10.201.0.13", "web", func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }),
			pod("web-odd", "10.201.0.14", "web", func(p *corev1.Pod) { p.Spec.Containers[0].Ports = nil }),
			pod("db-0", "10.201.0.20", "db", func(p *corev1.Pod) { p.Spec.Hostname, p.Spec.Subdomain = "db-0", "db" }, unready),
		},
		VIPs: map[string]netip.Addr{
			"web": netip.MustParseAddr("10.201.2.1"), "sticky": netip.MustParseAddr("10.201.2.2"),
			"sticky2": netip.MustParseAddr("10.201.2.3"), "db": netip.MustParseAddr("10.201.2.9"),
		},
		HostPorts: []Published{
			{Host: services.HostPort{HostIP: "127.0.0.1", HostPort: 8000, Service: "web", Port: 80}, AgentPort: 8000},
			{Host: services.HostPort{HostIP: "127.0.0.1", HostPort: 80}, AgentPort: 80},
		},
	}
}

// show is a table in lines.
func show(t *agent.Table) string {
	var b strings.Builder
	for _, s := range t.Services {
		fmt.Fprintf(&b, "%s/%s", s.Namespace, s.Name)
		if s.VIP.IsValid() {
			fmt.Fprintf(&b, " at %s", s.VIP)
		}
		if s.ExternalName != "" {
			fmt.Fprintf(&b, " is %s", s.ExternalName)
		}
		if s.AffinitySeconds > 0 {
			fmt.Fprintf(&b, " sticky %ds", s.AffinitySeconds)
		}
		if s.PublishNotReady {
			fmt.Fprint(&b, " all")
		}
		for i, p := range s.Ports {
			fmt.Fprintf(&b, "\n  %s%d/%s:", p.Name, p.Port, p.Protocol)
			for _, sub := range s.Subsets {
				for _, n := range sub.Pods {
					fmt.Fprintf(&b, " %s:%d", t.Pods[n].Name, sub.Ports[i])
				}
			}
		}
		b.WriteByte('\n')
	}
	for _, h := range t.HostPorts {
		fmt.Fprintf(&b, "port %d/%s -> %s:%d %v\n", h.Port, h.Protocol, h.Service, h.ServicePort, h.Ingress)
	}
	for _, r := range t.Ingress {
		fmt.Fprintf(&b, "ingress %s%s %s -> %s:%d\n", r.Host, r.Path, r.PathType, r.Service, r.ServicePort)
	}
	return b.String()
}

func TestTable(t *testing.T) {
	table, notes := Table(view(t))
	if err := table.Validate(); err != nil {
		t.Fatal(err)
	}
	want := `default/web at 10.201.2.1
  http80/TCP: web-a:8000 web-b:8000 web-c:8000 web-odd:0
  udp80/UDP: web-a:8053 web-b:8053 web-c:8053 web-odd:0
default/db all
  3306/TCP: db-0:3306
default/docs is example.org
default/sticky at 10.201.2.2 sticky 10800s
  1/TCP: web-a:9999 web-b:9999 web-c:9999 web-odd:9999
default/sticky2 at 10.201.2.3 sticky 60s
  1/TCP:
port 8000/TCP -> web:80 false
port 80/TCP -> :0 true
`
	if got := show(table); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if fmt.Sprint(notes) != "[service sticky2: port 2/SCTP is not served]" {
		t.Errorf("notes %v", notes)
	}
	for _, p := range table.Pods {
		if p.Ready != (p.Name == "web-a" || p.Name == "web-c" || p.Name == "web-odd") || p.Terminating != (p.Name == "web-c") {
			t.Errorf("%+v", p)
		}
	}
}

func TestIngressRules(t *testing.T) {
	v := view(t)
	v.Ingresses = []*networkingv1.Ingress{fromYAML[networkingv1.Ingress](t, `
metadata: {name: main}
spec:
  tls: [{hosts: [a.test]}]
  defaultBackend: {service: {name: web, port: {name: http}}}
  rules:
  - host: a.test
    http:
      paths:
      - {path: /exact, pathType: Exact, backend: {service: {name: web, port: {number: 80}}}}
      - {path: /any, pathType: ImplementationSpecific, backend: {service: {name: web, port: {name: http}}}}
      - {pathType: Prefix, backend: {service: {name: web, port: {name: nothing}}}}
      - {path: /, pathType: Prefix, backend: {resource: {kind: Bucket, name: x}}}
`)}
	table, notes := Table(v)
	if err := table.Validate(); err != nil {
		t.Fatal(err)
	}
	_, got, _ := strings.Cut(show(table), "true\n")
	want := "ingress  Prefix -> web:80\ningress a.test/exact Exact -> web:80\ningress a.test/any Prefix -> web:80\n"
	want = strings.Replace(want, " Prefix", " ", 1)
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if text := strings.Join(notes, "\n"); !strings.Contains(text, "tls is not served") || !strings.Contains(text, `no port "nothing"`) ||
		!strings.Contains(text, "is not a service") {
		t.Errorf("notes\n%s", text)
	}
}

func TestRegistry(t *testing.T) {
	reg := NewRegistry("demo", view(t))
	raw, err := json.Marshal(reg)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`{"name":"web","dns":"web.default.svc.cluster.local","type":"ClusterIP","address":"10.201.2.1","ports":[{"name":"http","port":80,"protocol":"TCP","host":["127.0.0.1:8000"]}`,
		`"ready":[{"pod":"web-a","address":"10.201.0.10","ports":{"80/TCP":8000,"80/UDP":8053}},{"pod":"web-odd"`,
		`"notReady":[{"pod":"web-b","address":"10.201.0.11","ports":{"80/TCP":8000,"80/UDP":8053}},{"pod":"web-c"`,
		`"type":"Headless"`, `"hostname":"db-0.db.default.svc.cluster.local"`, `"externalName":"example.org"`, `"type":"NodePort"`,
	} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("no %s in\n%s", want, raw)
		}
	}
	if s, ok := reg.Lookup("10.201.2.1"); !ok || s.Name != "web" || !s.Reachable() {
		t.Errorf("lookup %+v", s)
	}
	if s, ok := reg.Lookup("sticky2"); !ok || s.Reachable() {
		t.Errorf("lookup %+v", s)
	}
	if _, ok := reg.Lookup("nobody"); ok {
		t.Error("found nobody")
	}
}

func TestAgentPorts(t *testing.T) {
	host := func(n int32, p corev1.Protocol) services.HostPort { return services.HostPort{HostPort: n, Protocol: p} }
	got, err := AgentPorts([]services.HostPort{host(0, ""), host(8000, "TCP"), host(53, "UDP"), host(8000, "UDP"), host(8000, "TCP"), host(7946, "TCP")})
	if err != nil {
		t.Fatal(err)
	}
	var ports []uint16
	for _, p := range got {
		ports = append(ports, p.AgentPort)
	}
	if fmt.Sprint(ports) != "[20000 8000 20000 8000 20001 20002]" {
		t.Errorf("ports %v", ports)
	}
}

func TestFurtherNamesOfAService(t *testing.T) {
	svc := &corev1.Service{}
	svc.Name, svc.Annotations = "my-db", map[string]string{services.NamesAnnotation: "My_DB,Auth.local"}
	table, _ := Table(View{Services: []*corev1.Service{svc}})
	if got := strings.Join(table.Services[0].Names, " "); got != "my_db auth.local" {
		t.Errorf("got %q", got)
	}
}

// TestRoleServices: the agent is told which Services select on a role.
func TestRoleServices(t *testing.T) {
	svc := func(selector string) *corev1.Service {
		return fromYAML[corev1.Service](t, "metadata: {name: db}\nspec: {ports: [{port: 1}], selector: "+selector+"}")
	}
	for selector, want := range map[string]bool{"{app: db}": false, "{app: db, dev.lyandev/role: master}": true} {
		table, _ := Table(View{Services: []*corev1.Service{svc(selector)}})
		if got := table.Services[0].FollowsRole; got != want {
			t.Errorf("selector %s: follows a role %v", selector, got)
		}
	}
}
