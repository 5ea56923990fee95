package explain

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// unstartable is a pod whose command is not in the image.
func unstartable(p *corev1.Pod) {
	_, s := first(p)
	s.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{
		Reason: "RunContainerError", Message: `cannot start container x: OCI runtime create failed: exec: "gunicornn": executable file not found in $PATH: unknown`,
	}}
}

// exited is a pod of a Job that failed.
func exited(p *corev1.Pod) {
	_, s := first(p)
	p.Status.Phase = corev1.PodFailed
	s.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 3, Reason: "Error", FinishedAt: before(17)}}
}

// TestBroken: of several broken services only the first in the file was named, and no log line was quoted.
func TestBroken(t *testing.T) {
	api, migrate := workload("api", 1, 1, 0), workload("migrate", 1, 0, 0)
	api.Source, migrate.Kind, migrate.Failed = "/src/compose.yaml:9", "Job", "BackoffLimitExceeded: Job has reached the specified backoff limit"
	f := facts(
		[]*corev1.Pod{pod("slow-0", "slow", false, unready), pod("api-0", "api", false, unstartable), pod("migrate-x", "migrate", false, exited), pod("db-0", "db", false, crashing)},
		workload("slow", 1, 1, 0), api, workload("db", 1, 1, 0), held(workload("web", 1, 0, 0), "db", "waits for db to be ready"), migrate, workload("right", 1, 1, 1),
	)
	f.LastLines = func(pod, container string) []string { return []string{"DB_PASSWORD=hunter22", pod + " " + container} }
	want := `  db: container db is in CrashLoopBackOff after 3 restarts: it exited with code 1: no space left on device, 12s ago
    last lines of its log:
      DB_PASSWORD=***
      db-0 db
  migrate: container migrate exited with code 3, 17s ago
    last lines of its log:
      DB_PASSWORD=***
      migrate-x migrate
  api: container api cannot start: gunicornn is not in the image's PATH (compose.yaml:9)
  slow: container slow runs, but its readiness probe fails, for 30s
`
	list := Broken(f)
	if got := Lines(list); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if list[0].Blocks != 1 || !list[0].Final || !list[1].Final || list[2].Final || list[3].Bad {
		t.Errorf("%+v", list)
	}
	a, err := Why(f, "")
	if err != nil || !strings.HasPrefix(a.Summary, "shop is starting, because container db is in CrashLoopBackOff after 3 restarts") || len(a.Others) != 3 {
		t.Errorf("%v: %+v", err, a)
	}
	if text := a.Text(f.Now); !strings.Contains(text, "Also not right:\n  migrate: ") || strings.Contains(text, "hunter22") {
		t.Error(text)
	}
	if a, _ := Why(f, "migrate"); len(a.Chain[len(a.Chain)-1].LastLines) != 2 {
		t.Errorf("no lines are quoted: %+v", a)
	}
}

func TestStartError(t *testing.T) {
	for message, want := range map[string]string{
		`exec: "x": executable file not found in $PATH`:                          "cannot start: x is not in the image's PATH",
		`exec: "/run.sh": stat /run.sh: no such file or directory: unknown`:      "cannot start: /run.sh does not exist in the image",
		`OCI runtime create failed: exec: "/run.sh": permission denied: unkn`:    "cannot start: permission denied for /run.sh: it is not executable, or the container's user and capabilities (user, cap_drop) do not let it be reached",
		`OCI runtime create failed: exec /usr/bin/ping: operation not permitted`: "cannot start: /usr/bin/ping needs a capability that the container does not have (operation not permitted)",
		`exec /entry.sh: exec format error`:                                      "cannot start: /entry.sh is not a program for this machine: another CPU architecture, or a script without #! in its first line",
		"no space left on device":                                                "",
	} {
		if got := startError(message, workload("w", 1, 1, 0)); got != want {
			t.Errorf("%s: %q", message, got)
		}
	}
}
