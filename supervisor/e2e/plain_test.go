package e2e_test

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/e2e/harness"
	known "github.com/lyandev/lyandev/supervisor/state"
)

// isEvent matches events by their reason and a part of their message.
func isEvent(reason, text string) func(known.Event) bool {
	return func(e known.Event) bool { return e.Reason == reason && strings.Contains(e.Message, text) }
}

// docker runs the docker command line, which must succeed.
func docker(t testing.TB, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "docker", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// same writes an alias for what the services of these files have in common.
const same = `
x-same: &same
  image: debian:trixie-slim
  init: true
  stop_grace_period: 1s
  command: [sleep, infinity]
`

// TestPlainRestartPolicies: Docker restarts as the file says, and the container stays the same.
func TestPlainRestartPolicies(t *testing.T) {
	t.Parallel()
	i := harness.New(t, same+`
services:
  once: {<<: *same, command: [sh, -c, echo once; exit 4]}
  thrice: {<<: *same, restart: "on-failure:3", command: [sh, -c, echo go; exit 5]}
  always:
    <<: *same
    restart: always
    command: [sh, -c, "echo x >> /starts; [ $$(wc -l < /starts) -ge 3 ] && exec sleep infinity; exit 0"]
`)
	i.Begin()
	p := i.UntilPod(20*time.Second, "once-1", "has failed", func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodFailed })
	if s := harness.Status(p, "once"); s.State.Terminated.ExitCode != 4 || s.RestartCount != 0 {
		t.Errorf("without restart: %+v", s)
	}
	p = i.UntilPod(20*time.Second, "thrice-1", "has failed", func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodFailed })
	if s := harness.Status(p, "thrice"); s.RestartCount != 3 || docker(t, "inspect", "-f", "{{.RestartCount}}", i.Name+"-thrice-1") != "3" {
		t.Errorf("on-failure:3: %+v", s)
	}
	i.UntilPod(20*time.Second, "always-1", "runs after two restarts", func(p *corev1.Pod) bool {
		return known.PodReady(p) && harness.Status(p, "always").RestartCount == 2
	})
	if got := docker(t, "exec", i.Name+"-always-1", "wc", "-l", "/starts"); got != "3 /starts" {
		t.Errorf("the writable layer was lost: %s", got)
	}
}

// TestPlainNames: a service's name, its links and its container's name resolve, also while it is not healthy, and not between
// networks; labels of the file are on the container.
func TestPlainNames(t *testing.T) {
	t.Parallel()
	i := harness.New(t, "")
	i.Write("compose.yaml", same+fmt.Sprintf(`
services:
  sick:
    <<: *same
    container_name: %s-own
    labels: {traefik.enable: "true"}
    networks: {one: {aliases: [other.name]}}
    healthcheck: {test: ["CMD", "getent", "hosts", "nowhere"], interval: 500ms, retries: 1}
  self:
    <<: *same
    networks: [one]
    healthcheck: {test: ["CMD", "getent", "hosts", "self"], interval: 500ms, retries: 5}
  asks: {<<: *same, networks: [one], links: ["sick:linked"]}
  apart: {<<: *same, networks: [two]}
  alone: {<<: *same, network_mode: none}
networks: {one: {}, two: {internal: true}}
`, i.Name))
	i.Begin()
	i.UntilPod(20*time.Second, "sick-1", "is unhealthy", func(p *corev1.Pod) bool {
		return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool { return strings.Contains(c.Message, "is unhealthy") })
	})
	i.Until(20*time.Second, "all run", func(s *known.Status) bool {
		return !slices.ContainsFunc(s.Pods, func(p *corev1.Pod) bool { return p.Status.Phase != corev1.PodRunning })
	})
	i.UntilPod(20*time.Second, "self-1", "is healthy", known.PodReady)
	for _, name := range []string{"sick", "linked", "other.name", i.Name + "-own"} {
		docker(t, "exec", i.Name+"-asks-1", "getent", "hosts", name)
	}
	for service, names := range map[string]string{"apart": "sick self asks", "alone": "sick"} {
		if got := docker(t, "exec", i.Name+"-"+service+"-1", "sh", "-c", "export RES_OPTIONS='timeout:1 attempts:1'; for n in "+names+"; do getent hosts $n; done; true"); got != "" {
			t.Errorf("%s resolves %q", service, got)
		}
	}
	if got := docker(t, "exec", i.Name+"-alone-1", "ls", "/sys/class/net"); got != "lo" {
		t.Errorf("with network_mode none it has %q", got)
	}
	if got := docker(t, "inspect", "-f", `{{index .Config.Labels "traefik.enable"}}`, i.Name+"-own"); got != "true" {
		t.Errorf("the label is %q", got)
	}
}

// TestPlainOneShot: it runs when it is new or changed, not when it is not; a failed one runs again with the next up.
func TestPlainOneShot(t *testing.T) {
	t.Parallel()
	file := same + `
services:
  seed: {<<: *same, command: [sh, -c, "echo %s >> /out/seed; exit %d"], volumes: [./out:/out]}
  app: {<<: *same, depends_on: {seed: {condition: service_completed_successfully}}}
`
	i := harness.New(t, fmt.Sprintf(file, "one", 0))
	ran := func(what string, want ...string) {
		t.Helper()
		if got := strings.Fields(i.Read("out/seed")); !slices.Equal(got, want) {
			t.Errorf("%s: it ran as %v, want %v", what, got, want)
		}
	}
	i.Up("--wait")
	ran("new", "one")
	app := harness.ContainerID(i.Pod("app-1"), "app")
	i.Up("--wait")
	ran("unchanged", "one")
	i.Write("compose.yaml", fmt.Sprintf(file, "two", 0))
	i.Up("--wait")
	ran("changed", "one", "two")
	i.Write("compose.yaml", fmt.Sprintf(file, "three", 3))
	_ = i.Run("up", "-d")
	failed := func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodFailed }
	before := i.UntilPod(30*time.Second, "seed-1", "has failed", failed)
	ran("failing", "one", "two", "three")
	_ = i.Run("up", "-d")
	i.UntilPod(30*time.Second, "seed-1", "has failed again", func(p *corev1.Pod) bool {
		// Not by the time: two runs may end within the second that it is told in.
		return failed(p) && harness.Status(p, "seed").RestartCount == harness.Status(before, "seed").RestartCount+1
	})
	ran("failed", "one", "two", "three", "three")
	if harness.ContainerID(i.Pod("app-1"), "app") != app {
		t.Error("what depends on it was made anew")
	}
	i.Write("compose.yaml", fmt.Sprintf(file, "two", 0))
	i.Up("--wait")
	i.Must("restart", "seed")
	i.Eventually(20*time.Second, "restart runs it again", func() bool { return strings.Count(i.Read("out/seed"), "two") == 3 })
}

// TestPlainWaitFailsAtOnce: up --wait ends with the last lines of a one-shot that others need and that failed.
func TestPlainWaitFailsAtOnce(t *testing.T) {
	t.Parallel()
	i := harness.New(t, same+`
services:
  migrate: {<<: *same, command: [sh, -c, "echo the table is missing; exit 7"]}
  app: {<<: *same, depends_on: {migrate: {condition: service_completed_successfully}}}
`)
	r := i.Run("up", "-d", "--wait", "--timeout", "100s")
	if r.Code == 0 || r.Took > 30*time.Second || !strings.Contains(r.Out+r.Err, "the table is missing") || !strings.Contains(r.Err, "migrate") {
		t.Errorf("up --wait ended with %d after %s:\n%s%s", r.Code, r.Took, r.Out, r.Err)
	}
}

// TestPlainUpOfOne: it starts what the service depends on, wants no host port of another, and leaves others alone.
func TestPlainUpOfOne(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	i := harness.New(t, same+fmt.Sprintf(`
services:
  dep: {<<: *same}
  web: {<<: *same, depends_on: [dep]}
  other: {<<: *same}
  taken: {<<: *same, ports: ["127.0.0.1:%d:80"]}
`, l.Addr().(*net.TCPAddr).Port))
	i.Up("--wait", "other")
	other := harness.ContainerID(i.Pod("other-1"), "other")
	i.Up("--wait", "web")
	var names []string
	for _, p := range i.Snapshot().Pods {
		if known.PodReady(p) {
			names = append(names, p.Name)
		}
	}
	slices.Sort(names)
	if want := []string{"dep-1", "other-1", "web-1"}; !slices.Equal(names, want) {
		t.Errorf("%v run, want %v", names, want)
	}
	if harness.ContainerID(i.Pod("other-1"), "other") != other {
		t.Error("another service was made anew")
	}
}

// TestPlainVolumesAndNetworks: an anonymous volume is filled from the image and kept when its container is made anew; external
// volumes and networks are used, and stay.
func TestPlainVolumesAndNetworks(t *testing.T) {
	t.Parallel()
	file := same + `
services:
  web:
    <<: *same
    environment: {STEP: "%s"}
    volumes: [/etc/apt, "out:/out", "named:/named"]
    networks: [default, out]
volumes: {out: {external: true, name: %s-ext}, named: {name: %s-own-name}}
networks: {out: {external: true, name: %s-ext}}
`
	i := harness.New(t, "")
	ext := i.Name + "-ext"
	docker(t, "volume", "create", ext)
	docker(t, "network", "create", ext)
	t.Cleanup(func() { // before the instance is taken down
		i.Must("down", "--volumes", "--quiet")
		docker(t, "volume", "rm", ext)
		docker(t, "network", "rm", ext)
	})
	docker(t, "run", "--rm", "-v", ext+":/out", "debian:trixie-slim", "touch", "/out/before")
	i.Write("compose.yaml", fmt.Sprintf(file, "1", i.Name, i.Name, i.Name))
	i.Up("--wait")
	c := i.Name + "-web-1"
	docker(t, "exec", c, "sh", "-ec", "ls /etc/apt/sources.list.d /out/before; touch /etc/apt/kept /out/kept /named/kept")
	before := docker(t, "inspect", "-f", "{{.Id}}", c)
	i.Write("compose.yaml", fmt.Sprintf(file, "2", i.Name, i.Name, i.Name))
	i.Up("--wait")
	if docker(t, "inspect", "-f", "{{.Id}}", c) == before {
		t.Error("it was not made anew")
	}
	docker(t, "exec", c, "ls", "/etc/apt/kept", "/out/kept", "/named/kept")
	docker(t, "volume", "inspect", i.Name+"-own-name")
	if got := docker(t, "inspect", "-f", "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}", c); !slices.Contains(strings.Fields(got), ext) {
		t.Errorf("its networks are %s", got)
	}
}

// TestPlainHealthcheckOfTheImage: it holds back what needs the service healthy.
func TestPlainHealthcheckOfTheImage(t *testing.T) {
	t.Parallel()
	var i *harness.Instance
	t.Cleanup(func() { removeImages(t, i.Name) })
	i = harness.New(t, "")
	// The image needs a name of its own: a build that takes its name from the alias would replace the base image for everybody.
	i.Write("compose.yaml", same+fmt.Sprintf(`
services:
  db: {image: %s/db, build: ./db, init: true, stop_grace_period: 1s, command: [sleep, infinity]}
  app: {<<: *same, depends_on: {db: {condition: service_healthy}}}
`, i.Name))
	i.Write("db/Dockerfile", "FROM debian:trixie-slim\nHEALTHCHECK --interval=500ms --retries=1000 CMD [\"test\", \"-e\", \"/ready\"]\n")
	i.Begin()
	p := i.UntilPod(60*time.Second, "db-1", "runs", func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning })
	if known.PodReady(p) || i.Snapshot().Pod("app-1") != nil {
		t.Error("the image's health check is ignored")
	}
	docker(t, "exec", i.Name+"-db-1", "touch", "/ready")
	i.Ready(20 * time.Second)
}

// TestPlainWatch: what develop.watch says is done to the container that Compose would make, and what was synced stays in it after
// a restart, and in the one that is made anew.
func TestPlainWatch(t *testing.T) {
	t.Parallel()
	file := same + `
services:
  web:
    <<: *same
    image: IMAGE/web
    build: ./img
    environment: {STEP: "%s"}
    command: [sh, -c, echo start >> /starts; exec sleep infinity]
    develop:
      watch:
        - {path: ./src, action: sync, target: /link, initial_sync: true}
        - {path: ./conf, action: sync+restart, target: /conf}
        - {path: ./more, action: sync+exec, target: /more, exec: {command: [sh, -ec, cat /more/x >> /execs]}}
        - {path: ./again, action: restart}
        - {path: ./img, action: rebuild}
`
	var i *harness.Instance
	t.Cleanup(func() { removeImages(t, i.Name) })
	i = harness.New(t, "")
	file = strings.Replace(file, "IMAGE", i.Name, 1)
	i.Write("compose.yaml", fmt.Sprintf(file, "1"))
	i.Write("img/Dockerfile", "FROM debian:trixie-slim\nRUN mkdir /real && ln -s /real /link\nCOPY v /v\n")
	for _, name := range []string{"img/v", "src/a", "conf/c", "more/old", "again/x"} {
		i.Write(name, "one\n")
	}
	i.Up("--wait")
	c := i.Name + "-web-1"
	has := func(what, command, want string) {
		t.Helper()
		if got := strings.Join(strings.Fields(docker(t, "exec", c, "sh", "-c", command)), " "); got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	did := func(reason, text string) {
		t.Helper()
		i.UntilEvent(60*time.Second, text, isEvent(reason, text))
	}
	first := docker(t, "inspect", "-f", "{{.Id}}", c)
	i.Write("src/b", "two\n")
	did("Synced", "src/b: sync, 1 pod in ")
	has("sync into a link", "readlink /link; cat /real/b", "/real two")
	i.Write("conf/c", "two\n")
	did("Restarted", "conf/c: sync+restart, 1 pod in ")
	has("sync+restart", "cat /conf/c /real/b /starts", "two two start start")
	i.Write("more/x", "ran\n")
	did("Synced", "more/x: sync, exec, 1 pod in ")
	has("sync+exec", "cat /execs", "ran")
	i.Write("again/x", "two")
	did("Restarted", "again/x: restart, 1 pod in ")
	has("restart", "cat /starts /conf/c /real/b /execs", "start start start two two ran")
	if docker(t, "inspect", "-f", "{{.Id}}", c) != first {
		t.Error("the container was made anew")
	}
	i.Write("compose.yaml", fmt.Sprintf(file, "2"))
	i.Up("--wait")
	has("made anew", "cat /starts /conf/c /real/b /more/x; readlink /link", "start two two ran /real")
	i.Write("img/v", "two\n")
	did("Rebuilt", "img/v: rebuild, 1 pod in ")
	has("rebuild", "cat /v /starts /conf/c /real/b", "two start two two")
	for _, v := range strings.Fields(docker(t, "volume", "ls", "-q")) {
		if strings.HasPrefix(v, i.Name) {
			t.Errorf("there is a volume %s", v)
		}
	}
	i.Write("more/x", "")
	i.Write("more/y", "x")
	if err := exec.Command("rm", i.Dir+"/more/x").Run(); err != nil {
		t.Fatal(err)
	}
	i.Until(30*time.Second, "the failed command is a warning", func(s *known.Status) bool {
		return slices.ContainsFunc(s.Warnings, func(w string) bool { return strings.HasPrefix(w, known.EditFailed("web")+"cannot run") })
	})
	if why := i.Run("why", "web"); why.Code == 0 || !strings.Contains(why.Out, "web runs without its last edit: cannot run") {
		t.Errorf("why ended with %d: %s", why.Code, why.Out)
	}
}
