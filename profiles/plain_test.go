package profiles

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
)

// containerOf decodes what Docker is asked for a plain service of the project "p".
func containerOf(t *testing.T, s *services.Stack, service string) *compose.Container {
	t.Helper()
	w := s.Find(service)
	if w == nil || !w.Plain() {
		t.Fatalf("%s is no plain service", service)
	}
	c, err := compose.Decode(w.PodMeta().Annotations[compose.Annotation], "p")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSemantics(t *testing.T) {
	cases := []struct {
		name, top, a, b string
		plainA, plainB  bool
	}{
		{"nothing said", "", "", "", true, true},
		{"keys that do not switch", "", "x-lyandev: {ports: container, reload: signal, test: x}", "", true, true},
		{"an empty extension", "", "x-lyandev: {}", "", true, true},
		{"a key of Kubernetes", "", "x-lyandev: {kind: Deployment}", "", false, true},
		{"said for the service", "", "x-lyandev: {semantics: kubernetes}", "", false, true},
		{"said for the file", "x-lyandev: {semantics: kubernetes}", "", "", false, false},
		{"the service wins", "x-lyandev: {semantics: kubernetes}", "x-lyandev: {semantics: compose}", "", true, false},
		{"a shared pod", "", "network_mode: 'service:b'", "x-lyandev: {kind: Deployment}", false, false},
		{"a shared pod, from the other side", "", "x-lyandev: {kind: Deployment}\n    network_mode: 'service:b'", "", false, false},
		{"a shared network namespace", "", "network_mode: 'service:b'", "", true, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := mustLoad(t, c.top+"\nservices:\n  a:\n    image: x\n    "+c.a+"\n  b:\n    image: x\n    "+c.b+"\n", Options{})
			plain := func(name string) bool { w := s.Workload(name); return w != nil && w.Plain() }
			if plain("a") != c.plainA || plain("b") != c.plainB {
				t.Errorf("a %v, b %v", plain("a"), plain("b"))
			}
		})
	}
}

func TestSemanticsAreNoted(t *testing.T) {
	s := mustLoad(t, "services:\n  a: {image: x, network_mode: 'service:b'}\n  b: {image: x, x-lyandev: {kind: Deployment}}\n", Options{})
	contains(t, s.Notes, "compose.yaml:2: services.a.network_mode: a has Kubernetes' semantics because it shares a pod with b")
	if len(s.Workloads) != 1 || len(s.Networks) != 0 {
		t.Errorf("%d workloads, %d networks", len(s.Workloads), len(s.Networks))
	}
}

func TestPlainErrors(t *testing.T) {
	cases := []struct{ name, field, want string }{
		{"semantics and a key of Kubernetes", "x-lyandev: {semantics: compose, kind: Pod}", "services.a.x-lyandev.kind: kind needs Kubernetes' semantics"},
		{"start_interval alone", "healthcheck: {test: x, start_interval: 1s}", "start_interval needs start_period"},
		{"no seccomp profile", "security_opt: ['seccomp=none.json']", "services.a.security_opt[0]: cannot read the seccomp profile"},
		{"no security option", "security_opt: [what]", `"what" is not a security option`},
		{"DNS by name", "dns: [name]", `services.a.dns[0]: "name" is not an IP address`},
		{"not an address", "ports: ['localhost:80:80']", "localhost"},
		{"PID namespace of a pod", "pid: 'service:k'", "services.a.pid: k has Kubernetes' semantics"},
		{"volumes of a pod", "volumes_from: [k]", "services.a.volumes_from[0]: k has Kubernetes' semantics"},
		{"an external secret", "secrets: [ext]", "secrets.ext: external configs and secrets are not supported"},
		{"a secret without its file", "secrets: [gone]", "secrets.gone.file: cannot read"},
		{"text in a read-only container", "read_only: true\n    configs: [inline]", "read_only: true"},
		{"a user that is no number", "configs: [{source: inline, uid: me}]", `services.a.configs[0].uid: "me" is not a number`},
		{"two MAC addresses", "mac_address: 02:42:ac:11:00:02\n    networks: {default: {mac_address: 02:42:ac:11:00:03}}", "network default has another mac_address"},
		{"host paths refused", "volumes: ['/etc:/e']", "/etc is outside the project directory, and x-lyandev.allowHostPaths is false"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			top := ""
			if c.name == "host paths refused" {
				top = "x-lyandev: {allowHostPaths: false}\n"
			}
			_, err := loadText(t, top+"services:\n  a:\n    image: x\n    "+c.field+"\n  k: {image: x, x-lyandev: {kind: Deployment}}\n"+
				"secrets: {ext: {external: true}, gone: {file: ./gone}}\nconfigs: {inline: {content: text}}\n", Options{}, nil)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

func TestPlainPorts(t *testing.T) {
	s := mustLoad(t, `
services:
  a: {image: x, scale: 2, ports: ["8080:80", "0.0.0.0:81:81/udp", "9000-9002:90", "53"], expose: ["100"]}
  b: {image: x, ports: ["5432:5432"], x-lyandev: {ports: container}}
  host: {image: x, network_mode: host, ports: ["82:82"]}
  bridge: {image: x, network_mode: bridge, ports: ["83:83"]}
  inside: {image: x, networks: [in], ports: ["84:84"]}
  quiet: {image: x, expose: ["85"]}
networks: {in: {internal: true}}
`, Options{})
	var got []services.HostPort
	for _, h := range s.HostPorts {
		h.Source = ""
		got = append(got, h)
	}
	want := []services.HostPort{
		{HostIP: "127.0.0.1", HostPort: 8080, Service: "a", Port: 80, Protocol: corev1.ProtocolTCP},
		{HostIP: "0.0.0.0", HostPort: 81, Service: "a", Port: 81, Protocol: corev1.ProtocolUDP},
		{HostIP: "127.0.0.1", HostPort: 9000, LastHostPort: 9002, Service: "a", Port: 90, Protocol: corev1.ProtocolTCP},
		{HostIP: "127.0.0.1", HostPort: 9001, LastHostPort: 9002, Service: "a", Port: 90, Protocol: corev1.ProtocolTCP},
		{HostIP: "127.0.0.1", HostPort: 0, Service: "a", Port: 53, Protocol: corev1.ProtocolTCP},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if len(s.Services) != 1 {
		t.Errorf("%d Services, only a needs one", len(s.Services))
	}
	wantJSON(t, s.Service("a").Spec, `{"clusterIP":"None","publishNotReadyAddresses":true,"ports":[
		{"name":"tcp-80","port":80},{"name":"udp-81","port":81,"protocol":"UDP"},{"name":"tcp-90"},{"name":"tcp-53"}]}`)
	wantJSON(t, containerOf(t, s, "b").Host.PortBindings, `{"5432/tcp":[{"HostIp":"127.0.0.1","HostPort":"5432"}]}`)
	wantJSON(t, containerOf(t, s, "bridge").Host.PortBindings, `{"83/tcp":[{"HostIp":"127.0.0.1","HostPort":"83"}]}`)
	contains(t, s.Notes, "services.inside.ports: ignored: all networks of the service are internal")
	wantJSON(t, s.Workload("a").PodSpec(), `{"containers":[{"ports":[{"containerPort":80},{"containerPort":81},{"containerPort":90},{"containerPort":53},{"containerPort":100}]}]}`)
}

func TestPlainFiles(t *testing.T) {
	text := "services:\n  a: {image: x, secrets: [env], configs: [{source: inline, target: c, mode: 0400, uid: '5', gid: '6'}, file]}\n" +
		"secrets: {env: {environment: SEC}}\nconfigs: {inline: {content: '%'}, file: {file: ./f}}\n"
	load := func(content, file, secret string) (*services.Stack, *compose.Container) {
		t.Helper()
		s, err := loadText(t, strings.ReplaceAll(text, "%", content), Options{Env: []string{"SEC=" + secret}}, map[string]string{"f": file})
		if err != nil {
			t.Fatal(err)
		}
		return s, containerOf(t, s, "a")
	}
	s, c := load("one", "x", "shh")
	want := []compose.File{
		{Target: "/run/secrets/env", Object: "env", Key: "env", Secret: true},
		{Target: "/c", Object: "inline", Key: "inline", UID: 5, GID: 6, Mode: 0o400},
	}
	if d := cmp.Diff(want, c.Files); d != "" {
		t.Error(d)
	}
	wantJSON(t, s.ConfigMaps, `[{"metadata":{"name":"inline"},"data":{"inline":"one"}}]`)
	wantJSON(t, s.Secrets, `[{"metadata":{"name":"env"},"data":{"env":"c2ho"}}]`)
	for name, changed := range map[string][3]string{
		"content": {"two", "x", "shh"}, "file": {"one", "y", "shh"}, "secret": {"one", "x", "hush"},
	} {
		if _, other := load(changed[0], changed[1], changed[2]); other.FilesHash == c.FilesHash {
			t.Errorf("the hash is the same after another %s", name)
		}
	}
	if _, same := load("one", "x", "shh"); same.FilesHash != c.FilesHash {
		t.Error("the hash differs without a change")
	}
}

func TestPlainHostPaths(t *testing.T) {
	s := mustLoad(t, `
services:
  a: {image: x, volumes: ["./in:/in", "/var/run/docker.sock:/s", "/etc/hosts:/h:ro", "vol:/v", "../up:/up"]}
  b: {image: x, volumes: ["/var/run:/r"]}
volumes: {vol: {driver_opts: {type: none, o: bind, device: /srv}}}
`, Options{})
	var got []string
	for _, h := range s.HostPaths {
		line := h.Service + " " + h.Path
		if h.Socket {
			line += " socket"
		}
		got = append(got, line)
	}
	want := []string{"a /var/run/docker.sock socket", "a /etc/hosts", "a /srv", "a UP", "b /var/run socket"}
	if len(got) == 5 && strings.HasSuffix(got[3], "/up") {
		got[3] = "a UP"
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestProvidersAndModels(t *testing.T) {
	s := mustLoad(t, `
services:
  db: {provider: {type: cloud, options: {size: 1, name: [a, b]}}}
  web:
    image: x
    depends_on: [db]
    models: {my-llm: {endpoint_var: AI}, other: }
models: {my-llm: {model: ai/smol, context_size: 1024, runtime_flags: [--x]}, other: {model: ai/o}}
`, Options{})
	if len(s.Workloads) != 1 || len(s.Workload("web").DependsOn) != 0 {
		t.Errorf("%d workloads", len(s.Workloads))
	}
	wantJSON(t, s.Providers, `[{"name":"db","type":"cloud","options":{"size":["1"],"name":["a","b"]},"dependents":["web"]}]`)
	wantJSON(t, s.Models, `[{"key":"my-llm","model":"ai/smol","contextSize":1024,"runtimeFlags":["--x"]},{"key":"other","model":"ai/o"}]`)
	want := []string{"AI=" + compose.ModelEndpoint, "MY_LLM_MODEL=ai/smol", "OTHER_MODEL=ai/o", "OTHER_URL=" + compose.ModelEndpoint}
	if d := cmp.Diff(want, containerOf(t, s, "web").Config.Env); d != "" {
		t.Error(d)
	}
}

func TestPlainWorkload(t *testing.T) {
	s := mustLoad(t, `
services:
  a:
    image: x
    pull_policy: every_12h
    stop_grace_period: 1m500ms
    deploy: {replicas: 3, labels: {team: a}, update_config: {order: start-first}}
    attach: false
    pre_start: [{command: [i], user: root}]
    post_start: [{command: [p], environment: {B: "2", A: }}]
    pre_stop: [{command: [s], privileged: true}]
    depends_on: {b: {condition: service_healthy, restart: true}, gone: {condition: service_completed_successfully}}
    volumes_from: [c]
    x-lyandev: {reload: signal, test: pytest}
  b: {image: y, build: .}
  c: {image: x, pull_policy: always}
  gone: {image: x, scale: 0, pull_policy: never}
`, Options{})
	w := s.Workload("a")
	wantJSON(t, w, `{"kind":"ComposeService","reload":"signal","test":{"command":["/bin/sh","-c","pytest"]},
		"object":{"metadata":{"annotations":{"team":"a"}},"spec":{"serviceName":"a","replicas":3,"startFirst":true}},
		"dependsOn":[{"workload":"b","condition":"service_healthy","restart":true},{"workload":"c","condition":"service_started"},{"workload":"gone","condition":"service_started"}]}`)
	wantJSON(t, w.PodMeta(), `{"annotations":{"dev.lyandev/pull-policy":"every_12h"},"labels":{"app":"a"}}`)
	wantJSON(t, w.PodSpec(), `{"terminationGracePeriodSeconds":61,"restartPolicy":"Never","containers":[{"name":"a","image":"x","imagePullPolicy":"IfNotPresent"}]}`)
	c := containerOf(t, s, "a")
	wantJSON(t, c, `{"quiet":true,"preStart":[{"command":["i"],"user":"root"}],"postStart":[{"command":["p"],"env":["A","B=2"]}],
		"preStop":[{"command":["s"],"privileged":true}],"volumesFrom":[{"workload":"c"}],"stopGrace":60500000000}`)
	for name, policy := range map[string]corev1.PullPolicy{"b": corev1.PullIfNotPresent, "c": corev1.PullAlways, "gone": corev1.PullNever} {
		if got := s.Workload(name).PodSpec().Containers[0].ImagePullPolicy; got != policy {
			t.Errorf("%s: %s", name, got)
		}
	}
	if g := s.Workload("b").PodSpec().TerminationGracePeriodSeconds; *g != 10 {
		t.Errorf("grace %d s, Docker's is 10 s", *g)
	}
}

func TestPlainDiff(t *testing.T) {
	base := "services:\n  a: {image: x, environment: {PASSWORD: one}, restart: always, configs: [c]}\nconfigs: {c: {content: old}}\n"
	cases := []struct{ name, old, new, want string }{
		{"nothing", "", "", ""},
		{"image", "image: x", "image: z", "replace  ComposeService/a: containers.a.image x -> z\n"},
		{"secret values stay out", "one", "two", "replace  ComposeService/a: containers.a.env.PASSWORD.value changed\n"},
		{"only Docker's", "restart: always", "restart: unless-stopped", "replace  ComposeService/a: host.RestartPolicy.Name always -> unless-stopped\n"},
		{"an empty list", "restart: always", "restart: always, command: []", "replace  ComposeService/a: config.Cmd changed\n"},
		{"content", "old", "new", "replace  ComposeService/a: content of config c changed\nupdate   ConfigMap/c: data.c changed\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var b strings.Builder
			for _, ch := range Diff(mustLoad(t, base, Options{}), mustLoad(t, strings.Replace(base, c.old, c.new, 1), Options{})) {
				b.WriteString(ch.String() + "\n")
			}
			if d := cmp.Diff(c.want, b.String(), cmpopts.EquateEmpty()); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestReloadWatchesConfigsAndSecrets: x-lyandev.reload watches the files that are mounted as configs and secrets, and no others.
func TestReloadWatchesConfigsAndSecrets(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"conf", "key", "data"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const text = `
services:
  Web_1:
    image: x
    configs: [conf, inline]
    secrets: [key]
    volumes: [./data:/data]
    x-lyandev: {reload: signal}
configs: {conf: {file: ./conf}, inline: {content: text}}
secrets: {key: {file: ./key}}
`
	w := mustLoad(t, text, Options{WorkDir: dir}).Find("Web_1")
	var got []string
	for _, r := range w.Watch {
		got = append(got, r.Container+" "+r.Action+" "+r.Path)
	}
	slices.Sort(got)
	if d := cmp.Diff([]string{w.Name() + " signal " + dir + "/conf", w.Name() + " signal " + dir + "/key"}, got); d != "" {
		t.Error(d)
	}
	if w := mustLoad(t, strings.ReplaceAll(text, "    x-lyandev: {reload: signal}\n", ""), Options{WorkDir: dir}).Find("Web_1"); len(w.Watch) != 0 {
		t.Errorf("without reload %v is watched", w.Watch)
	}
}

// TestExecOfWatch: the command of sync+exec keeps its user, environment, directory and privileges.
func TestExecOfWatch(t *testing.T) {
	s, err := Load(context.Background(), Options{WorkDir: write(t, map[string]string{"compose.yaml": `
services:
  web:
    image: a
    develop:
      watch:
        - {action: sync+exec, path: ./src, target: /app, exec: {command: reload now, user: app, privileged: true, working_dir: /srv, environment: [A=1]}}
`})})
	if err != nil {
		t.Fatal(err)
	}
	want := &compose.Hook{Command: []string{"reload", "now"}, User: "app", Privileged: true, WorkingDir: "/srv", Env: []string{"A=1"}}
	if d := cmp.Diff(want, s.Workload("web").Watch[0].Exec); d != "" || len(s.NotApplied) != 0 {
		t.Errorf("(-want +got):\n%s\nnot applied: %q", d, s.NotApplied)
	}
}
