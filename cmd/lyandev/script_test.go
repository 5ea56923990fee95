package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/lyandev/lyandev/cmd/lyandev/startup"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// TestMain lets scripts run this test binary under the name lyandev: the real command line, in a process of its own.
func TestMain(m *testing.M) {
	startup.Done()
	testscript.Main(m, map[string]func(){"lyandev": func() { os.Exit(run(os.Args)) }})
}

// TestScripts runs testdata/script/*.txtar. Each has a state directory of its own and no Docker engine. What it can use
// besides testscript's own commands:
//
//	supervisor [STATE]  begin to serve compose.yaml's instance as a supervisor whose stack is in that state: "ready" (the
//	                    default), "starting", or "away" (its engine does not answer)
//	asked TEXT          check that the supervisor was asked for exactly this since it began, as "restart web"
//	exits CODE ARG...   run lyandev with the arguments and check its exit code
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("XDG_STATE_HOME", filepath.Join(e.WorkDir, "state"))
			e.Setenv("XDG_CACHE_HOME", filepath.Join(e.WorkDir, "cache"))
			e.Setenv("DOCKER_HOST", "unix://"+filepath.Join(e.WorkDir, "no-engine.sock"))
			e.Setenv("NO_COLOR", "1")
			e.Values[stubKey{}] = &stubHolder{}
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"supervisor": startStub, "asked": checkAsked, "exits": checkExit,
		},
	})
}

// checkExit is the command exits. Output is left for stdout and stderr to check.
func checkExit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE ARG...")
	}
	ts.Check(ts.Exec("sh", append([]string{"-c", `want=$1; shift; lyandev "$@"; got=$?; [ $got = $want ] || { echo "exit code $got, want $want" >&2; exit 1; }`, "exits"}, args...)...))
}

// TestEveryCommandHasAScript: a command that help lists and no script runs is not tested.
func TestEveryCommandHasAScript(t *testing.T) {
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(b)
	}
	words := strings.Fields(text.String())
	for _, c := range newApp(ui.System()).Commands {
		if c.Hidden {
			continue
		}
		runs := false
		for i, w := range words[:max(len(words)-2, 0)] {
			runs = runs || w == "lyandev" && words[i+1] == c.Name || w == "exits" && words[i+2] == c.Name
		}
		if !runs {
			t.Errorf("no script runs lyandev %s", c.Name)
		}
		if !slices.ContainsFunc(files, func(f string) bool { return filepath.Base(f) == c.Name+".txtar" }) {
			t.Errorf("there is no testdata/script/%s.txtar", c.Name)
		}
	}
}
