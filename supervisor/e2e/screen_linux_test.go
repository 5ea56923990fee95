package e2e_test

import (
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lyandev/lyandev/supervisor/e2e/harness"
	"github.com/lyandev/lyandev/supervisor/ui/screen/screentest"
)

// TestForegroundScreen: on a terminal, up shows a picture while the stack starts, a status line afterwards, and what an edit did. After
// Ctrl-C the screen and the scrollback hold every line once, and nothing is left of the pictures but the last one.
func TestForegroundScreen(t *testing.T) {
	t.Parallel()
	i := harness.New(t, `
services:
  db:
    image: debian:trixie-slim
    init: true
    command: [sh, -c, "echo db begins; sleep infinity"]
    healthcheck: {test: [CMD, test, -e, /go], interval: 1s, retries: 1000}
  web:
    image: debian:trixie-slim
    init: true
    command: [sh, -c, "n=0; while [ $$n -lt 40 ]; do n=$$((n+1)); echo line $$n of web; done; exec sleep infinity"]
    depends_on: {db: {condition: service_healthy}}
    develop: {watch: [{action: sync, path: ./src, target: /src}]}
`)
	i.Setenv("TERM", "xterm-256color")
	i.Write("src/page.txt", "one")
	x := screentest.Open(t, 80, 24)
	cmd := i.Command(t.Context(), "up")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = x.Side, x.Side, x.Side
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	shows := func(text string) {
		t.Helper()
		defer func() {
			if t.Failed() {
				t.Log(x.All())
			}
		}()
		i.Eventually(30*time.Second, "the screen shows "+text, func() bool { return strings.Contains(strings.Join(x.Screen(), "\n"), text) })
	}
	shows("web  waits for db (health check has not passed yet")
	i.Must("exec", "db", "touch", "/go")
	shows("│ 2/2 pods right")
	x.Type("\n\n") // is not shown, and moves nothing
	i.Write("src/page.txt", "two")
	shows("lyandev: web: 1 file synced, live in ")
	x.Type("\x03")
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != codeInterrupted {
		t.Errorf("up ended with %d", code)
	}
	x.Sync()
	all := x.All()
	for text, want := range map[string]int{
		"db begins": 1, "line 1 of web": 1, "line 17 of web": 1, "line 40 of web": 1, "1 file synced": 1, "is ready after": 1, "Ctrl-C again": 1, "starting": 0,
		"waits for": 0, "│": 0, "⠋": 0, " stopped  ": 1, "✔ stopped: db, web": 1, "\n\n": 0,
	} {
		if n := strings.Count(all, text); n != want {
			t.Errorf("%q is there %d times, want %d", text, n, want)
		}
	}
	if order := regexp.MustCompile(`(?s)db begins.*line 1 of web.*line 40 of web.*1 file synced.*Ctrl-C again.*✔ stopped: db, web$`); !order.MatchString(all) || x.CursorHidden() {
		t.Errorf("the terminal holds, cursor hidden %v:\n%s", x.CursorHidden(), all)
	}
}
