package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lyandev/lyandev/supervisor/e2e/harness"
)

// TestPlainAnonymousVolumes: they go from a container to the one in its place, also from one of Docker Compose and after the end of the
// supervisor, and are removed when somebody asks for it, as under Docker Compose.
func TestPlainAnonymousVolumes(t *testing.T) {
	t.Parallel()
	const file = same + `
services:
  web_app: {<<: *same, environment: {STEP: "%d"}, volumes: [/anon]}
`
	i := harness.New(t, fmt.Sprintf(file, 1))
	c := i.Name + "-web_app-1"
	volume := func() string { return docker(t, "inspect", "-f", "{{range .Mounts}}{{.Name}}{{end}}", c) }
	exists := func(name string) bool { return slices.Contains(strings.Fields(docker(t, "volume", "ls", "-q")), name) }
	keeps := func(what, want string) {
		t.Helper()
		if got := volume(); got != want || docker(t, "exec", c, "ls", "/anon") != "mine" {
			t.Errorf("%s: the container has the volume %s, want %s", what, got, want)
		}
	}

	docker(t, "run", "-d", "--name", c, "--label", "com.docker.compose.project="+i.Name, "--label", "com.docker.compose.service=web_app",
		"--label", "com.docker.compose.container-number=1", "--label", "com.docker.compose.oneoff=False", "-v", "/anon", "debian:trixie-slim", "sleep", "infinity")
	docker(t, "exec", c, "touch", "/anon/mine")
	first := volume()
	t.Cleanup(func() { docker(t, "volume", "rm", "-f", first) })
	i.Up("--wait", "--take-over")
	keeps("taken over from Compose", first)
	i.Write("compose.yaml", fmt.Sprintf(file, 2))
	i.Up("--wait")
	keeps("changed", first)
	i.Write("compose.yaml", strings.Replace(fmt.Sprintf(file, 2), "volumes: [/anon]", "volumes: [/anon], x-lyandev: {semantics: kubernetes}", 1))
	if r := i.Run("up", "-d", "--wait"); r.Code != 0 || !strings.Contains(r.Err, "web_app begins with an empty directory at /anon") {
		t.Errorf("up does not say that the anonymous volume is left behind; it ended with %d:\n%s", r.Code, r.Err)
	}
	i.Write("compose.yaml", fmt.Sprintf(file, 2))
	i.Up("--wait")
	keeps("plain again", first)
	i.Must("rm", "--stop", "web_app")
	i.KillSupervisor()
	i.Up("--wait", "web_app")
	keeps("removed, and the supervisor killed", first)

	i.Must("down", "--quiet")
	if !exists(first) {
		t.Error("down without --volumes deleted an anonymous volume")
	}
	i.Up("--wait")
	second := volume()
	if second == first {
		t.Error("after down the container has the volume of the one before")
	}
	i.Must("rm", "--stop", "-v", "web_app")
	if exists(second) {
		t.Error("rm -v left the anonymous volume")
	}
	i.Up("--wait", "web_app")
	third := volume()
	i.Write("compose.yaml", fmt.Sprintf(file, 3))
	i.Up("--wait")
	if volume() != third {
		t.Errorf("the container has the volume %s, before %s", volume(), third)
	}
	i.Must("down", "--volumes", "--quiet")
	if exists(third) {
		t.Error("down --volumes left the anonymous volume")
	}
}
