package e2e_test

import (
	"strings"
	"testing"
	"time"

	"github.com/lyandev/lyandev/supervisor/e2e/harness"
)

// TestContainersOfAPodShareTheNetwork: two containers of a pod have one network namespace, one address and one loopback.
func TestContainersOfAPodShareTheNetwork(t *testing.T) {
	t.Parallel()
	i := harness.New(t, `
x-lyandev: {semantics: kubernetes}
services:
  web:
    image: debian:trixie-slim
    command:
      - perl
      - -MIO::Socket::INET
      - -e
      - '$$s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => 7070, Listen => 5, ReuseAddr => 1) or die; while ($$c = $$s->accept) { print $$c "hello\n"; close $$c }'
    stop_grace_period: 0s
    x-lyandev: {kind: Pod}
  beside:
    image: debian:trixie-slim
    command: [sleep, infinity]
    stop_grace_period: 0s
    network_mode: service:web
    x-lyandev:
      probes:
        readiness: {exec: {command: [bash, -c, 'read -r line < /dev/tcp/127.0.0.1/7070 && test "$$line" = hello']}, periodSeconds: 1, timeoutSeconds: 8}
`)
	i.Up("--wait")
	p := i.Pod("web")
	if n := len(p.Spec.Containers); n != 2 {
		t.Fatalf("the pod has %d containers", n)
	}
	var seen []string
	for _, c := range []string{"web", "beside"} {
		seen = append(seen, i.Must("exec", "-T", "-c", c, "web", "--", "readlink", "/proc/self/ns/net"))
	}
	if seen[0] != seen[1] {
		t.Errorf("network namespaces %q", seen)
	}
	// A container that is restarted comes back into the same one, with the same address.
	before := p.Status.PodIP
	if err := i.Engine().KillContainer(t.Context(), harness.ContainerID(p, "web"), "SIGKILL"); err != nil {
		t.Fatal(err)
	}
	i.Until(30*time.Second, "web has been restarted and is ready", func(s *state) bool {
		p := s.Pod("web")
		return p != nil && podReady(p) && harness.Status(p, "web").RestartCount == 1
	})
	p = i.Pod("web")
	if p.Status.PodIP != before || harness.Status(p, "beside").RestartCount != 0 {
		t.Errorf("address %s, was %s; the other container has %d restarts", p.Status.PodIP, before, harness.Status(p, "beside").RestartCount)
	}
	if again := i.Must("exec", "-T", "-c", "web", "web", "--", "readlink", "/proc/self/ns/net"); again != seen[1] {
		t.Errorf("network namespace %q after the restart, was %q", again, seen[1])
	}
}

// TestInitContainersAndSidecarInOrder: init containers run one after the other, a sidecar among them must have started
// before the next, and runs until the main container has ended (R110 to R116).
func TestInitContainersAndSidecarInOrder(t *testing.T) {
	t.Parallel()
	i := harness.New(t, `
x-lyandev: {semantics: kubernetes}
services:
  app:
    image: debian:trixie-slim
    volumes: [./out:/out]
    command: [sh, -c, 'echo main $$(date +%s.%N) >> /out/order; trap "echo main-end $$(date +%s.%N) >> /out/order; exit 0" TERM; while :; do sleep 0.1; done']
    stop_grace_period: 10s
    x-lyandev:
      kind: Deployment
      initContainers:
        - name: first
          command: [sh, -c, 'echo first $$(date +%s.%N) >> /out/order; sleep 1; echo first-end $$(date +%s.%N) >> /out/order']
          volumeMounts: [{name: out, mountPath: /out}]
        - name: sidecar
          restartPolicy: Always
          command: [sh, -c, 'trap "echo sidecar-end $$(date +%s.%N) >> /out/order; exit 0" TERM; echo sidecar $$(date +%s.%N) >> /out/order; sleep 1.5; touch /tmp/up; while :; do sleep 0.1; done']
          volumeMounts: [{name: out, mountPath: /out}]
          startupProbe: {exec: {command: [test, -e, /tmp/up]}, periodSeconds: 1, timeoutSeconds: 8, failureThreshold: 30}
        - name: second
          command: [sh, -c, 'echo second $$(date +%s.%N) >> /out/order; sleep 0.5; echo second-end $$(date +%s.%N) >> /out/order']
          volumeMounts: [{name: out, mountPath: /out}]
      pod:
        volumes: [{name: out, hostPath: {path: OUT}}]
      container:
        volumeMounts: [{name: out, mountPath: /out}]
`)
	i.Write("compose.yaml", strings.Replace(i.Read("compose.yaml"), "path: OUT", "path: "+i.Dir+"/out", 1))
	i.Write("out/order", "")
	i.Up("--wait")
	i.Must("scale", "--wait", "app=0")
	list := marks(t, i, "order")
	if got, want := words(list), "first first-end sidecar second second-end main main-end sidecar-end"; got != want {
		t.Fatalf("order: %s\nwant:  %s", got, want)
	}
	during(t, "the sidecar's start, before the next init container", list[3].at.Sub(list[2].at), 1500*time.Millisecond, 20*time.Second)
}
