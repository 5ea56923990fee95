package dockerpod_test

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod/dockerpod"
)

func TestCrashLoopBacksOffAndKeepsItsAddressR71R79R162(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.pod(`
metadata: {name: crash}
spec:
  containers:
  - name: app
    command: [sh, -c, "echo last words >/dev/termination-log; sleep 0.2; exit 3"]
`)
	worker := w.run(p)
	got := w.until("crash", "restarted twice and waiting", func(p *corev1.Pod) bool {
		s := p.Status.ContainerStatuses[0]
		return restarts(p, 2) && s.State.Waiting != nil && s.State.Waiting.Reason == "CrashLoopBackOff"
	})
	s := got.Status.ContainerStatuses[0]
	if last := s.LastTerminationState.Terminated; last == nil || last.ExitCode != 3 || strings.TrimSpace(last.Message) != "last words" {
		t.Fatalf("last state: %+v", s.LastTerminationState)
	}
	if got.Status.Phase != corev1.PodRunning {
		t.Fatalf("phase %s", got.Status.Phase)
	}
	if ip, _ := w.podIP("crash"); got.Status.PodIP != ip.String() {
		t.Fatalf("address %s, want %s", got.Status.PodIP, ip)
	}
	list, err := w.engine.ListContainers(t.Context(), map[string]string{services.PodUIDLabel: string(p.UID)})
	if err != nil || len(list) > 2 {
		t.Fatalf("%d containers, want at most 2 (%v)", len(list), err)
	}
	worker.Delete(nil)
	w.untilGone("crash")
	if list, _ := w.engine.ListContainers(t.Context(), map[string]string{services.PodUIDLabel: string(p.UID)}); len(list) != 0 {
		t.Fatalf("left behind: %v", list)
	}
}

func TestLivenessKillUsesTheGraceR80R84R106(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run(w.pod(`
metadata: {name: live}
spec:
  terminationGracePeriodSeconds: 2
  containers:
  - name: app
    command: [sleep, infinity]
    livenessProbe: {exec: {command: ["false"]}, periodSeconds: 1, failureThreshold: 2}
`))
	got := w.until("live", "killed and restarted", func(p *corev1.Pod) bool {
		return restarts(p, 1) && p.Status.ContainerStatuses[0].State.Running != nil
	})
	last := got.Status.ContainerStatuses[0].LastTerminationState.Terminated
	if last == nil || last.ExitCode != 137 || last.Reason != "Error" {
		t.Fatalf("last state: %+v", last)
	}
	if !w.hasEvent("Killing app: Container app failed liveness probe, will be restarted") {
		t.Fatalf("no Killing event: %v", w.events)
	}
}

func TestContainersOfAPodShareTheNetworkAndAnEmptyDir(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	worker := w.run(w.pod(`
metadata: {name: two}
spec:
  terminationGracePeriodSeconds: 2
  volumes: [{name: shared, emptyDir: {}}]
  containers:
  - name: a
    command: [sh, -c, "echo hello >/shared/f; cat /proc/net/fib_trie >/dev/null; exec sleep infinity"]
    volumeMounts: [{name: shared, mountPath: /shared}]
  - name: b
    command: [sleep, infinity]
    securityContext: {runAsUser: 1234}
    volumeMounts: [{name: shared, mountPath: /in}]
`))
	got := w.until("two", "ready", ready)
	if a, b := w.sh(got, "a", "readlink /proc/self/ns/net"), w.sh(got, "b", "readlink /proc/self/ns/net"); a != b {
		t.Fatalf("network namespaces %s and %s", a, b)
	}
	if out := w.sh(got, "b", "cat /in/f; touch /in/mine && id -u; hostname"); out != "hello\n1234\ntwo" {
		t.Fatalf("b sees %q", out)
	}
	before := got.Status.ContainerStatuses[0].ContainerID
	worker.RestartContainer("b", "is restarted by hand")
	got = w.until("two", "b restarted", func(p *corev1.Pod) bool { return p.Status.ContainerStatuses[1].RestartCount == 1 && ready(p) })
	if got.Status.ContainerStatuses[0].ContainerID != before {
		t.Fatal("a was restarted too")
	}
	worker.Delete(nil)
	w.untilGone("two")
	if vols, _ := w.engine.ListVolumes(t.Context(), map[string]string{services.ProjectLabel: w.project}); len(vols) != 0 {
		t.Fatalf("volumes left: %v", vols)
	}
}

func TestInitContainersAndSidecarInOrderR110R113R117(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	worker := w.run(w.pod(`
metadata: {name: order}
spec:
  terminationGracePeriodSeconds: 5
  volumes: [{name: log, emptyDir: {}}]
  initContainers:
  - name: first
    command: [sh, -c, "echo first >>/log/f"]
    volumeMounts: [{name: log, mountPath: /log}]
  - name: side
    restartPolicy: Always
    command: [sh, -c, "echo side >>/log/f; trap 'exit 0' TERM; while :; do sleep 0.1; done"]
    volumeMounts: [{name: log, mountPath: /log}]
  - name: last
    command: [sh, -c, "echo last >>/log/f"]
    volumeMounts: [{name: log, mountPath: /log}]
  containers:
  - name: app
    command: [sh, -c, "trap 'exit 0' TERM; while :; do sleep 0.1; done"]
    volumeMounts: [{name: log, mountPath: /log}]
`))
	got := w.until("order", "ready", ready)
	if out := w.sh(got, "app", "cat /log/f"); out != "first\nside\nlast" {
		t.Fatalf("order: %q", out)
	}
	worker.Delete(nil)
	w.untilGone("order")
	w.mu.Lock()
	end := w.pods["order"].Status
	w.mu.Unlock()
	app, side := end.ContainerStatuses[0].State.Terminated, end.InitContainerStatuses[1].State.Terminated
	if app == nil || side == nil || side.FinishedAt.Before(&app.FinishedAt) || end.Phase != corev1.PodSucceeded {
		t.Fatalf("app %+v, sidecar %+v, phase %s", app, side, end.Phase)
	}
}

// TestOOMKillShowsR152 tries three pods: Docker 20.10 on cgroups v1 fails to note the cause of some.
func TestOOMKillShowsR152(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{"oom-1", "oom-2", "oom-3"} {
		w.run(w.pod(`
metadata: {name: ` + name + `}
spec:
  restartPolicy: Never
  containers:
  - name: app
    command: [perl, -e, "my $x = 'a' x (200 * 1024 * 1024); sleep 5"]
    resources: {limits: {memory: 24Mi}}
`))
		got := w.until(name, "failed", func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodFailed })
		s := got.Status.ContainerStatuses[0].State.Terminated
		if s == nil || s.ExitCode != 137 {
			t.Fatalf("state: %+v", s)
		}
		if s.Reason == "OOMKilled" {
			return
		}
	}
	t.Error("none shows OOMKilled")
}

func TestMissingConfigMapKeyHealsR140(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.objects.set("cm", map[string]string{"other": "x"})
	worker := w.run(w.pod(`
metadata: {name: heal}
spec:
  terminationGracePeriodSeconds: 2
  containers:
  - name: app
    command: [sleep, infinity]
    env: [{name: X, valueFrom: {configMapKeyRef: {name: cm, key: k}}}]
`))
	w.until("heal", "waiting for its key", func(p *corev1.Pod) bool {
		s := p.Status.ContainerStatuses[0].State.Waiting
		return s != nil && s.Reason == "CreateContainerConfigError" && s.Message == "couldn't find key k in ConfigMap default/cm"
	})
	w.objects.set("cm", map[string]string{"k": "here"})
	worker.Resync()
	got := w.until("heal", "ready", ready)
	if out := w.sh(got, "app", "echo $X"); out != "here" {
		t.Fatalf("X=%q", out)
	}
}

func TestAdoptionRestartsNothingR21(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run(w.pod(`
metadata: {name: adopted, labels: {app: x}}
spec:
  terminationGracePeriodSeconds: 2
  containers:
  - name: app
    command: [sh, -c, "test -e /data/once && exec sleep infinity; touch /data/once; exit 1"]
    volumeMounts: [{name: data, mountPath: /data}]
  - name: b
    command: [sleep, infinity]
  volumes: [{name: data, persistentVolumeClaim: {claimName: data-adopted}}]
`))
	before := w.until("adopted", "ready after a restart", func(p *corev1.Pod) bool { return ready(p) && restarts(p, 1) })
	pods := w.restart()
	if len(pods) != 1 || pods[0].Name != "adopted" || pods[0].Labels["app"] != "x" || pods[0].Status.PodIP != before.Status.PodIP {
		t.Fatalf("observed: %+v", pods)
	}
	worker := w.run(pods[0])
	after := w.until("adopted", "ready", ready)
	for i, s := range after.Status.ContainerStatuses {
		old := before.Status.ContainerStatuses[i]
		if s.ContainerID != old.ContainerID || s.RestartCount != old.RestartCount || s.Name != old.Name {
			t.Fatalf("before %+v\nafter %+v", old, s)
		}
	}
	if last := after.Status.ContainerStatuses[0].LastTerminationState.Terminated; last == nil || last.ExitCode != 1 {
		t.Fatalf("last state: %+v", last)
	}
	worker.Delete(nil)
	w.untilGone("adopted")
	vols, _ := w.engine.ListVolumes(t.Context(), map[string]string{services.ProjectLabel: w.project, dockerpod.ClaimLabel: "data-adopted"})
	if len(vols) != 1 {
		t.Fatalf("the claim's volume is gone: %v", vols)
	}
}

func TestHalfCreatedContainerIsReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.pod(`
metadata: {name: half}
spec:
  terminationGracePeriodSeconds: 2
  containers: [{name: app, command: [sleep, infinity]}]
`)
	// What a supervisor leaves that dies between create and start.
	id, err := w.engine.CreateContainer(t.Context(), engine.ContainerSpec{
		Name: w.project + "-half-0", Image: testImage, Network: w.project, Labels: map[string]string{
			services.ProjectLabel: w.project, services.PodUIDLabel: string(p.UID), services.PodLabel: "half",
			services.ContainerLabel: "app", dockerpod.AttemptLabel: "0", services.KindLabel: dockerpod.KindContainer,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.run(p)
	got := w.until("half", "ready", ready)
	if s := got.Status.ContainerStatuses[0]; s.ContainerID == id || s.RestartCount != 0 {
		t.Fatalf("status %+v", s)
	}
}

func TestFilesAndTheirRefreshR142R143(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.objects.set("cm", map[string]string{"a.conf": "one", "b.conf": "two"})
	worker := w.run(w.pod(`
metadata: {name: files, labels: {tier: web}}
spec:
  terminationGracePeriodSeconds: 2
  securityContext: {fsGroup: 2000}
  volumes:
  - {name: conf, configMap: {name: cm}}
  - {name: info, downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}
  - {name: work, emptyDir: {}}
  containers:
  - name: app
    command: [sleep, infinity]
    securityContext: {runAsUser: 1000}
    volumeMounts:
    - {name: conf, mountPath: /etc/apt}
    - {name: conf, mountPath: /etc/single.conf, subPath: a.conf}
    - {name: info, mountPath: /info}
    - {name: work, mountPath: /work}
`))
	got := w.until("files", "ready", ready)
	if out := w.sh(got, "app", "ls /etc/apt; cat /etc/single.conf; echo; cat /info/labels"); out != "a.conf\nb.conf\none\ntier=\"web\"" {
		t.Fatalf("files: %q", out)
	}
	if out := w.sh(got, "app", "touch /work/x && stat -c '%g %a' /work/x /work"); !strings.HasPrefix(out, "2000 ") || !strings.HasSuffix(out, " 2777") {
		t.Fatalf("fsGroup: %q", out)
	}
	w.objects.set("cm", map[string]string{"a.conf": "changed", "b.conf": "two"})
	worker.Resync()
	deadline := time.Now().Add(20 * time.Second)
	for w.sh(got, "app", "cat /etc/apt/a.conf") != "changed" {
		if time.Now().After(deadline) {
			t.Fatal("the file was never refreshed")
		}
	}
	if out := w.sh(got, "app", "cat /etc/single.conf"); out != "one" {
		t.Fatalf("subPath file: %q", out)
	}
}

func TestReadOnlyRootAndStartErrorR153R61(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run(w.pod(`
metadata: {name: sealed}
spec:
  terminationGracePeriodSeconds: 2
  volumes: [{name: work, emptyDir: {}}]
  containers:
  - name: app
    command: [sleep, infinity]
    securityContext: {runAsUser: 1000, readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
    volumeMounts: [{name: work, mountPath: /work}]
  - name: wrong
    command: [/no/such/file]
`))
	got := w.until("sealed", "failing to start one", func(p *corev1.Pod) bool {
		s := p.Status.ContainerStatuses
		last := s[1].LastTerminationState.Terminated
		return s[0].Ready && last != nil && last.Reason == "StartError" && last.ExitCode == 128
	})
	if out := w.sh(got, "app", "touch /work/x && echo ok; touch /x 2>/dev/null || echo sealed"); out != "ok\nsealed" {
		t.Fatalf("app: %q", out)
	}
}

func TestContainerIsAddedInPlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.pod(`
metadata: {name: grow, annotations: {dev.lyandev/sandbox: "true"}}
spec:
  terminationGracePeriodSeconds: 2
  containers: [{name: app, command: [sleep, infinity]}]
`)
	worker := w.run(p)
	before := w.until("grow", "ready", ready)
	more := p.DeepCopy()
	more.Spec.Containers = append(more.Spec.Containers, corev1.Container{Name: "extra", Image: testImage, Command: []string{"sleep", "infinity"}})
	worker.Update(more)
	got := w.until("grow", "two ready", func(p *corev1.Pod) bool { return len(p.Status.ContainerStatuses) == 2 && ready(p) })
	if got.Status.ContainerStatuses[0].ContainerID != before.Status.ContainerStatuses[0].ContainerID {
		t.Fatal("the first container was restarted")
	}
	worker.Update(p)
	got = w.until("grow", "one again", func(p *corev1.Pod) bool { return len(p.Status.ContainerStatuses) == 1 && ready(p) })
	if got.Status.ContainerStatuses[0].RestartCount != 0 {
		t.Fatal("the first container was restarted")
	}
}
