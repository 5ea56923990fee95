package e2e_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/e2e/harness"
)

// TestCrashBacksOff: a container that ends at once is started again after 0, 10 and 20 s (R71), and shows why meanwhile.
func TestCrashBacksOff(t *testing.T) {
	t.Parallel()
	i := harness.New(t, `
x-lyandev: {semantics: kubernetes}
services:
  app:
    image: debian:trixie-slim
    volumes: [./out:/out]
    command: [sh, -c, 'echo start $$(date +%s.%N) >> /out/app; echo cannot go on; exit 3']
    x-lyandev: {kind: StatefulSet, timing: strict}
`)
	i.Begin()
	p := i.UntilPod(40*time.Second, "app-0", "is in CrashLoopBackOff", func(p *corev1.Pod) bool {
		s := harness.Status(p, "app")
		return s.State.Waiting != nil && s.State.Waiting.Reason == "CrashLoopBackOff"
	})
	if m := harness.Status(p, "app").State.Waiting.Message; !strings.HasPrefix(m, "back-off 10s restarting failed container=app pod=app-0_default") {
		t.Errorf("message %q", m)
	}
	why := i.Run("why")
	if why.Code != 3 || !strings.Contains(why.Out, "container app is in CrashLoopBackOff after 1 restart: it exited with code 3") || !strings.Contains(why.Out, "next start") {
		t.Errorf("why ended with %d and said:\n%s%s", why.Code, why.Out, why.Err)
	}
	i.Eventually(80*time.Second, "it has started four times", func() bool { return len(marks(t, i, "app")) >= 4 })
	list := marks(t, i, "app")
	during(t, "the first restart", list[1].at.Sub(list[0].at), 0, 8*time.Second)
	during(t, "the second restart", list[2].at.Sub(list[1].at), 10*time.Second, 17*time.Second)
	during(t, "the third restart", list[3].at.Sub(list[2].at), 20*time.Second, 27*time.Second)
	if _, n := events(i, "app-0", "BackOff", "Back-off restarting failed container app in pod app-0_default"); n == 0 {
		t.Errorf("no BackOff event: %+v", i.Events("app-0"))
	}
}

// TestOutOfMemory: a container that the kernel ends at its limit shows OOMKilled (R77). Docker 20.10 fails to note the cause of
// some, so there are three.
func TestOutOfMemory(t *testing.T) {
	t.Parallel()
	file := "x-lyandev: {semantics: kubernetes}\nservices:\n"
	for _, name := range []string{"a", "b", "c"} {
		file += "  " + name + `:
    image: debian:trixie-slim
    command: [tail, /dev/zero]
    restart: "no"
    x-lyandev:
      kind: Pod
      resources: {limits: {memory: 24Mi}}
`
	}
	i := harness.New(t, file)
	i.Begin()
	seen := map[string]bool{}
	for _, name := range []string{"a", "b", "c"} {
		p := i.UntilPod(60*time.Second, name, "has ended", func(p *corev1.Pod) bool { return harness.Status(p, name).State.Terminated != nil })
		end := harness.Status(p, name).State.Terminated
		if end.ExitCode != 137 {
			t.Errorf("%s ended with %d, %s", name, end.ExitCode, end.Reason)
		}
		seen[end.Reason] = true
	}
	var list []struct{ Status string }
	i.JSON(&list, "ps", "--json")
	if !seen["OOMKilled"] || !slices.ContainsFunc(list, func(p struct{ Status string }) bool { return p.Status == "OOMKilled" }) {
		t.Errorf("they ended with %v, and ps shows %+v", seen, list)
	}
}
