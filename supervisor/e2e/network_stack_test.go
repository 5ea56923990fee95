package e2e_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/e2e/harness"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/network"
)

// netServices are a Deployment of three behind several Services, a StatefulSet of three behind a headless one, and a client.
const netServices = `
x-lyandev: {semantics: kubernetes}
services:
  web: &pod
    image: lyandev-e2e/testpod:dev
    build: {context: image, dockerfile_inline: "FROM debian:trixie-slim\nCOPY testpod /testpod\nCMD [\"/testpod\", \"serve\"]\n"}
    ports: ["8080"]
    stop_grace_period: 5s
    deploy: {replicas: 3}
    x-lyandev:
      kind: Deployment
      service:
        - name: web
          ports: [{name: http, port: 80, targetPort: http}, {name: talk, port: 90, protocol: UDP, targetPort: 9000}]
        - {name: web-sticky, sessionAffinity: ClientIP, ports: [{port: 80, targetPort: 8080}]}
        - {name: web-raw, ports: [{name: echo, port: 1, targetPort: 9001}, {name: source, port: 2, targetPort: 9002}]}
      container: {ports: [{name: http, containerPort: 8080}]}
      probes: {readiness: {httpGet: {path: /ready, port: 8080}, periodSeconds: 1, failureThreshold: 1}}
`

const netNames = netServices + `
  db:
    image: lyandev-e2e/testpod:dev
    stop_grace_period: 1s
    deploy: {replicas: 3}
    x-lyandev:
      kind: StatefulSet
      service: {clusterIP: None, ports: [{name: memcache, port: 11211, targetPort: 9001}]}
      pod: {enableServiceLinks: false}
      probes: {readiness: {httpGet: {path: /ready, port: 8080}, periodSeconds: 1, failureThreshold: 1}}
  client:
    image: lyandev-e2e/testpod:dev
    stop_grace_period: 1s
    depends_on: [web]
    x-lyandev: {kind: Pod, service: false}
---
x-lyandev:
  services:
    empty: {selector: {app: nobody}, ports: [{port: 80}]}
    outside: {type: ExternalName, externalName: example.com}
    db-early: {clusterIP: None, publishNotReadyAddresses: true, selector: {app: db}, ports: [{port: 9001}]}
`

// newNet prepares an instance of a stack of test pods.
func newNet(t testing.TB, compose string) *harness.Instance {
	t.Helper()
	path, err := testpod()
	if err != nil {
		t.Fatal(err)
	}
	i := harness.New(t, compose)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	i.Write("image/testpod", string(content))
	if err := os.Chmod(filepath.Join(i.Dir, "image", "testpod"), 0o755); err != nil {
		t.Fatal(err)
	}
	return i
}

// testpod builds what the pods run, once for the process. It stays where it is: builds are the same each time.
var testpod = sync.OnceValues(func() (string, error) {
	path := filepath.Join(os.TempDir(), "lyandev-e2e-testpod", "testpod")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", path, "./testpod")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("cannot build the test pods' program: %w\n%s", err, out)
	}
	return path, nil
})

// hostURL is where a Service's port answers on the host.
func hostURL(t testing.TB, i *harness.Instance, service string, port int32) string {
	t.Helper()
	return "http://" + hostAddress(t, i, service, port)
}

func hostAddress(t testing.TB, i *harness.Instance, service string, port int32) string {
	t.Helper()
	for _, h := range i.Snapshot().Bound {
		if h.Service == service && h.Port == port {
			return fmt.Sprintf("%s:%d", h.HostIP, h.HostPort)
		}
	}
	t.Fatalf("no host port leads to %s:%d; there are %v", service, port, i.Snapshot().Bound)
	return ""
}

// endpoints is the service registry, by Service.
func endpoints(t testing.TB, i *harness.Instance) map[string]network.RegistryService {
	t.Helper()
	var reg network.Registry
	i.JSON(&reg, "endpoints", "--json")
	out := map[string]network.RegistryService{}
	for _, s := range reg.Services {
		out[s.Name] = s
	}
	return out
}

// inPod runs a command in a pod and returns its trimmed standard output.
func inPod(i *harness.Instance, pod string, cmd ...string) string {
	return strings.TrimSpace(i.Must(append([]string{"exec", pod, "--"}, cmd...)...))
}

// agentOf is the container of the instance's agent.
func agentOf(t testing.TB, i *harness.Instance, eng engine.Engine) engine.Container {
	t.Helper()
	list, err := eng.ListContainers(context.Background(), map[string]string{
		services.ProjectLabel: i.Name, "dev.lyandev.kind": "agent",
	})
	if err != nil || len(list) != 1 {
		t.Fatalf("the instance has %d agents (%v)", len(list), err)
	}
	c, err := eng.InspectContainer(context.Background(), list[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// agentPID is the process of the instance's agent, 0 while none runs.
func agentPID(i *harness.Instance, eng engine.Engine) int {
	list, err := eng.ListContainers(context.Background(), map[string]string{
		services.ProjectLabel: i.Name, "dev.lyandev.kind": "agent",
	})
	if err != nil || len(list) != 1 {
		return 0
	}
	c, err := eng.InspectContainer(context.Background(), list[0].ID)
	if err != nil || c.State != engine.StateRunning {
		return 0
	}
	return c.PID
}

func agentAddress(t testing.TB, i *harness.Instance, eng engine.Engine) netip.Addr {
	t.Helper()
	for _, ip := range agentOf(t, i, eng).IPs {
		return ip
	}
	t.Fatal("the agent has no address")
	return netip.Addr{}
}

// within says whether a condition came true in time, looking every 5 ms.
func within(limit time.Duration, cond func() bool) (time.Duration, bool) {
	began := time.Now()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		if time.Since(began) > limit {
			return limit, false
		}
		<-tick.C
	}
	return time.Since(began), true
}
