package operators

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/bootstrap"
)

// fake is an operator that does as it is told.
type fake struct {
	mu     sync.Mutex
	looks  []time.Time
	views  []services.View
	closed int
	// takes is how long a Reconcile takes, unless its context ends first.
	takes   time.Duration
	verdict services.Verdict
	err     error
}

func (f *fake) Reconcile(ctx context.Context, v services.View) (services.Verdict, error) {
	f.mu.Lock()
	f.looks, f.views = append(f.looks, time.Now()), append(f.views, v)
	f.mu.Unlock()
	if f.takes > 0 {
		select {
		case <-time.After(f.takes):
		case <-ctx.Done():
			return services.Verdict{}, ctx.Err()
		}
	}
	v2 := f.verdict
	if v2.Message == "" {
		v2.Message = fmt.Sprintf("look %d", f.count())
	}
	return v2, f.err
}

func (f *fake) Close() error { f.closed++; return nil }

func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.looks)
}

// since are the times of the looks after a time, relative to it.
func (f *fake) since(t time.Time) []time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []time.Duration
	for _, at := range f.looks {
		if at.After(t) {
			out = append(out, at.Sub(t))
		}
	}
	return out
}

// master is an operator that can move its role.
type master struct {
	fake
	moved  string
	moving error
	asked  int
}

func (m *master) Home(_ context.Context, _ services.View, stays func(string) bool) (string, error) {
	m.asked++
	if stays("gone") {
		return "", errors.New("a pod that leaves stays")
	}
	return m.moved, m.moving
}

// rig is a Runner with fake operators in virtual time.
type rig struct {
	*Runner
	t   *testing.T
	ctx context.Context
	ops map[string]services.Operator

	mu       sync.Mutex
	verdicts []string
	seen     []services.View
	events   []string
}

func onRig(t *testing.T, ops map[string]services.Operator, test func(r *rig)) {
	t.Helper()
	steps := filepath.Join(t.TempDir(), "bootstrap.json")
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		r := &rig{t: t, ctx: ctx, ops: ops}
		r.Runner = New(Config{
			New: func(name string) (services.Operator, error) {
				if op := r.ops[name]; op != nil {
					return op, nil
				}
				return nil, fmt.Errorf("cannot make %s", name)
			},
			StepsFile: steps,
			Reach: Reach{
				Exec: func(context.Context, string, string, []string, []string) (int, []byte, error) { return 7, nil, nil },
				Addr: func(pod string) (string, bool) { return "address of " + pod, true },
			},
			Event: func(pod, typ, reason, message string) {
				r.events = append(r.events, pod+" "+typ+" "+reason+" "+message)
			},
			Verdict: func(name string, seen services.View, v services.Verdict) {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.verdicts, r.seen = append(r.verdicts, fmt.Sprintf("%s: %v %s", name, v.Right, v.Message)), append(r.seen, seen)
			},
			Log: slog.New(slog.DiscardHandler),
		})
		defer func() { cancel(errors.New("the test has ended")); r.Wait() }()
		test(r)
	})
}

func (r *rig) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// follow gives the operators of these names a view with the pods.
func (r *rig) follow(pods []*corev1.Pod, names ...string) map[string]error {
	views := map[string]services.View{}
	for _, n := range names {
		views[n] = services.View{Pods: pods}
	}
	failed := r.Follow(r.ctx, views)
	synctest.Wait()
	return failed
}

func pod(name string, change ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name)}}
	for _, c := range change {
		c(p)
	}
	return p
}

func TestOperatorsStartAndStopWithTheirWorkloads(t *testing.T) {
	redis, maria := &fake{}, &fake{}
	onRig(t, map[string]services.Operator{"redis": redis, "mariadb": maria}, func(r *rig) {
		failed := r.follow([]*corev1.Pod{pod("a")}, "redis", "nosuch")
		if len(failed) != 1 || failed["nosuch"] == nil || r.Running("nosuch") {
			t.Errorf("failed are %v", failed)
		}
		if redis.count() != 1 || len(redis.views[0].Pods) != 1 || maria.count() != 0 {
			t.Fatalf("looks: %d and %d; the first must be at once, with the pods", redis.count(), maria.count())
		}
		r.ops["nosuch"] = &fake{}
		if failed := r.follow(nil, "redis", "nosuch"); len(failed) != 0 || !r.Running("nosuch") {
			t.Errorf("an operator that could not be made is not tried again: %v", failed)
		}
		r.follow(nil, "mariadb")
		if r.Running("redis") || !r.Running("mariadb") {
			t.Error("redis runs, or mariadb does not")
		}
		n := redis.count()
		r.pass(time.Minute)
		if redis.count() != n || redis.closed != 1 || maria.closed != 0 || maria.count() < 2 {
			t.Errorf("redis looked %d times after it was stopped and was closed %d times", redis.count()-n, redis.closed)
		}
		r.follow(nil)
		r.Wait() // returns: nothing runs any more, though the context goes on
	})
}

func TestOperatorsReachTheirPods(t *testing.T) {
	redis := &fake{}
	onRig(t, map[string]services.Operator{"redis": redis}, func(r *rig) {
		r.follow(nil, "redis")
		v := redis.views[0]
		exit, _, _ := v.Exec(r.ctx, "a", "c", nil, nil)
		addr, _ := v.Addr("a")
		v.Event("a", "Normal", "Told", "something")
		if exit != 7 || addr != "address of a" || !slices.Equal(r.events, []string{"a Normal Told something"}) || !v.Now.Equal(time.Now()) {
			t.Errorf("exit %d, address %q, events %v, now %v", exit, addr, r.events, v.Now)
		}
	})
}

func TestIntervals(t *testing.T) {
	for name, c := range map[string]struct {
		op *fake
		// first and last are the intervals after the first look, and after looks for a while.
		first, last time.Duration
	}{
		"not right":         {&fake{}, 50 * time.Millisecond, 500 * time.Millisecond},
		"right":             {&fake{verdict: services.Verdict{Right: true}}, 3 * time.Second, 3 * time.Second},
		"right, asks again": {&fake{verdict: services.Verdict{Right: true, Again: time.Second}}, time.Second, time.Second},
		"asks for sooner":   {&fake{verdict: services.Verdict{Again: 100 * time.Millisecond}}, 50 * time.Millisecond, 100 * time.Millisecond},
		"asks for later":    {&fake{verdict: services.Verdict{Again: time.Minute}}, 50 * time.Millisecond, 500 * time.Millisecond},
		"cannot look":       {&fake{verdict: services.Verdict{Right: true}, err: errors.New("refused")}, 500 * time.Millisecond, 500 * time.Millisecond},
		"hangs":             {&fake{takes: time.Hour}, 10*time.Second + 500*time.Millisecond, 10*time.Second + 500*time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			onRig(t, map[string]services.Operator{"redis": c.op}, func(r *rig) {
				began := time.Now()
				r.follow(nil, "redis")
				r.pass(time.Minute)
				got := c.op.since(began)
				if n := len(got); n < 2 || got[0] != c.first || got[n-1]-got[n-2] != c.last {
					t.Errorf("looks after %v, want the first after %s, and every %s later", got, c.first, c.last)
				}
			})
		})
	}
}

// TestWakeOnPodChange: what matters of the pods makes the operator look after 20 ms, several changes once; the rest does not.
func TestWakeOnPodChange(t *testing.T) {
	running := func(id string) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Status.ContainerStatuses = []corev1.ContainerStatus{{ContainerID: id, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
		}
	}
	before := pod("a", running("1"))
	for name, c := range map[string]struct {
		after []*corev1.Pod
		wakes bool
	}{
		"nothing":           {[]*corev1.Pod{pod("a", running("1"))}, false},
		"a label":           {[]*corev1.Pod{pod("a", running("1"), func(p *corev1.Pod) { p.Labels = map[string]string{"a": "b"} })}, false},
		"another pod":       {[]*corev1.Pod{before, pod("b")}, true},
		"a pod less":        {nil, true},
		"a new pod's UID":   {[]*corev1.Pod{pod("a", running("1"), func(p *corev1.Pod) { p.UID = "2" })}, true},
		"an address":        {[]*corev1.Pod{pod("a", running("1"), func(p *corev1.Pod) { p.Status.PodIP = "10.0.0.1" })}, true},
		"a deletion":        {[]*corev1.Pod{pod("a", running("1"), func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{} })}, true},
		"another container": {[]*corev1.Pod{pod("a", running("2"))}, true},
		"it ended": {[]*corev1.Pod{pod("a", running("1"), func(p *corev1.Pod) {
			p.Status.ContainerStatuses[0].State = corev1.ContainerState{}
		})}, true},
	} {
		t.Run(name, func(t *testing.T) {
			op := &fake{verdict: services.Verdict{Right: true}}
			onRig(t, map[string]services.Operator{"redis": op}, func(r *rig) {
				r.follow([]*corev1.Pod{before}, "redis")
				r.pass(time.Second)
				changed := time.Now()
				r.follow(c.after, "redis")
				r.follow(c.after, "redis")
				r.pass(100 * time.Millisecond)
				got := op.since(changed)
				if c.wakes != (len(got) > 0) || len(got) > 1 || (c.wakes && got[0] != 20*time.Millisecond) {
					t.Errorf("looks after %v", got)
				}
				if c.wakes && len(op.views[len(op.views)-1].Pods) != len(c.after) {
					t.Error("it sees the pods of before")
				}
			})
		})
	}
}

func TestVerdictsArriveInOrderWithTheirViews(t *testing.T) {
	failing := &fake{verdict: services.Verdict{Right: true}, err: errors.New("connection refused")}
	onRig(t, map[string]services.Operator{"redis": &fake{}, "mariadb": failing}, func(r *rig) {
		r.follow([]*corev1.Pod{pod("a")}, "redis")
		r.pass(200 * time.Millisecond)
		if want := []string{"redis: false look 1", "redis: false look 2", "redis: false look 3"}; !slices.Equal(r.verdicts, want) {
			t.Errorf("verdicts are %q", r.verdicts)
		}
		if r.seen[0].Pods[0].Name != "a" {
			t.Error("the view is missing")
		}
		r.verdicts = nil
		r.follow(nil, "mariadb")
		if want := []string{"mariadb: false connection refused"}; !slices.Equal(r.verdicts, want) {
			t.Errorf("verdicts are %q: a failure to look is not right", r.verdicts)
		}
	})
}

// TestLateVerdict: what an operator finds after it was stopped is not told, and Running says no at once.
func TestLateVerdict(t *testing.T) {
	slow := &fake{takes: 5 * time.Second}
	onRig(t, map[string]services.Operator{"redis": slow}, func(r *rig) {
		r.follow(nil, "redis")
		r.pass(time.Second)
		r.follow(nil)
		if r.Running("redis") {
			t.Error("it still runs")
		}
		r.pass(time.Minute)
		if len(r.verdicts) != 0 || slow.count() != 1 || slow.closed != 1 {
			t.Errorf("verdicts are %q after %d looks", r.verdicts, slow.count())
		}
	})
}

func TestBootstrapStepsHaveAnOperator(t *testing.T) {
	onRig(t, nil, func(r *rig) {
		name := bootstrap.OperatorName("web")
		w := &services.Workload{Object: &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web"}}, Bootstrap: []services.BootstrapStep{{Name: "init", Run: []string{"x"}}}}
		failed := r.Follow(r.ctx, map[string]services.View{name: {Workloads: []*services.Workload{w}}})
		synctest.Wait()
		if len(failed) != 0 || !r.Running(name) || len(r.verdicts) != 1 || !strings.HasPrefix(r.verdicts[0], name+": false") {
			t.Errorf("failed %v, verdicts %q", failed, r.verdicts)
		}
	})
}

func TestUse(t *testing.T) {
	op := &fake{verdict: services.Verdict{Right: true}}
	onRig(t, map[string]services.Operator{"redis": op}, func(r *rig) {
		none := func(context.Context, services.Operator, services.View) error { return nil }
		if err := r.Use(r.ctx, "redis", none); err == nil || !strings.Contains(err.Error(), "running are: none") {
			t.Errorf("without operators: %v", err)
		}
		r.follow([]*corev1.Pod{pod("a")}, "redis")
		if err := r.Use(r.ctx, "mariadb", none); err == nil || !strings.Contains(err.Error(), "running are: redis") {
			t.Errorf("another operator: %v", err)
		}
		r.pass(time.Second)
		used, failure := time.Now(), errors.New("no")
		err := r.Use(r.ctx, "redis", func(ctx context.Context, got services.Operator, v services.View) error {
			if got != services.Operator(op) || len(v.Pods) != 1 || ctx.Err() != nil {
				t.Errorf("got %v with %d pods", got, len(v.Pods))
			}
			return failure
		})
		r.pass(100 * time.Millisecond)
		if !errors.Is(err, failure) || len(op.since(used)) != 1 {
			t.Errorf("err %v; looks afterwards: %v, want one", err, op.since(used))
		}
		ended := make(chan error)
		go func() {
			ended <- r.Use(context.Background(), "redis", func(ctx context.Context, _ services.Operator, _ services.View) error {
				<-ctx.Done()
				return context.Cause(ctx)
			})
		}()
		synctest.Wait()
		r.follow(nil)
		if err := <-ended; err == nil || err.Error() != "operator redis has been stopped" {
			t.Errorf("a user of an operator that is stopped gets %v", err)
		}
	})
}

func TestHandover(t *testing.T) {
	stay, leave, failing, unable := &master{moved: "x"}, &master{moved: "db-0"}, &master{moving: errors.New("not in sync")}, &fake{}
	for _, m := range []*master{stay, leave, failing} {
		m.verdict.Right = true
	}
	onRig(t, map[string]services.Operator{"a": stay, "b": leave, "c": failing, "d": unable}, func(r *rig) {
		r.Follow(r.ctx, map[string]services.View{
			"a": {Pods: []*corev1.Pod{pod("here")}}, "b": {Pods: []*corev1.Pod{pod("here"), pod("gone")}},
			"c": {Pods: []*corev1.Pod{pod("gone")}}, "d": {Pods: []*corev1.Pod{pod("gone")}},
		})
		r.pass(time.Second)
		if !r.CanHandOver("a") || r.CanHandOver("d") || r.CanHandOver("nosuch") {
			t.Error("who can hand over is wrong")
		}
		asked := time.Now()
		moved, err := r.Handover(r.ctx, func(name string) bool { return name != "gone" })
		if !slices.Equal(moved, []string{"db-0"}) || err == nil || err.Error() != "c: not in sync" {
			t.Errorf("moved %v, %v", moved, err)
		}
		if stay.asked != 0 || leave.asked != 1 || failing.asked != 1 {
			t.Errorf("asked %d, %d, %d times: one whose pods all stay need not be", stay.asked, leave.asked, failing.asked)
		}
		r.pass(100 * time.Millisecond)
		if len(leave.since(asked)) != 1 || len(failing.since(asked)) != 1 || len(stay.since(asked)) != 0 {
			t.Error("those asked must look again at once, so that roles follow")
		}
	})
}
