package profiles

import (
	"slices"
	"strings"
	"testing"
)

// Every case is a file and all errors it must give, exactly and in order.
func TestErrors(t *testing.T) {
	cases := []struct {
		name    string
		profile string
		file    string
		want    []string
	}{
		{"not YAML", "", "services:\n  web:\n\timage: x\n", []string{"compose.yaml:3: not valid YAML"}},
		{"empty", "", "", []string{"compose.yaml:1: the file is empty (it needs at least one service under services:)"}},
		{"a list", "", "- a\n", []string{"compose.yaml:1: the top of the file must be a mapping"}},
		{"duplicate keys, all of them", "", "services:\n  web:\n    image: a\n    image: b\n  web:\n    image: c\n", []string{
			"compose.yaml:4: services.web.image: duplicate key (the first is on line 3; remove one of them)",
			"compose.yaml:5: services.web: duplicate key (the first is on line 2; remove one of them)",
		}},
		{"an alias in itself", "", "services: &a\n  web: *a\n", []string{"compose.yaml:2: alias *a contains itself"}},
		{"unknown Compose key", "", "services:\n  web:\n    image: a\n    enviroment: {A: b}\n", []string{
			"compose.yaml:4: services.web.enviroment: unknown key (did you mean environment?)",
		}},
		{"wrong Compose types", "", "services:\n  web:\n    image: [a]\n    ports: 80\n    read_only: {}\n", []string{
			"compose.yaml:3: services.web.image: must be a string",
			"compose.yaml:4: services.web.ports: must be a list",
			"compose.yaml:5: services.web.read_only: must be a boolean or a string",
		}},
		{"unknown x-lyandev keys", "", `
x-lyandev:
  defaultProfil: a
services:
  web:
    image: a
    x-lyandev:
      knd: Pod
      timing: slow
      operator: mysql
`, []string{
			"compose.yaml:3: x-lyandev.defaultProfil: unknown key (did you mean defaultProfile?)",
			"compose.yaml:8: services.web.x-lyandev.knd: unknown key (did you mean kind?)",
			"compose.yaml:9: services.web.x-lyandev.timing: must be one of fast, strict",
			"compose.yaml:10: services.web.x-lyandev.operator: must be one of mariadb, redis, memcached",
		}},
		{"localhost", "", `
services:
  redis: {image: a, x-lyandev: {service: {ports: [{port: 6379}]}}}
  web:
    image: a
    x-lyandev:
      localhost:
        0: redis:6379
        1: redis
        2: ""
`, []string{
			`compose.yaml:8: services.web.x-lyandev.localhost.0: "0" is not a port number from 1 to 65535 (write for example 6379: redis:6379)`,
			`compose.yaml:9: services.web.x-lyandev.localhost.1: "redis" is not an address such as redis:6379`,
			`compose.yaml:10: services.web.x-lyandev.localhost.2: "" is not an address such as redis:6379`,
		}},
		{"where localhost leads to", "", `
services:
  redis: {image: a, x-lyandev: {service: {ports: [{port: 6379}]}}}
  web: {image: a, x-lyandev: {localhost: {1: rediss:6379, 2: redis:6380}}}
  beside: {image: a, network_mode: service:web, x-lyandev: {localhost: {3: redis:6379}}}
  host: {image: a, network_mode: host, x-lyandev: {localhost: {3: redis:6379}}}
x-lyandev: {semantics: kubernetes}
`, []string{
			`compose.yaml:4: services.web.x-lyandev.localhost.1: there is no Service "rediss" (did you mean redis?)`,
			`compose.yaml:4: services.web.x-lyandev.localhost.2: Service redis has no port 6380 (it has 6379)`,
			`compose.yaml:6: services.host.x-lyandev.localhost.3: a pod in the host's network has no loopback of its own`,
		}},
		{"two services of a pod and one port of localhost", "", `
services:
  redis: {image: a, x-lyandev: {service: {ports: [{port: 6379}]}}}
  web: {image: a, x-lyandev: {localhost: {3: redis:6379}}}
  beside: {image: a, network_mode: service:web, x-lyandev: {localhost: {3: redis:6380}}}
x-lyandev: {semantics: kubernetes}
`, []string{
			`compose.yaml:5: services.beside.x-lyandev.localhost.3: port 3 of the pod's loopback leads to redis:6379 already (services that share a pod share its loopback)`,
		}},
		{"Kubernetes fields", "", `
services:
  web:
    image: a
    x-lyandev:
      probes:
        liveness:
          httpGet: {prt: 80}
          periodSeconds: "10"
      env:
        - {name: A, value: 1}
      resources:
        limits: {memory: 1gigabyte}
      spec: {replicas: 2, strategi: {}}
      service:
        - {name: a, clusterIp: None}
`, []string{
			"compose.yaml:8: services.web.x-lyandev.probes.liveness.httpGet.prt: unknown key in a Kubernetes HTTPGetAction (did you mean port?)",
			"compose.yaml:9: services.web.x-lyandev.probes.liveness.periodSeconds: must be a whole number",
			"compose.yaml:11: services.web.x-lyandev.env[0].value: must be a string (write it in quotes)",
			`compose.yaml:13: services.web.x-lyandev.resources.limits.memory: "1gigabyte" is not a quantity (write for example 100m, 64Mi or 2)`,
			"compose.yaml:14: services.web.x-lyandev.spec.strategi: unknown key in a Kubernetes DeploymentSpec (did you mean strategy?)",
			"compose.yaml:16: services.web.x-lyandev.service[0].clusterIp: unknown key in a Kubernetes ServiceSpec (did you mean clusterIP?)",
		}},
		{"variables, all of them", "", `
services:
  web:
    image: ${IMAGE:?name an image}
    command: echo $(date)
    environment:
      A: ${B
`, []string{
			"compose.yaml:4: services.web.image: variable IMAGE is required: name an image (set IMAGE in the environment or in .env)",
			"services.web.environment.A",
		}},
		{"names that lead nowhere", "", `
services:
  web:
    image: a
    depends_on: [bd]
    volumes: ["data:/data"]
    configs: [cfg]
    secrets: [sec]
    networks: [front]
  side:
    image: a
    network_mode: service:wib
  db:
    image: a
  none:
    restart: always
`, []string{
			`compose.yaml:5: services.web.depends_on.bd: there is no service "bd" (did you mean db?)`,
			`compose.yaml:6: services.web.volumes[0]: there is no volume "data" (declare it under volumes:)`,
			`compose.yaml:7: services.web.configs[0]: there is no config "cfg" (declare it under configs:)`,
			`compose.yaml:8: services.web.secrets[0]: there is no secret "sec" (declare it under secrets:)`,
			`compose.yaml:9: services.web.networks.front: there is no network "front"`,
			`compose.yaml:12: services.side.network_mode: there is no service "wib" (did you mean web?)`,
			"compose.yaml:15: services.none: the service has neither image nor build",
		}},
		{"a cycle", "", `
services:
  a: {image: x, depends_on: [b]}
  b: {image: x, depends_on: [c]}
  c: {image: x, depends_on: [a]}
  d: {image: x, depends_on: [d]}
`, []string{
			"compose.yaml:5: services.c.depends_on.a: dependency cycle: a -> b -> c -> a (remove one of the dependencies)",
			"compose.yaml:6: services.d.depends_on.d: dependency cycle: d -> d (remove one of the dependencies)",
		}},
		{"a cycle through a shared pod", "", `
x-lyandev: {semantics: kubernetes}
services:
  a: {image: x, depends_on: [b]}
  b: {image: x}
  c: {image: x, network_mode: "service:b", depends_on: [a]}
`, []string{"dependency cycle between workloads: a -> b -> a"}},
		{"unknown profile", "hq", `
x-lyandev:
  profiles:
    ha: {}
services:
  a: {image: x, profiles: [debug]}
`, []string{`compose.yaml: there is no profile "hq" (did you mean ha? profiles: ha, debug)`}},
		{"profiles in a cycle", "a", `
x-lyandev:
  profiles:
    a: {extends: b}
    b: {extends: [a, zz]}
services:
  w: {image: x}
`, []string{
			"compose.yaml:4: x-lyandev.profiles.a.extends: profiles extend each other in a cycle: a -> b -> a",
			`compose.yaml:5: x-lyandev.profiles.b.extends: there is no profile "zz"`,
		}},
		{"a fragment of a profile that was not chosen", "", `
x-lyandev:
  profiles:
    ha:
      services:
        w: {imag: y, x-lyandev: {kind: Pud}}
services:
  w: {image: x}
`, []string{
			"compose.yaml:6: x-lyandev.profiles.ha.services.w.imag: unknown key (did you mean image?)",
			"compose.yaml:6: x-lyandev.profiles.ha.services.w.x-lyandev.kind: must be one of",
		}},
		{"needed from another profile", "", `
services:
  a: {image: x, depends_on: [b]}
  b: {image: x, profiles: [ha]}
`, []string{`compose.yaml:3: services.a.depends_on.b: service "b" is not part of the stack without a profile (set required: false`}},
		{"mounts of the host's own", "", `
x-lyandev: {semantics: kubernetes}
services:
  a:
    image: x
    volumes:
      - /:/host
      - /etc:/etc2
      - /var/run/docker.sock:/var/run/docker.sock
      - ../..:/up
`, []string{
			"compose.yaml:7: services.a.volumes[0]: mounting / of the host into a container is not allowed",
			"compose.yaml:8: services.a.volumes[1]: mounting /etc of the host into a container is not allowed",
			"compose.yaml:9: services.a.volumes[2]: mounting /var/run/docker.sock of the host into a container is not allowed",
			"compose.yaml:10: services.a.volumes[3]:",
		}},
		{"keys of ConfigMaps", "", `
x-lyandev:
  configMaps:
    cfg: {data: {db_user: lyanna}}
services:
  a:
    image: x
    x-lyandev:
      env:
        - {name: A, valueFrom: {configMapKeyRef: {name: cfg, key: user}}}
        - {name: B, valueFrom: {secretKeyRef: {name: cfg, key: user}}}
`, []string{
			`compose.yaml:10: services.a.x-lyandev.env[0]: ConfigMap "cfg" has no key "user" (known: db_user)`,
			`compose.yaml:11: services.a.x-lyandev.env[1]: there is no Secret "cfg"`,
		}},
		{"Kubernetes' own rules", "", `
x-lyandev:
  configMaps:
    Bad_Name: {data: {a: b}}
services:
  a:
    image: x
    x-lyandev:
      probes:
        liveness: {tcpSocket: {port: web}, periodSeconds: -1}
      service: {name: svc, ports: [{port: 70000}]}
      pod: {restartPolicy: Never}
      container:
        ports: [{name: web, containerPort: 0}]
  b:
    image: x
    command: x
    x-lyandev:
      kind: StatefulSet
      labels: {"bad key!": x}
      spec: {podManagementPolicy: Sometimes}
`, []string{
			"compose.yaml:4: x-lyandev.configMaps.Bad_Name: a lowercase RFC 1123 subdomain must",
			"compose.yaml:10: services.a.x-lyandev.probes.liveness.periodSeconds: must be greater than or equal to 0, but is -1",
			"compose.yaml:11: services.a.x-lyandev.service.ports[0].port: must be between 1 and 65535, inclusive, but is 70000",
			"compose.yaml:12: services.a.x-lyandev.pod.restartPolicy: is \"Never\"; supported values: \"Always\"",
			"compose.yaml:14: services.a.x-lyandev.container.ports[0].containerPort: is missing",
			"compose.yaml:20: services.b.x-lyandev.labels",
			"compose.yaml:21: services.b.x-lyandev.spec.podManagementPolicy",
		}},
		{"one image, two ways", "", `
services:
  a: {image: x, build: ./a}
  b: {image: x, build: ./b}
`, []string{"compose.yaml:4: services.b.build: a builds the image x differently"}},
		{"a wrong indent", "", "services:\n  a:\n    image: x\n    x-lyandev:\n    kind: StatefulSet\n    probes: {}\n", []string{
			"compose.yaml:5: services.a.kind: unknown key (kind belongs under x-lyandev: indent it)",
			"compose.yaml:6: services.a.probes: unknown key (probes belongs under x-lyandev: indent it)",
		}},
		{"one error for one value", "", "services:\n  a:\n    image: x\n    tty: perhaps\n    cpu_count: many\n", []string{
			"compose.yaml:4: services.a.tty: \"perhaps\" cannot be used here",
			"compose.yaml:5: services.a.cpu_count: \"many\" cannot be used here: it is not a number",
		}},
		{"bad service name", "", "services:\n  my db: {image: x}\n", []string{`compose.yaml:2: services.my db: this cannot be the name of a service (use letters, digits, '.', '_' and '-')`}},
		{"what only compose-go sees", "", "services:\n  a:\n    image: x\n    scale: 2\n    deploy: {replicas: 3}\n", []string{"compose.yaml:2: services.a"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := loadText(t, c.file, Options{Profiles: []string{c.profile}}, nil)
			if err == nil {
				t.Fatal("no error")
			}
			got := errorLines(t, err)
			if len(got) != len(c.want) || !slices.EqualFunc(got, c.want, strings.Contains) {
				t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

func TestLimits(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for i, prev := 0, "a"; i < 8; i++ {
		next := string(rune('b' + i))
		bomb += next + ": &" + next + " [" + strings.TrimSuffix(strings.Repeat("*"+prev+",", 10), ",") + "]\n"
		prev = next
	}
	cases := map[string]struct{ file, want string }{
		"alias bomb": {bomb, "more than 100000 values"},
		"deep":       {"a: " + strings.Repeat("[", 200) + strings.Repeat("]", 200), "nested deeper than 64 levels"},
		"very deep":  {"a: " + strings.Repeat("[", 300_000), "not valid YAML"},
		"large":      {"a: " + strings.Repeat("x", maxFileBytes), "the limit is 1048576 bytes"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := loadText(t, c.file, Options{}, nil)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %.300v, want %q", err, c.want)
			}
		})
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("services:\n  a: {image: x}\n", "")
	f.Add("x-lyandev: {profiles: {p: {services: {a: {image: !override y, ports: !reset null}}}}}\nservices: {a: {image: x, ports: ['1:2']}}", "p")
	f.Add("services: {a: &a {image: x, x-lyandev: {kind: StatefulSet, pod: {containers: [{name: a}]}}}, b: {<<: *a, network_mode: 'service:a'}}", "")
	f.Add("services: {a: {image: x, volumes: ['v:/d'], healthcheck: {test: [CMD]}, expose: ['1-2/udp'], user: 'a:b'}}\nvolumes: {v: }", "")
	f.Add("services: {a: {image: x, x-lyandev: {service: [{ports: [{port: x}]}], container: {ports: null}, spec: {template: null}}}}", "")
	f.Fuzz(func(t *testing.T, file, profile string) {
		s, err := loadText(t, file, Options{Profiles: []string{profile}}, nil)
		if err == nil && s == nil {
			t.Error("neither a stack nor an error")
		}
	})
}
