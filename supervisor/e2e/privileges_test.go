package e2e_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/e2e/harness"
	"github.com/lyandev/lyandev/supervisor/pod/dockerpod"
)

// TestAgentAndSandboxMayDoLittle looks at the processes of both: what the kernel lets them do, and what they were told.
func TestAgentAndSandboxMayDoLittle(t *testing.T) {
	t.Parallel()
	i := harness.New(t, `
x-lyandev: {semantics: kubernetes}
services:
  web:
    image: debian:trixie-slim
    command: [sleep, "600"]
    cap_add: [SYS_PTRACE]
    stop_grace_period: 0s
    x-lyandev: {kind: Deployment, service: false}
  beside:
    image: debian:trixie-slim
    command: [sleep, "600"]
    stop_grace_period: 0s
    network_mode: service:web
`)
	if r := i.Run("up", "-d", "--wait"); r.Code != 0 || !strings.Contains(r.Err, "web has rights on this machine") || !strings.Contains(r.Err, "(capability SYS_PTRACE)") {
		t.Fatalf("up does not name the service with an added capability: %d, %s%s", r.Code, r.Out, r.Err)
	}
	eng := i.Engine()
	agent := agentOf(t, i, eng)
	inspected, err := eng.InspectContainer(context.Background(), agent.ID)
	if err != nil || strings.Contains(strings.Join(inspected.Env, "\n"), "TOKEN=") {
		t.Errorf("the agent's environment holds its token: %v, %v", inspected.Env, err)
	}
	mayDo(t, "the agent", agent.PID, "0000000000001400") // NET_ADMIN and NET_BIND_SERVICE
	list, err := eng.ListContainers(context.Background(), map[string]string{
		services.ProjectLabel: agent.Labels[services.ProjectLabel], services.KindLabel: dockerpod.KindSandbox,
	})
	if err != nil || len(list) != 1 {
		t.Fatalf("there are %d sandboxes, %v", len(list), err)
	}
	mayDo(t, "the sandbox", list[0].PID, "0000000000000000")
}

// mayDo compares the capabilities of a process, and checks that it can get no others and cannot write its root.
func mayDo(t *testing.T, who string, pid int, capabilities string) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"CapPrm:\t" + capabilities, "CapEff:\t" + capabilities, "CapBnd:\t" + capabilities, "NoNewPrivs:\t1"} {
		if !strings.Contains(string(status), line+"\n") {
			t.Errorf("%s: no %q in\n%s", who, line, status)
		}
	}
	mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mounts", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); f[1] == "/" && !strings.HasPrefix(f[3], "ro,") {
			t.Errorf("%s can write its root: %s", who, line)
		}
	}
}

// TestPausedContainerShows pauses a container as a person would.
func TestPausedContainerShows(t *testing.T) {
	t.Parallel()
	i := harness.New(t, `
x-lyandev: {semantics: kubernetes}
services:
  web:
    image: debian:trixie-slim
    command: [sleep, "600"]
    stop_grace_period: 0s
    x-lyandev: {kind: StatefulSet, service: false}
`)
	i.Up("--wait")
	eng := i.Engine()
	id := strings.TrimPrefix(harness.ContainerID(i.Pod("web-0"), "web"), "docker://")
	if err := eng.PauseContainer(context.Background(), id); err != nil {
		t.Fatal(err)
	}
	shows := func(part string, args ...string) {
		t.Helper()
		i.Eventually(10*time.Second, part, func() bool { return strings.Contains(i.Run(args...).Out, part) })
	}
	shows("Paused", "ps")
	shows("`docker unpause "+id[:12]+"`", "why", "web")
	shows("`docker unpause "+id[:12]+"`", "describe", "web-0")
	if err := eng.UnpauseContainer(context.Background(), id); err != nil {
		t.Fatal(err)
	}
	shows("Running", "ps")
	if s := harness.Status(i.Pod("web-0"), "web"); s.RestartCount != 0 {
		t.Errorf("it was restarted %d times", s.RestartCount)
	}
}
