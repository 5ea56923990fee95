package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lyandev/lyandev/services"
)

// memory is a Memory without a file.
type memory map[string]string

func (m memory) Passed(key string) string              { return m[key] }
func (m memory) SetPassed(key, container string) error { m[key] = container; return nil }

// world is what a test's commands run in: each command line has the exit codes of its runs in turn, the last for ever.
type world struct {
	mu    sync.Mutex
	exits map[string][]int
	ran   []string
	took  time.Duration
	said  []string
}

func (w *world) exec(ctx context.Context, pod, container string, cmd, _ []string) (int, []byte, error) {
	line := strings.Join(cmd, " ")
	if w.took > 0 {
		select {
		case <-time.After(w.took):
		case <-ctx.Done():
			return 0, nil, context.Cause(ctx)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ran = append(w.ran, pod+"/"+container+": "+line)
	exits := w.exits[line]
	if len(exits) == 0 {
		return 0, nil, nil
	}
	if len(exits) > 1 {
		w.exits[line] = exits[1:]
	}
	return exits[0], []byte("noise\nthe last line"), nil
}

func (w *world) view(kind runtime.Object, steps []services.BootstrapStep, pods ...*corev1.Pod) services.View {
	x := &services.Workload{Object: kind, Bootstrap: steps}
	x.Meta().Name = "db"
	return services.View{
		Stack: &services.Stack{}, Workloads: []*services.Workload{x}, Pods: pods, Exec: w.exec, Now: time.Now(),
		Event: func(pod, typ, reason, message string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.said = append(w.said, strings.Join([]string{pod, typ, reason, message}, " "))
		},
	}
}

func running(name, instance string) *corev1.Pod {
	p := &corev1.Pod{}
	p.Name, p.UID = name, types.UID("uid-"+name)
	p.Spec.Containers = []corev1.Container{{Name: "main"}}
	s := corev1.ContainerStatus{Name: "main", ContainerID: instance, Started: new(instance != "")}
	if instance != "" {
		s.State.Running = &corev1.ContainerStateRunning{}
	}
	p.Status.ContainerStatuses = []corev1.ContainerStatus{s}
	return p
}

func look(t *testing.T, o *Operator, v services.View) services.Verdict {
	t.Helper()
	v.Now = time.Now()
	got, err := o.Reconcile(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func newTest(t *testing.T, m Memory) *Operator {
	o := New(m, slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _ = o.Close() })
	return o
}

func TestStepsRunInOrderUntilTheirChecksPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{exits: map[string][]int{"check-a": {1, 0}, "check-b": {0}}}
		o := newTest(t, memory{})
		v := w.view(&appsv1.StatefulSet{}, []services.BootstrapStep{
			{Name: "a", Check: []string{"check-a"}, Run: []string{"run-a"}},
			{Name: "b", Check: []string{"check-b"}, Run: []string{"run-b"}},
			{Name: "c", Run: []string{"run-c"}},
		}, running("db-0", "1"))
		for n := 0; ; n++ {
			got := look(t, o, v)
			if got.Right {
				if !got.Pods["db-0"].Right {
					t.Error("the pod is not right at the end")
				}
				break
			}
			if got.Pods["db-0"].Right || n > 10 {
				t.Fatalf("look %d: %+v", n, got)
			}
			synctest.Wait()
		}
		want := "db-0/main: check-a|db-0/main: run-a|db-0/main: check-a|db-0/main: check-b|db-0/main: run-c"
		if got := strings.Join(w.ran, "|"); got != want {
			t.Errorf("ran %s\nwant %s", got, want)
		}
		if n := len(w.said); n != 3 {
			t.Errorf("events: %q", w.said)
		}
	})
}

func TestFailuresBackOffAndAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{exits: map[string][]int{"run": {3, 3, 3, 3, 3, 3, 3, 0}}}
		o := newTest(t, memory{})
		v := w.view(&appsv1.Deployment{}, []services.BootstrapStep{{Name: "seed", Run: []string{"run"}}}, running("db-x", "1"))
		began := time.Now()
		var at []string
		for !look(t, o, v).Right {
			synctest.Wait()
			if n := len(w.ran); n > len(at) {
				at = append(at, time.Since(began).Round(time.Second).String())
			}
			got := look(t, o, v)
			if len(w.ran) < 8 && !strings.Contains(got.Message, "its run exited with code 3: the last line") {
				t.Fatalf("message %q", got.Message)
			}
			time.Sleep(100 * time.Millisecond) // virtual
		}
		if got, want := strings.Join(at, " "), "0s 1s 3s 7s 15s 31s 1m1s 1m31s"; got != want {
			t.Errorf("tried at %s, want %s", got, want)
		}
		if !strings.Contains(w.said[0], "db-x Warning BootstrapFailed Step seed: its run exited with code 3") {
			t.Errorf("event %q", w.said[0])
		}
	})
}

func TestCheckThatRunDoesNotSatisfy(t *testing.T) {
	w := &world{exits: map[string][]int{"check": {1}}}
	err := attempt(t.Context(), w.view(&appsv1.Deployment{}, nil), services.BootstrapStep{Check: []string{"check"}, Run: []string{"run"}}, target{pod: "p"})
	if !errors.Is(err, errNotSo) {
		t.Errorf("error %v", err)
	}
}

// TestRunNeedsAnAnswerOfTheCheck: a check that did not run says nothing, and the run may replace data.
func TestRunNeedsAnAnswerOfTheCheck(t *testing.T) {
	step := services.BootstrapStep{Check: []string{"check"}, Run: []string{"run"}}
	for exit, want := range map[int]string{
		126: "its check could not be executed (exit code 126: the last line)",
		127: "its check could not be executed (exit code 127: the last line)",
		137: "its check could not be executed (exit code 137: the last line)",
	} {
		w := &world{exits: map[string][]int{"check": {exit}}}
		if err := attempt(t.Context(), w.view(&appsv1.Deployment{}, nil), step, target{pod: "p"}); err == nil || err.Error() != want {
			t.Errorf("exit code %d: error %v", exit, err)
		}
		if len(w.ran) != 1 {
			t.Errorf("exit code %d: ran %v", exit, w.ran)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := &world{took: time.Hour}
	if err := attempt(ctx, w.view(&appsv1.Deployment{}, nil), step, target{pod: "p"}); err == nil || !strings.Contains(err.Error(), "cannot check it") {
		t.Errorf("without an answer: %v", err)
	}
	if len(w.ran) != 0 {
		t.Errorf("without an answer: ran %v", w.ran)
	}
}

func TestAlwaysAndFirstStart(t *testing.T) {
	for _, c := range []struct {
		when string
		runs int
	}{{"always", 2}, {firstStart, 1}} {
		t.Run(c.when, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, m := &world{}, memory{}
				steps := []services.BootstrapStep{{Name: "s", Run: []string{"run"}, When: c.when}}
				settle := func(o *Operator, instance string) {
					for range 5 {
						if look(t, o, w.view(&appsv1.StatefulSet{}, steps, running("db-0", instance))).Right {
							return
						}
						synctest.Wait()
					}
					t.Fatal("it does not get right")
				}
				o := newTest(t, m)
				settle(o, "1")
				settle(o, "1")
				settle(newTest(t, m), "1") // another supervisor, the same container
				if len(w.ran) != 1 {
					t.Errorf("ran %d times in one container", len(w.ran))
				}
				settle(o, "2")
				if len(w.ran) != c.runs {
					t.Errorf("ran %d times in two containers, want %d", len(w.ran), c.runs)
				}
			})
		})
	}
}

func TestWaitsForItsContainer(t *testing.T) {
	w := &world{}
	o := newTest(t, memory{})
	steps := []services.BootstrapStep{{Name: "s", Pod: "db-1", Run: []string{"run"}}}
	v := look(t, o, w.view(&appsv1.StatefulSet{}, steps, running("db-0", "1"), running("db-1", "")))
	if v.Right || !v.Pods["db-0"].Right || v.Pods["db-1"].Right || v.Message != "step s waits for container main of pod db-1 to start" {
		t.Errorf("verdict %+v", v)
	}
	v = look(t, o, w.view(&appsv1.StatefulSet{}, []services.BootstrapStep{{Name: "s", Run: []string{"run"}}}))
	if v.Right || v.Message != "step s waits for a pod" {
		t.Errorf("verdict without pods %+v", v)
	}
	if len(w.ran) != 0 {
		t.Errorf("ran %v", w.ran)
	}
}

// TestLaterPodsDoNotTakeEarlierOnesFromService: a rollout's new pod comes first by name and has the steps to pass again.
func TestLaterPodsDoNotTakeEarlierOnesFromService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{took: time.Second}
		o := newTest(t, memory{})
		steps := []services.BootstrapStep{{Name: "s", Run: []string{"run"}}}
		old := running("db-m", "1")
		look(t, o, w.view(&appsv1.Deployment{}, steps, old))
		time.Sleep(2 * time.Second)
		v := look(t, o, w.view(&appsv1.Deployment{}, steps, old))
		if !v.Right {
			t.Fatalf("not right: %+v", v)
		}
		v = look(t, o, w.view(&appsv1.Deployment{}, steps, running("db-a", "2"), old, running("db-z", "3")))
		if v.Right || v.Pods["db-a"].Right || !v.Pods["db-m"].Right || v.Pods["db-z"].Right {
			t.Errorf("verdict %+v", v)
		}
	})
}

func TestCloseEndsAStepThatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{took: time.Hour}
		o := New(memory{}, slog.New(slog.DiscardHandler))
		v := look(t, o, w.view(&appsv1.Deployment{}, []services.BootstrapStep{{Name: "s", Run: []string{"run"}}}, running("db-a", "1")))
		if v.Again != soon {
			t.Errorf("looks again after %s", v.Again)
		}
		began := time.Now()
		_ = o.Close()
		if took := time.Since(began); took > 0 || len(w.said) > 0 {
			t.Errorf("closed after %s, saying %q", took, w.said)
		}
	})
}

func TestFileRemembers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bootstrap.json")
	write := func(path string, data []byte) error { return writeFile(path, data) }
	f := OpenFile(path, write)
	if err := f.SetPassed("a", "1"); err != nil {
		t.Fatal(err)
	}
	if got := OpenFile(path, write).Passed("a"); got != "1" {
		t.Errorf("remembered %q", got)
	}
	if err := writeFile(path, []byte("torn{")); err != nil {
		t.Fatal(err)
	}
	if got := OpenFile(path, write).Passed("a"); got != "" {
		t.Errorf("read %q out of a torn file", got)
	}
	failing := OpenFile(path, func(string, []byte) error { return fmt.Errorf("disk full") })
	if failing.SetPassed("b", "1") == nil || failing.Passed("b") != "1" {
		t.Error("a write that fails is told, and remembered for this process")
	}
}

func TestNames(t *testing.T) {
	if w, ok := WorkloadOf(OperatorName("db")); !ok || w != "db" {
		t.Errorf("%q, %v", w, ok)
	}
	if _, ok := WorkloadOf("redis"); ok {
		t.Error("redis is no bootstrap")
	}
	a := services.BootstrapStep{Name: "s", Run: []string{"x"}}
	b := a
	b.Run = []string{"y"}
	if keyOf("w", a) == keyOf("w", b) {
		t.Error("a changed step has the same key")
	}
}

func writeFile(path string, data []byte) error { return os.WriteFile(path, data, 0o600) }
