package profiles

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
)

// subset reports where want has something that got has not; lists must be equal in length.
func subset(path string, want, got any) []string {
	switch w := want.(type) {
	case map[string]any:
		g, _ := got.(map[string]any)
		var out []string
		for k, v := range w {
			out = append(out, subset(path+"."+k, v, g[k])...)
		}
		return out
	case []any:
		g, _ := got.([]any)
		if len(g) != len(w) {
			raw, _ := json.Marshal(got)
			return []string{path + ": another length: " + string(raw)}
		}
		var out []string
		for i := range w {
			out = append(out, subset(path+index(i), w[i], g[i])...)
		}
		return out
	}
	if d := cmp.Diff(want, got); d != "" {
		return []string{path + ": " + d}
	}
	return nil
}

// wantPod checks that the pod spec of "a" contains a JSON fragment.
func wantPod(t *testing.T, s *services.Stack, fragment string) {
	t.Helper()
	wantJSON(t, s.Workload("a").PodSpec(), fragment)
}

func wantJSON(t *testing.T, got any, fragment string) {
	t.Helper()
	var want any
	if err := json.Unmarshal([]byte(fragment), &want); err != nil {
		t.Fatalf("bad fragment: %v", err)
	}
	for _, d := range subset("", want, asJSON(got)) {
		t.Error(d)
	}
}

// Each case is what stands in service "a" and what its pod spec must then contain.
func TestComposeFields(t *testing.T) {
	container := func(s string) string { return `{"containers":[{` + s + `}]}` }
	cases := []struct{ name, field, want string }{
		{"command", "command: echo hi there", container(`"args":["echo","hi","there"]`)},
		{"entrypoint", `entrypoint: [sh, -c, 'echo $$HOME $$(A)']`, container(`"command":["sh","-c","echo $$HOME $$(A)"]`)},
		{"shell variables stay", `command: [sh, -c, 'echo $$HOME']`, container(`"args":["sh","-c","echo $HOME"]`)},
		{"environment", "environment: {B: x, A: 1, C: '$$(A)'}", container(`"env":[{"name":"A","value":"1"},{"name":"B","value":"x"},{"name":"C","value":"$$(A)"}]`)},
		{"user", `user: "1001:1002"`, container(`"securityContext":{"runAsUser":1001,"runAsGroup":1002}`)},
		{"working_dir", "working_dir: /app", container(`"workingDir":"/app"`)},
		{"stop_grace_period", "stop_grace_period: 1m500ms", `{"terminationGracePeriodSeconds":61}`},
		{"tty", "tty: true\n    stdin_open: true", container(`"tty":true,"stdin":true`)},
		{"read_only", "read_only: true", container(`"securityContext":{"readOnlyRootFilesystem":true}`)},
		{"privileged", "privileged: true", container(`"securityContext":{"privileged":true}`)},
		{"capabilities", "cap_add: [CAP_NET_ADMIN]\n    cap_drop: [all]", container(`"securityContext":{"capabilities":{"add":["NET_ADMIN"],"drop":["ALL"]}}`)},
		{"security_opt", "security_opt: ['no-new-privileges:true', 'seccomp:unconfined']", container(`"securityContext":{"allowPrivilegeEscalation":false,"seccompProfile":{"type":"Unconfined"}}`)},
		{"limits", "cpus: 0.5\n    mem_limit: 64m\n    mem_reservation: 32m", container(`"resources":{"limits":{"cpu":"500m","memory":"64Mi"},"requests":{"memory":"32Mi"}}`)},
		{"deploy.resources", "deploy: {resources: {limits: {cpus: '0.25', memory: 1g}, reservations: {cpus: '0.1'}}}", container(`"resources":{"limits":{"cpu":"250m","memory":"1Gi"},"requests":{"cpu":"100m"}}`)},
		{"x resources win", "mem_limit: 64m\n    x-lyandev: {resources: {limits: {memory: 1Gi}}}", container(`"resources":{"limits":{"memory":"1Gi"}}`)},
		{"healthcheck", "healthcheck: {test: curl -f localhost, interval: 5s, timeout: 2s, retries: 4, start_period: 1m}", container(`"readinessProbe":{"exec":{"command":["/bin/sh","-c","curl -f localhost"]},"periodSeconds":5,"timeoutSeconds":2,"failureThreshold":4},"livenessProbe":null`)},
		{"healthcheck defaults", "healthcheck: {test: [CMD, 'true']}", container(`"readinessProbe":{"exec":{"command":["true"]},"periodSeconds":30,"timeoutSeconds":30,"failureThreshold":3}`)},
		{"healthcheck off", "healthcheck: {disable: true}", container(`"readinessProbe":null`)},
		{"probes win", "healthcheck: {test: x}\n    x-lyandev: {probes: {readiness: {tcpSocket: {port: 80}}}}", container(`"readinessProbe":{"tcpSocket":{"port":80},"exec":null}`)},
		{"tmpfs", "tmpfs: ['/run:size=64m']", `{"volumes":[{"emptyDir":{"medium":"Memory","sizeLimit":"64Mi"}}],"containers":[{"volumeMounts":[{"mountPath":"/run"}]}]}`},
		{"shm_size", "shm_size: 128m", `{"volumes":[{"emptyDir":{"medium":"Memory","sizeLimit":"128Mi"}}],"containers":[{"volumeMounts":[{"mountPath":"/dev/shm"}]}]}`},
		{"anonymous volume", "volumes: [/data]", `{"volumes":[{"name":"a-data","emptyDir":{}}],"containers":[{"volumeMounts":[{"name":"a-data","mountPath":"/data"}]}]}`},
		{"named volume", "volumes: ['v_1:/data:ro']", `{"volumes":[{"name":"v-1","persistentVolumeClaim":{"claimName":"v-1"}}],"containers":[{"volumeMounts":[{"name":"v-1","mountPath":"/data","readOnly":true}]}]}`},
		{"config", "configs: [{source: cfg, target: /etc/c.conf, mode: 0440}]", `{"volumes":[{"configMap":{"name":"cfg","items":[{"key":"cfg","path":"cfg","mode":288}]}}],"containers":[{"volumeMounts":[{"mountPath":"/etc/c.conf","subPath":"cfg","readOnly":true}]}]}`},
		{"secret", "secrets: [sec]", `{"volumes":[{"secret":{"secretName":"sec","items":[{"key":"sec","path":"sec"}]}}],"containers":[{"volumeMounts":[{"mountPath":"/run/secrets/sec","subPath":"sec"}]}]}`},
		{"extra_hosts", "extra_hosts: ['db=10.0.0.1', 'db2=10.0.0.1']", `{"hostAliases":[{"ip":"10.0.0.1","hostnames":["db","db2"]}]}`},
		{"extra_hosts that Kubernetes would refuse", "extra_hosts: ['host.docker.internal=host-gateway', 'My_db=10.0.0.1']", `{"hostAliases":[{"ip":"10.0.0.1","hostnames":["My_db"]},{"ip":"host-gateway","hostnames":["host.docker.internal"]}]}`},
		{"hostname", "hostname: h", `{"hostname":"h"}`},
		{"dns", "dns: 1.1.1.1\n    dns_search: [x.y]\n    dns_opt: ['ndots:2', rotate]", `{"dnsConfig":{"nameservers":["1.1.1.1"],"searches":["x.y"],"options":[{"name":"ndots","value":"2"},{"name":"rotate"}]}}`},
		{"host namespaces", "pid: host\n    ipc: host\n    network_mode: host", `{"hostPID":true,"hostIPC":true,"hostNetwork":true}`},
		{"group_add", "group_add: ['20']", `{"securityContext":{"supplementalGroups":[20]}}`},
		{"sysctls", "sysctls: {net.core.somaxconn: 1024}", `{"securityContext":{"sysctls":[{"name":"net.core.somaxconn","value":"1024"}]}}`},
		{"sysctls of a service and its pod", "sysctls: {net.core.somaxconn: 1024}\n  b:\n    image: x\n    network_mode: service:a\n    sysctls: {net.core.somaxconn: 1024}", `{"securityContext":{"sysctls":[{"name":"net.core.somaxconn","value":"1024"}]}}`},
		{"Compose's default, not that of Kubernetes for :latest", "init: true", container(`"image":"x","imagePullPolicy":"IfNotPresent"`)},
		{
			"an image of a sidecar alone", "x-lyandev: {sidecars: [{name: s, image: y}]}",
			`{"containers":[{"name":"a"},{"name":"s","image":"y","imagePullPolicy":"IfNotPresent"}]}`,
		},
		{"pull_policy", "pull_policy: always", container(`"imagePullPolicy":"Always"`)},
		{"hooks", "post_start: [{command: [x]}]\n    pre_stop: [{command: [y, z]}]", container(`"lifecycle":{"postStart":{"exec":{"command":["x"]}},"preStop":{"exec":{"command":["y","z"]}}}`)},
		{"ports and expose", "ports: ['8080:80', {target: 53, protocol: udp, name: dns}]\n    expose: ['90-91']", container(`"ports":[{"containerPort":80,"protocol":"TCP"},{"containerPort":53,"protocol":"UDP","name":"dns"},{"containerPort":90},{"containerPort":91}]`)},
		{"init containers", "x-lyandev: {initContainers: [{name: i, command: [x]}], sidecars: [{image: s}]}", `{"initContainers":[{"name":"i","image":"x","command":["x"]}],"containers":[{"name":"a"},{"name":"a-0","image":"s"}]}`},
		{"env and envFrom", "environment: {A: old}\n    x-lyandev: {env: [{name: A, value: new}], envFrom: [{configMapRef: {name: other, optional: true}}]}", container(`"env":[{"name":"A","value":"new"}],"envFrom":[{"configMapRef":{"name":"other"}}]`)},
		{"pod patch", "x-lyandev: {pod: {securityContext: {fsGroup: 7}, containers: [{name: a, imagePullPolicy: Never}]}}", `{"securityContext":{"fsGroup":7},"containers":[{"name":"a","image":"x","imagePullPolicy":"Never"}]}`},
		{"container patch by port", "expose: ['80', '81']\n    x-lyandev: {container: {ports: [{containerPort: 81, name: web}]}}", container(`"ports":[{"containerPort":80},{"containerPort":81,"name":"web"}]`)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			wantPod(t, mustLoad(t, composeWith(c.field), Options{Env: []string{"SEC=shh"}}), c.want)
		})
	}
}

func composeWith(field string) string {
	return "x-lyandev: {semantics: kubernetes}\nservices:\n  a:\n    image: x\n    " + field + "\nvolumes: {v_1: {}}\nconfigs: {cfg: {content: hello}}\nsecrets: {sec: {environment: SEC}}\n"
}

func TestKinds(t *testing.T) {
	cases := []struct{ name, field, kind string }{
		{"default", "restart: always", "Deployment"},
		{"said", "x-lyandev: {kind: StatefulSet}", "StatefulSet"},
		{"not restarted", `restart: "no"`, "Pod"},
		{"everywhere", "deploy: {mode: global}", "DaemonSet"},
		{"job mode", "deploy: {mode: replicated-job}", "Job"},
		{"schedule", "x-lyandev: {schedule: '0 3 * * *'}", "CronJob"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := mustLoad(t, composeWith(c.field), Options{}).Workload("a").Kind(); got != c.kind {
				t.Errorf("%s, want %s", got, c.kind)
			}
		})
	}
}

func TestOneShot(t *testing.T) {
	s := mustLoad(t, `
x-lyandev: {semantics: kubernetes}
services:
  migrate: {image: x, restart: "on-failure:4"}
  web: {image: x, depends_on: {migrate: {condition: service_completed_successfully, restart: true}}}
`, Options{})
	job, ok := s.Workload("migrate").Object.(*batchv1.Job)
	if !ok {
		t.Fatalf("a %s", s.Workload("migrate").Kind())
	}
	if *job.Spec.BackoffLimit != 4 || job.Spec.Template.Spec.RestartPolicy != corev1.RestartPolicyOnFailure {
		t.Errorf("limit %d, policy %s", *job.Spec.BackoffLimit, job.Spec.Template.Spec.RestartPolicy)
	}
	if s.Service("migrate") != nil {
		t.Error("a job has no Service")
	}
	want := []services.Dependency{{Workload: "migrate", Condition: services.Completed, Restart: true, Reason: "depends_on"}}
	if d := cmp.Diff(want, s.Workload("web").DependsOn); d != "" {
		t.Error(d)
	}
}

func TestStatefulSet(t *testing.T) {
	s := mustLoad(t, `
x-lyandev: {semantics: kubernetes}
services:
  db:
    image: x
    deploy: {replicas: 2}
    volumes: ["data:/data", "shared:/shared"]
    x-lyandev: {kind: StatefulSet, volumeClaims: [data], spec: {podManagementPolicy: Parallel}}
volumes: {data: {}, shared: {}}
`, Options{})
	set := s.Workload("db").Object.(*appsv1.StatefulSet)
	wantJSON(t, set.Spec, `{"replicas":2,"serviceName":"db","podManagementPolicy":"Parallel","volumeClaimTemplates":[{"metadata":{"name":"data"}}],
		"template":{"spec":{"volumes":[{"name":"shared","persistentVolumeClaim":{"claimName":"shared"}}]}}}`)
}

func TestSharedPod(t *testing.T) {
	s := mustLoad(t, `
x-lyandev: {semantics: kubernetes}
services:
  side: {image: y, network_mode: "service:main", depends_on: [db], stop_signal: SIGINT, expose: ["90"], volumes: [/data], x-lyandev: {labels: {has: side}}}
  main: {image: x, stop_signal: SIGQUIT, ports: ["127.0.0.1:8080:90"], volumes: [/data]}
  db: {image: x}
`, Options{})
	if len(s.Workloads) != 2 {
		t.Fatalf("%d workloads", len(s.Workloads))
	}
	w := s.Workload("main")
	wantJSON(t, w.PodSpec(), `{"containers":[{"name":"main","volumeMounts":[{"name":"main-data"}]},{"name":"side","volumeMounts":[{"name":"side-data"}]}]}`)
	wantJSON(t, w.PodMeta(), `{"labels":{"app":"main","has":"side"},"annotations":{"dev.lyandev/stop-signal":"SIGQUIT","dev.lyandev/stop-signal.side":"SIGINT"}}`)
	if len(w.DependsOn) != 1 || w.DependsOn[0].Workload != "db" {
		t.Errorf("depends on %v", w.DependsOn)
	}
	wantJSON(t, s.HostPorts, `[{"hostIP":"127.0.0.1","hostPort":8080,"service":"main","port":90}]`)
}

func TestServicesAndPorts(t *testing.T) {
	s := mustLoad(t, `
x-lyandev:
  semantics: kubernetes
  services:
    all: {selector: {tier: front}, ports: [{port: 80}]}
  ingresses:
    in: {labels: {a: b}, rules: [{host: blog.localhost}]}
services:
  web:
    image: x
    ports: ["8000:8000", "0.0.0.0::9000", "7000-7001:7000-7001/udp"]
    networks: {default: {aliases: [www]}}
    x-lyandev:
      labels: {tier: front}
      service:
        - {name: web-svc, ports: [{name: http, port: 80, targetPort: 8000}]}
        - {clusterIP: None}
`, Options{})
	wantJSON(t, s.Service("all").Spec, `{"selector":{"tier":"front"},"type":"ClusterIP","ports":[{"port":80,"targetPort":80,"protocol":"TCP"}]}`)
	wantJSON(t, s.Service("www").Spec, `{"clusterIP":"None","selector":{"app":"web"}}`)
	wantJSON(t, s.Ingresses, `[{"metadata":{"name":"in","labels":{"a":"b"}},"spec":{"rules":[{"host":"blog.localhost"}]}}]`)
	wantJSON(t, s.HostPorts, `[
		{"hostIP":"127.0.0.1","hostPort":8000,"service":"web-svc","port":80,"protocol":"TCP"},
		{"hostIP":"0.0.0.0","hostPort":0,"service":"web","port":9000},
		{"hostIP":"127.0.0.1","hostPort":7000,"service":"web","port":7000,"protocol":"UDP"},
		{"hostPort":7001,"port":7001}]`)
}

func TestDefaultServiceIsHeadlessWithNamedPorts(t *testing.T) {
	s := mustLoad(t, "x-lyandev: {semantics: kubernetes}\nservices:\n  a: {image: x, expose: ['80', '53/udp']}\n  b: {image: x, x-lyandev: {service: false}}\n", Options{})
	wantJSON(t, s.Service("a").Spec, `{"clusterIP":"None","selector":{"app":"a","app.kubernetes.io/name":"a"},"ports":[{"name":"tcp-80","port":80},{"name":"udp-53","port":53,"protocol":"UDP"}]}`)
	if s.Service("b") != nil {
		t.Error("b wants no Service")
	}
}

func TestConfigsAndSecrets(t *testing.T) {
	s, err := loadText(t, `
x-lyandev:
  semantics: kubernetes
  configMaps: {cm: {data: {n: 3306, s: text}, labels: {a: b}}}
  secrets: {tls: {type: kubernetes.io/tls, data: {key: k}}}
services:
  a: {image: x, configs: [inline, file_1], secrets: [env]}
configs:
  inline: {content: "port ${PORT}"}
  file_1: {file: ./f.txt}
  unused: {file: ./none.txt}
secrets:
  env: {environment: SEC}
`, Options{Env: []string{"PORT=80", "SEC=shh"}}, map[string]string{"f.txt": "from a file"})
	if err != nil {
		t.Fatal(err)
	}
	wantJSON(t, s.ConfigMaps, `[{"metadata":{"name":"cm","labels":{"a":"b"}},"data":{"n":"3306","s":"text"}},
		{"metadata":{"name":"file-1"},"data":{"file_1":"from a file"}},{"metadata":{"name":"inline"},"data":{"inline":"port 80"}}]`)
	wantJSON(t, s.Secrets, `[{"metadata":{"name":"tls"},"type":"kubernetes.io/tls","data":{"key":"aw=="}},{"metadata":{"name":"env"},"data":{"env":"c2ho"}}]`)
}

func TestBuilds(t *testing.T) {
	s, err := loadText(t, `
name: shop
x-lyandev: {semantics: kubernetes}
services:
  web:
    build:
      context: ./src
      dockerfile: D
      target: prod
      args: {A: "1"}
      labels: {l: v}
      secrets: [ca, gone]
      ssh: [default]
      additional_contexts: {other: ./other}
      cache_from: ['type=local,src=x']
      network: host
      platforms: [linux/amd64]
      pull: true
      no_cache: true
    develop:
      watch:
        - {action: sync, path: ./src, target: /app, ignore: [tests/], initial_sync: true}
        - {action: rebuild, path: ./src/D}
  worker: {image: shop-web}
  inline: {image: i, build: {context: ., dockerfile_inline: "FROM x"}}
  mariadb: {image: m, build: assets/images/mariadb}
secrets:
  ca: {file: ./ca.pem}
  gone: {file: ./gone.pem}
`, Options{}, map[string]string{"src/D": "FROM x", "ca.pem": "x"})
	if err != nil {
		t.Fatal(err)
	}
	dir := s.Dir
	want := &services.Build{
		Source: filepath.Join(dir, "compose.yaml:6"), Name: "web", Image: "shop-web", Context: filepath.Join(dir, "src"), Dockerfile: "D", Target: "prod",
		Args: map[string]string{"A": "1"}, Labels: map[string]string{"l": "v"}, CacheFrom: []string{"type=local,src=x"},
		AdditionalContexts: map[string]string{"other": filepath.Join(dir, "other")},
		Secrets:            map[string]string{"ca": filepath.Join(dir, "ca.pem")}, SecretValues: map[string]string{}, SSH: map[string]string{"default": ""},
		Platform: "linux/amd64", Network: "host", NoCache: true, Pull: true,
	}
	if d := cmp.Diff(want, s.Build("web")); d != "" {
		t.Error(d)
	}
	if got := s.Build("mariadb").Context; got != "embedded:images/mariadb" {
		t.Error(got)
	}
	if s.Build("inline").DockerfileInline != "FROM x" || s.Build("worker") != nil {
		t.Errorf("builds %v", s.Builds)
	}
	wantJSON(t, s.Workload("worker").PodSpec(), `{"containers":[{"image":"shop-web","imagePullPolicy":"IfNotPresent"}]}`)
	wantJSON(t, s.Workload("web").Watch, `[{"container":"web","action":"sync","target":"/app","ignore":["tests/"],"initialSync":true},{"action":"rebuild","build":"web"}]`)
	contains(t, s.Notes, "gone.pem does not exist")
}

func TestBindMounts(t *testing.T) {
	dir := write(t, map[string]string{"p/compose.yaml": "x-lyandev: {semantics: kubernetes}\nservices:\n  a:\n    image: x\n    volumes: ['./src:/app', '" + t.TempDir() + ":/abs', ./new:/new]\n", "p/src/f": ""})
	s, err := Load(t.Context(), Options{Files: []string{filepath.Join(dir, "p/compose.yaml")}})
	if err != nil {
		t.Fatal(err)
	}
	wantPod(t, s, `{"volumes":[{"hostPath":{"path":"`+filepath.Join(dir, "p/src")+`"}},{"hostPath":{"type":"DirectoryOrCreate"}},{"hostPath":{"type":"DirectoryOrCreate"}}]}`)
	if err := os.Mkdir(filepath.Join(dir, "p/new"), 0o755); err != nil {
		t.Fatal(err)
	}
	again, err := Load(t.Context(), Options{Files: []string{filepath.Join(dir, "p/compose.yaml")}})
	if err != nil || !reflect.DeepEqual(s.Workload("a"), again.Workload("a")) {
		t.Errorf("a directory that has been made makes another workload (%v)", err)
	}
	if err := os.Symlink("/etc", filepath.Join(dir, "p/link")); err != nil {
		t.Fatal(err)
	}
	_, err = loadText(t, "x-lyandev: {semantics: kubernetes}\nservices: {a: {image: x, volumes: ['./link:/x']}}", Options{WorkDir: filepath.Join(dir, "p")}, nil)
	if err == nil || !strings.Contains(err.Error(), "mounting /etc of the host") {
		t.Errorf("a link out of the project: %v", err)
	}
}

func TestAnnotations(t *testing.T) {
	s := mustLoad(t, composeWith("user: www\n    init: true\n    platform: linux/arm64\n    labels: {good: yes, traefik.rule: 'Host(`x`)'}\n    x-lyandev: {shim: false, annotations: {k: v}}"), Options{})
	wantJSON(t, s.Workload("a").PodMeta(), `{"labels":{"good":"yes"},"annotations":{"dev.lyandev/user":"www","dev.lyandev/init":"true","dev.lyandev/shim":"false","dev.lyandev/platform":"linux/arm64","traefik.rule":"Host(`+"`x`"+`)","k":"v"}}`)
}

func TestWorkloadExtras(t *testing.T) {
	s := mustLoad(t, composeWith(`x-lyandev:
      operator: redis
      options: {quorum: 2}
      restartOn: [redis-master-changed]
      timing: strict
      test: {command: pytest -q, host: true, env: {A: 1}}
      bootstrap: [{name: n, check: [c], run: do it}]`), Options{})
	w := s.Workload("a")
	wantJSON(t, w, `{"operator":"redis","options":{"quorum":"2"},"restartOn":["redis-master-changed"],"timing":"strict",
		"test":{"command":["/bin/sh","-c","pytest -q"],"host":true,"env":{"A":"1"}},
		"bootstrap":[{"name":"n","check":["c"],"run":["/bin/sh","-c","do it"],"when":"always"}]}`)
	wantPod(t, s, `{"readinessGates":[{"conditionType":"dev.lyandev/right"}]}`)
	if !strings.HasSuffix(w.Source, "compose.yaml:3") {
		t.Errorf("source %s", w.Source)
	}
}

func TestNotes(t *testing.T) {
	s := mustLoad(t, `
x-lyandev: {semantics: kubernetes}
services:
  a:
    image: x-${NOT_SET}
    logging: {driver: none}
    cgroup_parent: x
    networks: [front]
    security_opt: ["label:disable"]
    deploy: {placement: {constraints: [a]}}
    x-lyandev: {kind: DaemonSet}
    scale: 3
networks: {front: {driver: overlay}}
`, Options{})
	for _, want := range []string{
		"compose.yaml:5: variable NOT_SET is not set",
		"compose.yaml:6: services.a.logging: ignored",
		"compose.yaml:7: services.a.cgroup_parent: ignored",
		"compose.yaml:8: services.a.networks.front: approximated",
		"compose.yaml:9: services.a.security_opt[0]: ignored",
		"compose.yaml:10: services.a.deploy.placement: ignored",
		"a DaemonSet has no replicas",
		"compose.yaml:13: networks.front",
	} {
		contains(t, s.Notes, want)
	}
}
