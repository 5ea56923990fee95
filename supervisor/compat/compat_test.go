package compat_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lyandev/lyandev/supervisor/e2e/harness"
)

var (
	full  = flag.Bool("full", false, "run all cases, not only the quick ones")
	first = flag.Bool("first", false, "only the first step of each case")
	self  = flag.Bool("self", false, "run Docker Compose on both sides: what differs then is noise of the comparison")
	truth = flag.Bool("truth", false, "run only Docker Compose and print what was collected")
)

func TestMain(m *testing.M) {
	code := m.Run()
	harness.Clean()
	if tools.dir != "" {
		_ = os.RemoveAll(tools.dir)
	}
	os.Exit(code)
}

// TestCompat runs each case with Docker Compose and with lyandev, and compares. Without -full and without a case named in
// -run it runs the quick ones.
func TestCompat(t *testing.T) {
	needTools(t)
	cases, err := readCases("testdata")
	if err != nil {
		t.Fatal(err)
	}
	all := *full || strings.Contains(flag.Lookup("test.run").Value.String(), "/")
	for _, c := range cases {
		if *first {
			c.steps = c.steps[:1]
		}
		if all || c.quick {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				runCase(t, c)
			})
		}
	}
}

func runCase(t *testing.T, c *testCase) {
	if low := c.list("api"); len(low) == 1 && older(tools.api, low[0]) {
		t.Skipf("it needs an engine with API %s; this one has %s", low[0], tools.api)
	}
	if !able(c) {
		c.steps = c.steps[:1]
	}
	s := newSessions(t, c)
	compose := s.one(t, composeSide(t), nil)
	s.sweep(t.Context()) // Compose's down leaves the containers of profiles that are not active
	if *truth {
		for _, snap := range compose {
			var text bytes.Buffer
			_ = json.Indent(&text, []byte(encode(snap)), "", "  ")
			t.Logf("after %q:\n%s", snap.Step, text.String())
		}
		return
	}
	other := lyandevSide
	if *self {
		other = composeSide
	}
	lyandev := s.one(t, other(t), compose)
	var all []difference
	for i, snap := range lyandev {
		all = append(all, compare(compose[i], snap)...)
	}
	report(t, c, all, !*self && !*first && able(c))
}

// report fails the test for each difference that no row of the case explains, and for rows that explain none if all steps
// were done.
func report(t *testing.T, c *testCase, all []difference, complete bool) {
	t.Helper()
	left, unused := unexplained(c, all)
	for i, d := range left {
		same := func(e difference) bool { return e.path == d.path && e.compose == d.compose && e.lyandev == d.lyandev }
		if !slices.ContainsFunc(left[:i], same) {
			t.Error(d)
		}
	}
	if len(unused) > 0 && complete {
		t.Errorf("it does not meet %s: remove that from the case", strings.Join(unused, ", "))
	}
}

// older compares API versions.
func older(a, b string) bool {
	_, x, _ := strings.Cut(a, ".")
	_, y, _ := strings.Cut(b, ".")
	m, _ := strconv.Atoi(x)
	n, _ := strconv.Atoi(y)
	return m < n
}

// sessions are the runs of a case: the same project name, directory and ports for both programs.
type sessions struct {
	c            *testCase
	project, dir string
	root         string
	ports        []string
}

func newSessions(t *testing.T, c *testCase) *sessions {
	t.Helper()
	s := &sessions{c: c, project: "compat-" + c.name + "-" + strings.ToLower(rand.Text()[:4])}
	s.root = filepath.Join(tools.dir, rand.Text()[:4])
	s.dir = filepath.Join(s.root, s.project)
	for range 4 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(l.Addr().String())
		s.ports = append(s.ports, port)
		defer l.Close()
	}
	return s
}

func composeSide(testing.TB) *side {
	return &side{name: "compose", binary: tools.compose, up: []string{"up", "-d"}, down: []string{"down", "-v"}, label: composeProject}
}

func lyandevSide(t testing.TB) *side {
	return &side{
		name: "lyandev", binary: harness.Binary(t), up: []string{"up", "-d", "--quiet"}, down: []string{"down", "-v", "--quiet"}, label: lyandevProject,
	}
}

// open prepares a run of the case by one program, and has it swept when the test ends.
func (s *sessions) open(t testing.TB, by *side, truth []*snapshot) *session {
	t.Helper()
	run := &session{side: by, c: s.c, project: s.project, dir: s.dir, vars: variables(s.project, s.dir, s.ports), truth: truth}
	run.env = []string{
		"DOCKER_CONFIG=" + tools.dockerConfig, "XDG_STATE_HOME=" + filepath.Join(s.root, "state"),
		"XDG_CACHE_HOME=" + filepath.Join(tools.dir, "cache"), "NO_COLOR=1",
	}
	for _, name := range []string{"PATH", "HOME", "DOCKER_HOST"} {
		if v, ok := os.LookupEnv(name); ok {
			run.env = append(run.env, name+"="+v)
		}
	}
	for _, v := range s.c.values["env"] {
		run.env = append(run.env, run.expand(v))
	}
	if err := run.prepare(t.Context()); err != nil {
		t.Fatalf("cannot prepare: %v", err)
	}
	t.Cleanup(func() { s.sweep(context.WithoutCancel(t.Context())) })
	return run
}

// one runs the case with one program to its end.
func (s *sessions) one(t *testing.T, by *side, truth []*snapshot) []*snapshot {
	t.Helper()
	run := s.open(t, by, truth)
	snaps, err := run.play(t.Context())
	if err != nil {
		t.Error(err)
	}
	for _, snap := range snaps {
		if truth != nil {
			break // whether it fails is compared
		}
		if why := unexpected(s.c, snap); why != "" {
			t.Errorf("%s: after %q: %s", by.name, snap.Step, why)
		}
	}
	if err := run.finish(context.WithoutCancel(t.Context())); err != nil && len(s.c.values["fails"]) == 0 && able(s.c) {
		t.Error(err)
	}
	if t.Failed() && truth == nil {
		t.FailNow()
	}
	return snaps
}

// able says that the machine can do what the case needs.
func able(c *testCase) bool {
	return !slices.ContainsFunc(c.list("needs"), func(ability string) bool { return !tools.can[ability] })
}

// unexpected says in which way a step failed or did not fail that the case does not say.
func unexpected(c *testCase, snap *snapshot) string {
	want := slices.Contains(c.values["fails"], snap.Step)
	switch {
	case !able(c):
	case snap.Failed && !want:
		return fmt.Sprintf("it failed with %d: %s%s", snap.result.code, snap.result.out, snap.result.err)
	case !snap.Failed && want:
		return "it did not fail"
	}
	return ""
}
