package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/stacktest/throwaway"
	"github.com/lyandev/lyandev/supervisor/ui"
)

func testedWorkload(name, image, operator string, test *services.TestCommand) *services.Workload {
	return &services.Workload{
		Object: &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: image}}},
		},
		Operator: operator, Test: test,
	}
}

func TestTestCases(t *testing.T) {
	pytest := &services.TestCommand{Command: []string{"pytest"}, Env: map[string]string{"A": "1"}}
	here := &services.TestCommand{Command: []string{"make"}, Host: true}
	stack := &services.Stack{
		Profile: "p", Builds: []*services.Build{{Image: "db"}, {Image: "app"}},
		Workloads: []*services.Workload{
			testedWorkload("db", "db", "mariadb", nil), testedWorkload("worker", "app", "", nil),
			testedWorkload("web", "app", "", pytest), testedWorkload("docs", "x", "", here),
		},
	}
	untested := &services.Stack{Builds: stack.Builds, Workloads: stack.Workloads[:2]}
	show := func(cases []testCase) string {
		var out []string
		for _, c := range cases {
			out = append(out, fmt.Sprint(c.workload, c.command.Command, c.command.Host, c.command.Env))
		}
		return strings.Join(out, " ")
	}
	for _, c := range []struct {
		name  string
		stack *services.Stack
		o     testOptions
		want  string
		err   string
	}{
		{name: "declared", stack: stack, want: "web[pytest] false map[A:1] docs[make] true map[]"},
		{name: "one service's", stack: stack, o: testOptions{service: "web"}, want: "web[pytest] false map[A:1]"},
		{name: "all on the host", stack: stack, o: testOptions{service: "web", host: true}, want: "web[pytest] true map[A:1]"},
		{name: "the line's, as the first with a test", stack: stack, o: testOptions{command: []string{"sh"}}, want: "web[sh] false map[A:1]"},
		{name: "the line's, as the first built app", stack: untested, o: testOptions{command: []string{"sh"}}, want: "worker[sh] false map[]"},
		{name: "the line's, as asked for", stack: stack, o: testOptions{command: []string{"sh"}, service: "db", host: true}, want: "db[sh] true map[]"},
		{name: "nothing declared", stack: untested, err: "give a command after --"},
		{name: "no such service", stack: stack, o: testOptions{command: []string{"sh"}, service: "x"}, err: `profile "p" has no such service`},
		{name: "an empty stack", stack: &services.Stack{}, o: testOptions{command: []string{"sh"}}, err: "no services"},
	} {
		cases, err := testCases(c.stack, c.o)
		if show(cases) != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %s, %v; want %s%s", c.name, show(cases), err, c.want, c.err)
		}
	}
}

func TestExitCodeOfARun(t *testing.T) {
	for _, c := range []struct {
		run  testRun
		want int
	}{
		{testRun{results: []testResult{{code: 0}}}, exitOK},
		{testRun{results: []testResult{{code: 0}, {code: 5}, {code: 6}}}, 5},
		{testRun{results: []testResult{{code: 5}}, err: errors.New("taken down badly")}, 5},
		{testRun{err: fmt.Errorf("x: %w", throwaway.ErrNotReady)}, exitNotReady},
		{testRun{err: errors.New("no network")}, exitFailed},
	} {
		if got := c.run.exitCode(); got != c.want {
			t.Errorf("exit code of %+v is %d; want %d", c.run, got, c.want)
		}
	}
}

// outcomes are a run that passed, one with prepared volumes, one that failed, one that never was ready, and one that could not be taken down.
func outcomes() []*testRun {
	stack := func(p string) *services.Stack { return &services.Stack{Name: "s", Profile: p} }
	c := testCase{workload: "web", command: services.TestCommand{Command: []string{"pytest", "-q"}}}
	return []*testRun{
		{stack: stack("good"), ready: time.Second, took: 2 * time.Second, results: []testResult{{testCase: c, tail: "ok \x1b[32mgreen\x1b[0m <&>\n", took: time.Second}}},
		{stack: stack("again"), ready: time.Second, prepared: "test-again-0123", results: []testResult{{testCase: c}}},
		{stack: stack("bad"), ready: time.Second, took: 2 * time.Second, bundle: "/b", results: []testResult{{testCase: c, code: 4, tail: "PASSWORD=hunter22"}}},
		{stack: stack("never"), err: errors.New("not ready"), bundle: "/c", kept: true, name: "s-test-1"},
		{stack: stack("stuck"), ready: time.Second, results: []testResult{{testCase: c}}, err: errors.New("cannot remove")},
	}
}

func TestJUnit(t *testing.T) {
	raw, err := xml.Marshal(junit(outcomes()))
	if err != nil {
		t.Fatal(err)
	}
	var got junitSuites
	if err := xml.Unmarshal(raw, &got); err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	if got.Tests != 10 || got.Failures != 1 || got.Errors != 2 || len(got.Suites) != 5 {
		t.Errorf("tests %d, failures %d, errors %d\n%s", got.Tests, got.Failures, got.Errors, raw)
	}
	if f := got.Suites[2].Cases[1].Failure; f == nil || f.Message != "exit code 4" || !strings.Contains(f.Text, "/b") {
		t.Errorf("the failure is %+v", f)
	}
	if from := got.Suites[1].Cases[0].Output; from != "from volumes prepared by an earlier run (test-again-0123)" || got.Suites[0].Cases[0].Output != "" {
		t.Errorf("the volumes came %q", from)
	}
	if strings.Contains(string(raw), "hunter22") || !strings.Contains(string(raw), "green") {
		t.Errorf("the output is not as it should be: %s", raw)
	}
}

func TestSummary(t *testing.T) {
	var out bytes.Buffer
	printSummary(&ui.Streams{Out: io.Discard, Err: &out}, outcomes())
	for _, want := range []string{
		"good     passed", "bad      FAILED  1s     2s    4", "never    FAILED  -", "lyandev -p s-test-1 down --volumes",
		"failure: /b", "again: started from volumes prepared by an earlier run (test-again-0123)",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the summary lacks %q:\n%s", want, out.String())
		}
	}
}

func TestLineWriter(t *testing.T) {
	var out bytes.Buffer
	w := &lineWriter{to: &out, prefix: "p| "}
	for _, s := range []string{"a", "b\nc\n", "", "d"} {
		if n, err := io.WriteString(w, s); n != len(s) || err != nil {
			t.Fatal(n, err)
		}
	}
	w.flush()
	w.flush()
	if got := out.String(); got != "p| ab\np| c\np| d\n" {
		t.Errorf("wrote %q", got)
	}
	out.Reset()
	plain := &lineWriter{to: &out}
	fmt.Fprint(plain, "half a line")
	if out.String() != "half a line" {
		t.Errorf("wrote %q; without a prefix nothing is held back", out.String())
	}
}

func TestTailWriterKeepsTheEnd(t *testing.T) {
	w := &tailWriter{}
	for range 100 {
		fmt.Fprint(w, strings.Repeat("x", 10_000))
	}
	fmt.Fprint(w, "the end")
	if got := w.String(); len(got) != maxTail || !strings.HasSuffix(got, "xthe end") {
		t.Errorf("kept %d bytes", len(got))
	}
}
