package e2e_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/e2e/harness"
)

// disconnected is a Deployment of one behind a host port.
const disconnected = `
x-lyandev: {semantics: kubernetes}
services:
  web:
    image: lyandev-e2e/testpod:dev
    build: {context: image, dockerfile_inline: "FROM debian:trixie-slim\nCOPY testpod /testpod\nCMD [\"/testpod\", \"serve\"]\n"}
    ports: ["8080"]
    stop_grace_period: 1s
    x-lyandev:
      kind: Deployment
      probes: {readiness: {httpGet: {path: /ready, port: 8080}, periodSeconds: 1, failureThreshold: 1}}
`

// TestWhatIsDisconnectedFromTheNetworkIsPutBack: a pod under its address, without a restart; the agent is made again. Events say
// so, and the host's port answers again.
func TestWhatIsDisconnectedFromTheNetworkIsPutBack(t *testing.T) {
	i := newNet(t, disconnected)
	i.Up("--wait")
	eng := i.Engine()
	pod := i.Snapshot().PodsOf("web")[0]
	agent := agentOf(t, i, eng)
	var network string
	for name := range agent.IPs {
		network = name
	}
	list, err := eng.ListContainers(t.Context(), map[string]string{services.ProjectLabel: i.Name, services.WorkloadLabel: "web"})
	if err != nil {
		t.Fatal(err)
	}
	id := ""
	for _, c := range list {
		if _, in := c.IPs[network]; in {
			id = c.ID
		}
	}
	for _, c := range []struct{ what, id, event string }{
		{"the pod", id, "NetworkRestored"}, {"the agent", agent.ID, "AgentDisconnected"},
	} {
		if err := eng.DisconnectNetwork(context.Background(), network, c.id); err != nil {
			t.Fatal(err)
		}
		took, ok := within(time.Minute, func() bool { return answers(t, i) && strings.Contains(i.Must("events"), c.event) })
		if !ok {
			t.Fatalf("%s is not put back; events:\n%s", c.what, i.Must("events"))
		}
		t.Logf("%s was put back after %s", c.what, took.Round(10*time.Millisecond))
	}
	if now := i.Snapshot().PodsOf("web")[0]; now.UID != pod.UID || now.Status.PodIP != pod.Status.PodIP ||
		now.Status.ContainerStatuses[0].RestartCount != 0 {
		t.Errorf("the pod was %s at %s, is %s at %s", pod.UID, pod.Status.PodIP, now.UID, now.Status.PodIP)
	}
}

// answers says whether the host's port does.
func answers(t *testing.T, i *harness.Instance) bool {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	_, err := getOnce(client, hostURL(t, i, "web", 8080))
	return err == nil
}
