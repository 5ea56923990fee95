package e2e_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/e2e/harness"
	known "github.com/lyandev/lyandev/supervisor/state"
)

// portForward begins `lyandev port-forward` and returns the address of the forwarded port.
func portForward(t *testing.T, i *harness.Instance, args ...string) string {
	t.Helper()
	cmd := i.Command(t.Context(), append([]string{"port-forward"}, args...)...)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(strings.TrimSpace(line), "http://")
}

// signal sends a signal to the process of the only pod's server.
func (r *loopRig) signal(name string) {
	r.t.Helper()
	r.Must("exec", "web", "--", "sh", "-c", "kill -"+name+" $(cat /tmp/pid)")
}

// TestAProcessThatStandsIsLeftAlone: a stopped process, as at a breakpoint, is neither restarted nor taken out of its Service while its
// probes are paused, through a live restart and a rollout; port-forward keeps its address. After the pause it is restarted.
func TestAProcessThatStandsIsLeftAlone(t *testing.T) {
	t.Parallel()
	r := newLoopRig(t, "", "")
	r.Write("compose.yaml", fmt.Sprintf(`
services:
  web:
    image: %s/web
    build: ./app
    stop_grace_period: 1s
    command: [sh, -c, "echo $$$$ > /tmp/pid; exec perl /app/server.pl"]
    develop:
      watch: [{action: sync+restart, path: ./app, target: /app}]
    x-lyandev:
      kind: Deployment
      probes:
        readiness: {httpGet: {path: /, port: 8000}, periodSeconds: 1, failureThreshold: 4}
        liveness: {httpGet: {path: /, port: 8000}, periodSeconds: 1, failureThreshold: 4}
`, r.Name))
	r.Up("--wait")
	at := portForward(t, r.Instance, "web", ":8000")
	get := func() (string, error) {
		resp, err := (&http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + at)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		return string(b), err
	}
	answers := func(want string) {
		t.Helper()
		r.Eventually(30*time.Second, "port-forward leads to version "+want, func() bool { got, err := get(); return err == nil && got == want })
	}
	answers("one")
	first := r.web()[0]
	r.Must("pause-probes", "web")
	r.signal("STOP")
	answer := make(chan string, 1)
	go func() { got, _ := get(); answer <- got }()
	time.Sleep(10 * time.Second) // liveness would have failed for the fourth time after 7 s
	p := r.web()[0]
	if c := harness.Status(p, "web"); p.UID != first.UID || c.RestartCount != 0 || !c.Ready {
		t.Fatalf("the container that stands: %+v", c)
	}
	if out := r.Must("status"); !strings.Contains(out, "by pause-probes; `lyandev resume-probes web` resumes them") {
		t.Errorf("status does not tell of the pause:\n%s", out)
	}
	r.signal("CONT")
	if got := <-answer; got != "one" {
		t.Fatalf("the request that waited got %q", got)
	}
	r.version("two")
	answers("two")
	r.Must("restart", "web")
	next := r.Until(60*time.Second, "another pod serves", func(s *known.Status) bool {
		return len(s.PodsOf("web")) == 1 && s.PodsOf("web")[0].UID != first.UID && podReady(s.PodsOf("web")[0])
	}).PodsOf("web")[0]
	answers("two")
	if services.PausedProbes(next) == nil {
		t.Errorf("the new pod does not inherit the pause: %+v", next.Status.Conditions)
	}
	r.Must("resume-probes", "web")
	r.signal("STOP")
	r.UntilPod(30*time.Second, next.Name, "is restarted after the pause", func(p *corev1.Pod) bool {
		return harness.Status(p, "web").RestartCount >= 1 && podReady(p)
	})
	answers("two")
}
