package kube_test

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/lyandev/lyandev/services/kube"
)

func TestExpandR131(t *testing.T) {
	vars := kube.MapLookup(map[string]string{"A": "1", "B": "$(A)", "E": "", "a.b": "dot", "x y": "blank"})
	for in, want := range map[string]string{
		"":             "",
		"plain":        "plain",
		"$(A)":         "1",
		"-$(A)-$(A)-":  "-1-1-",
		"$(B)":         "$(A)",
		"$(E)":         "",
		"$(a.b)$(x y)": "dotblank",
		"$$(A)":        "$(A)",
		"$$$(A)":       "$1",
		"$$$$(A)":      "$$(A)",
		"$(NONE)":      "$(NONE)",
		"$(A":          "$(A",
		"$($(A))":      "$($(A))",
		"$()":          "$()",
		"$A ${A} $":    "$A ${A} $",
		"$$":           "$",
		"é$é$(A)":      "é$é1",
	} {
		if got := kube.Expand(in, vars); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestExpandIsIdentityWithoutDollarsAndEscapable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.SampledFrom([]rune("ab()$ {}"))).Draw(t, "text")
		none := func(string) (string, bool) { return "", false }
		if got := kube.Expand(strings.ReplaceAll(text, "$", "$$"), none); got != text {
			t.Fatalf("doubled dollars of %q give %q", text, got)
		}
	})
}

func TestExpandAllLeavesTheOriginalR136(t *testing.T) {
	in := []string{"sh", "-c", "echo $(A)"}
	out := kube.ExpandAll(in, kube.MapLookup(map[string]string{"A": "1"}))
	if out[2] != "echo 1" || in[2] != "echo $(A)" {
		t.Errorf("%v, %v", in, out)
	}
}

func TestProbeLookupR22(t *testing.T) {
	lookup := kube.ProbeLookup([]corev1.EnvVar{
		{Name: "A", Value: "1"},
		{Name: "B", Value: "$(A)"},
		{Name: "S", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}},
	})
	if got := kube.Expand("$(A) $(B) [$(S)] $(KUBERNETES_SERVICE_HOST)", lookup); got != "1 $(A) [] $(KUBERNETES_SERVICE_HOST)" {
		t.Errorf("%q", got)
	}
}

func TestExpandSubPathR137(t *testing.T) {
	lookup := kube.MapLookup(map[string]string{"A": "1", "E": ""})
	if got, err := kube.ExpandSubPath("logs/$(A)", lookup); err != nil || got != "logs/1" {
		t.Errorf("%q, %v", got, err)
	}
	for bad, want := range map[string]string{"$(E)": "missing value for E", "x/$(NONE)/$(A)$(N2)": "missing value for NONE, N2"} {
		if _, err := kube.ExpandSubPath(bad, lookup); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", bad, err, want)
		}
	}
}

func svc(namespace, name, ip string, ports ...corev1.ServicePort) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec:       corev1.ServiceSpec{ClusterIP: ip, Ports: ports},
	}
}

func names(env []corev1.EnvVar) []string {
	out := []string{}
	for _, e := range env {
		out = append(out, e.Name)
	}
	return out
}

func TestServiceEnvR134(t *testing.T) {
	port := corev1.ServicePort{Port: 80}
	services := []*corev1.Service{
		svc("default", "kubernetes", "10.0.0.1", corev1.ServicePort{Port: 443}),
		svc("app", "web", "10.0.0.2", port),
		svc("app", "headless", corev1.ClusterIPNone, port),
		svc("app", "pending", "", port),
		svc("app", "portless", "10.0.0.3"),
		svc("other", "db", "10.0.0.4", port),
	}
	for _, tt := range []struct {
		links bool
		want  []string
	}{{true, []string{"KUBERNETES_SERVICE_HOST", "WEB_SERVICE_HOST"}}, {false, []string{"KUBERNETES_SERVICE_HOST"}}} {
		var hosts []string
		for _, n := range names(kube.ServiceEnv(services, "app", tt.links)) {
			if strings.HasSuffix(n, "_SERVICE_HOST") {
				hosts = append(hosts, n)
			}
		}
		if !slices.Equal(hosts, tt.want) {
			t.Errorf("links %t: %v, want %v", tt.links, hosts, tt.want)
		}
	}
}

func TestServiceEnvNamesR135(t *testing.T) {
	env := kube.ServiceEnv([]*corev1.Service{
		svc("app", "my-db", "fd00::1", corev1.ServicePort{Name: "sql-1", Port: 3306}, corev1.ServicePort{Name: "dns", Port: 53, Protocol: corev1.ProtocolUDP}),
	}, "app", true)
	got := map[string]string{}
	for _, e := range env {
		got[e.Name] = e.Value
	}
	for name, want := range map[string]string{
		"MY_DB_SERVICE_HOST": "fd00::1", "MY_DB_SERVICE_PORT": "3306", "MY_DB_SERVICE_PORT_SQL_1": "3306", "MY_DB_SERVICE_PORT_DNS": "53",
		"MY_DB_PORT": "tcp://[fd00::1]:3306", "MY_DB_PORT_3306_TCP": "tcp://[fd00::1]:3306", "MY_DB_PORT_3306_TCP_PROTO": "tcp",
		"MY_DB_PORT_3306_TCP_PORT": "3306", "MY_DB_PORT_3306_TCP_ADDR": "fd00::1", "MY_DB_PORT_53_UDP": "udp://[fd00::1]:53",
		"MY_DB_PORT_53_UDP_PROTO": "udp", "MY_DB_PORT_53_UDP_PORT": "53", "MY_DB_PORT_53_UDP_ADDR": "fd00::1",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("also there: %v", got)
	}
}

func requirements(t *testing.T, kind, name, value string) corev1.ResourceRequirements {
	t.Helper()
	q, err := resource.ParseQuantity(value)
	if err != nil {
		t.Fatal(err)
	}
	list := corev1.ResourceList{corev1.ResourceName(name): q}
	if kind == "request" {
		return corev1.ResourceRequirements{Requests: list}
	}
	return corev1.ResourceRequirements{Limits: list}
}

func TestCPUR150R151(t *testing.T) {
	for _, tt := range []struct {
		kind, value   string
		shares, quota int64
	}{
		{"request", "0", 2, 0},
		{"request", "1m", 2, 0},
		{"request", "3m", 3, 0},
		{"request", "0.1", 102, 0},
		{"request", "2", 2048, 0},
		{"request", "1000", 262144, 0},
		{"limit", "1m", 2, 1000},
		{"limit", "0.5m", 2, 1000},
		{"limit", "11m", 11, 1100},
		{"limit", "1.5", 1536, 150000},
		{"limit", "0", 2, 0},
	} {
		r := requirements(t, tt.kind, "cpu", tt.value)
		if s, q := kube.CPUShares(r), kube.CPUQuota(r); s != tt.shares || q != tt.quota {
			t.Errorf("%s %s: shares %d, quota %d, want %d, %d", tt.kind, tt.value, s, q, tt.shares, tt.quota)
		}
	}
	if s, q := kube.CPUShares(corev1.ResourceRequirements{}), kube.CPUQuota(corev1.ResourceRequirements{}); s != 2 || q != 0 {
		t.Errorf("nothing: shares %d, quota %d", s, q)
	}
}

func TestMemoryR152(t *testing.T) {
	for value, want := range map[string]int64{
		"64Mi": 64 << 20, "64M": 64e6, "1Gi": 1 << 30, "1.5k": 1500, "1500m": 2, "1e3": 1000, "100": 100,
	} {
		if got := kube.MemoryLimit(requirements(t, "limit", "memory", value)); got != want {
			t.Errorf("%s: %d, want %d", value, got, want)
		}
	}
	if got := kube.MemoryLimit(requirements(t, "request", "memory", "1Gi")); got != 0 {
		t.Errorf("a request limits to %d", got)
	}
}

func TestParseScheduleR195(t *testing.T) {
	bad, zone := "Nowhere/At-All", "Europe/Berlin"
	for _, tt := range []struct {
		schedule string
		zone     *string
		ok       bool
	}{
		{"* * * * *", nil, true},
		{"@hourly", &zone, true},
		{"@every 5m", nil, true},
		{"0 0 * * MON-FRI", nil, true},
		{"* * * * * *", nil, false},
		{"* * * *", nil, false},
		{"61 * * * *", nil, false},
		{"TZ=UTC * * * * *", nil, false},
		{"CRON_TZ=UTC * * * * *", nil, false},
		{"* * * * *", &bad, false},
	} {
		if _, err := kube.ParseSchedule(tt.schedule, tt.zone, nil); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.schedule, err)
		}
	}
}
