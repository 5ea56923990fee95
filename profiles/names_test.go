package profiles

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation"
	"pgregory.net/rapid"

	"github.com/lyandev/lyandev/services"
)

func TestDNSNames(t *testing.T) {
	long := strings.Repeat("a", 60)
	got := dnsNames([]string{"my_db", "my-db", "My.DB", "Api", "web", "_x_", "...", "a__b", long}, 52)
	want := map[string]string{
		"my-db": "my-db", "My.DB": "my-db-2", "my_db": "my-db-3", "Api": "api", "web": "web", "_x_": "x-2", "...": "x", "a__b": "a--b",
		long: strings.Repeat("a", 43) + "-11ee3912",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfDistinct(rapid.StringMatching(`[a-cA-C._-]{1,12}`), rapid.ID).Draw(t, "names")
		limit := rapid.IntRange(12, 20).Draw(t, "limit")
		out, seen := dnsNames(names, limit), map[string]bool{}
		for _, n := range names {
			if bad := validation.IsDNS1123Label(out[n]); len(bad) > 0 || len(out[n]) > limit || seen[out[n]] {
				t.Fatalf("%q became %q: %v", n, out[n], bad)
			}
			seen[out[n]] = true
		}
	})
}

// TestNamesOfPeople: names that Kubernetes does not allow are mapped, and both the name in the file and the internal one lead to
// the pods.
func TestNamesOfPeople(t *testing.T) {
	s := mustLoad(t, `
name: My_Shop.v2
x-lyandev: {configMaps: {app: {data: {A: b}}}}
services:
  My_DB:
    image: db
    volumes: ['db_Data_v1:/data']
    configs: [{source: App.conf_1}]
    secrets: [DB_PASSWORD]
    networks: {default: {aliases: [DataBase, db.local, api]}}
    healthcheck: {test: [CMD, "true"]}
    x-lyandev: {kind: StatefulSet}
  api:
    image: api
    depends_on: {My_DB: {condition: service_healthy}}
    ports: ['8080:80']
    x-lyandev: {kind: Deployment}
  Log_Side:
    image: side
    network_mode: service:api
    stop_signal: SIGINT
    x-lyandev: {kind: Deployment}
  `+strings.Repeat("n", 63)+`:
    image: x
    x-lyandev: {kind: StatefulSet}
volumes: {db_Data_v1: }
configs: {App.conf_1: {content: c}}
secrets: {DB_PASSWORD: {environment: PW}}
`, Options{Env: []string{"PW=p"}})
	if s.Name != "my_shopv2" {
		t.Errorf("project %s", s.Name)
	}
	db, api := s.Workload("my-db"), s.Workload("api")
	if db == nil || api == nil || api.DependsOn[0].Workload != "my-db" {
		t.Fatalf("workloads: %v %v", db, api)
	}
	pod := api.PodSpec()
	if pod.Containers[1].Name != "log-side" || api.PodMeta().Annotations[StopSignalAnnotation+".log-side"] != "SIGINT" {
		t.Errorf("the service that shares the pod: %v %v", pod.Containers[1].Name, api.PodMeta().Annotations)
	}
	if s.ConfigMaps[1].Name != "app-conf-1" || s.Secrets[0].Name != "db-password" {
		t.Errorf("%s %s", s.ConfigMaps[1].Name, s.Secrets[0].Name)
	}
	names := map[string]string{}
	for _, svc := range s.Services {
		names[svc.Name] = svc.Annotations[services.NamesAnnotation]
	}
	long := dnsName(strings.Repeat("n", 63), 52)
	want := map[string]string{"my-db": "My_DB", "api": "", "database": "DataBase", "db-local": "db.local", long: strings.Repeat("n", 63)}
	if d := cmp.Diff(want, names); d != "" {
		t.Error(d)
	}
	contains(t, s.Notes, "ignored: the alias api, because service api has that name")
}

// TestErrorsNameWhatIsInTheFile: a mapped service's errors have the name and the line of the file.
func TestErrorsNameWhatIsInTheFile(t *testing.T) {
	_, err := loadText(t, "services:\n  My_DB:\n    image: db\n    x-lyandev:\n      kind: Deployment\n      envFrom: [{configMapRef: {name: gone}}]\n", Options{}, nil)
	contains(t, errorLines(t, err), `compose.yaml:6: services.My_DB.x-lyandev.envFrom[0]: there is no ConfigMap "gone"`)
}

func TestSecretsTakeStringData(t *testing.T) {
	s := mustLoad(t, "x-lyandev:\n  secrets:\n    a: {stringData: {A: x}}\n    b: {data: {A: x, B: y}, stringData: {B: z}}\nservices: {a: {image: x}}\n", Options{})
	got := map[string]string{}
	for _, sec := range s.Secrets {
		for k, v := range sec.Data {
			got[sec.Name+"."+k] = string(v)
		}
	}
	if d := cmp.Diff(map[string]string{"a.A": "x", "b.A": "x", "b.B": "z"}, got); d != "" {
		t.Error(d)
	}
}
