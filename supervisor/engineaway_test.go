package supervisor

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/podnet"
	"github.com/lyandev/lyandev/supervisor/state"
)

// rig is a supervisor's loop with its workers on a fake engine, in virtual time, without an agent.
type rig struct {
	*enginefake.Engine
	s *Supervisor
	t *testing.T
	// stop ends the loop and the workers; the containers go on.
	stop func()
}

// onRig runs a test with a stack that is ready.
func onRig(t *testing.T, stack *services.Stack, test func(r *rig)) {
	t.Helper()
	onRigWith(t, nil, stack, test)
}

// onRigWith is onRig with operators.
func onRigWith(t *testing.T, operator func(name string) (services.Operator, error), stack *services.Stack, test func(r *rig)) {
	t.Helper()
	root := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{Engine: enginefake.New(), t: t}
		r.AddImage("img:1", enginefake.Image{})
		r.OnEach("s-db-*", func(int, engine.ContainerSpec) enginefake.Script {
			began := time.Now()
			return enginefake.Script{Exec: func(context.Context, *enginefake.Execution) (int, error) {
				if time.Since(began) < 3*time.Second {
					return 1, nil
				}
				return 0, nil
			}}
		})
		i, err := (&instance.Registry{Root: root}).Resolve(t.Context(), "s", root, "s")
		if err != nil {
			t.Fatal(err)
		}
		r.s = New(Config{Instance: i, Engine: r.Engine, Operator: operator, Log: slog.New(slog.DiscardHandler)})
		if _, err := r.s.podnet.Adopt(t.Context(), podnet.Everything()); err != nil { // makes the network
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 2)
		go func() { ended <- r.s.loop(ctx) }()
		go func() { ended <- r.s.pods.Run(ctx) }()
		r.stop = sync.OnceFunc(func() {
			cancel()
			<-ended
			<-ended
			r.s.pods.Wait()
			r.s.background.Wait()
			r.s.ops.Wait()
		})
		defer r.stop()
		if err := r.s.change(ctx, "take", func() error { return r.s.take(stack) }); err != nil {
			t.Fatal(err)
		}
		r.pass(time.Minute)
		r.phase(state.Ready)
		test(r)
	})
}

func (r *rig) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (r *rig) phase(want state.Phase) *state.Status {
	r.t.Helper()
	snap := r.s.Store().Latest()
	if snap.Phase != want {
		r.t.Fatalf("the stack is %s (%s), want %s", snap.Phase, snap.Message, want)
	}
	return snap
}

// starts are the workloads whose containers were started, in order, since n calls had been made.
func (r *rig) starts(n int) []string {
	var out []string
	for _, c := range r.Calls("StartContainer")[n:] {
		out = append(out, strings.Split(strings.TrimPrefix(c.Object, "s-"), "-")[0])
	}
	return out
}

// starting is a chain db <- api <- web, of which db takes three seconds to get ready.
func starting(t *testing.T) *services.Stack {
	t.Helper()
	after := func(name string) services.Dependency {
		return services.Dependency{Workload: name, Condition: services.Healthy}
	}
	db := deployment("db", 1)
	db.PodSpec().Containers[0].ReadinessProbe = &corev1.Probe{
		ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"ready"}}}, PeriodSeconds: 1,
	}
	return prepared(t, deployment("web", 2, after("api")), deployment("api", 1, after("db")), db)
}

// TestAfterAnEngineRestartTheOrderIsAppliedAgain: containers that ended with the engine come back one workload after the
// other, with the same addresses, once each, without a back-off, however often the engine is restarted; meanwhile the stack
// is degraded and says why.
func TestAfterAnEngineRestartTheOrderIsAppliedAgain(t *testing.T) {
	onRig(t, starting(t), func(r *rig) {
		ips := map[string]string{}
		for _, p := range r.phase(state.Ready).Pods {
			ips[p.Name] = p.Status.PodIP
		}
		for restart := range 4 {
			before := len(r.Calls("StartContainer"))
			r.Down()
			r.pass(time.Second)
			if snap := r.phase(state.Degraded); snap.Engine == "" || snap.Message != snap.Engine {
				t.Fatalf("engine %q, message %q", snap.Engine, snap.Message)
			}
			r.pass(time.Minute)
			r.Up(true)
			r.pass(15 * time.Second)
			if got := r.starts(before); !slices.Equal(got, []string{"db", "api", "web", "web"}) {
				t.Fatalf("restart %d: started %v", restart, got)
			}
			snap := r.phase(state.Ready)
			for _, p := range snap.Pods {
				if ips[p.Name] == "" || p.Status.PodIP != ips[p.Name] {
					t.Errorf("pod %s has address %s, had %q", p.Name, p.Status.PodIP, ips[p.Name])
				}
				if n := p.Status.ContainerStatuses[0].RestartCount; n != int32(restart)+1 {
					t.Errorf("pod %s counts %d restarts after %d", p.Name, n, restart+1)
				}
			}
		}
	})
}

// TestWhatRunsOnIsLeftAlone: the engine kept its containers (live-restore), or only the connection was cut.
func TestWhatRunsOnIsLeftAlone(t *testing.T) {
	onRig(t, starting(t), func(r *rig) {
		before := len(r.Calls("StartContainer", "CreateContainer", "KillContainer", "StopContainer"))
		r.Down()
		r.pass(time.Minute)
		r.Up(false)
		r.pass(10 * time.Second)
		r.CutEvents(fmt.Errorf("unexpected EOF"))
		r.pass(10 * time.Second)
		r.phase(state.Ready)
		if got := r.Calls("StartContainer", "CreateContainer", "KillContainer", "StopContainer")[before:]; len(got) != 0 {
			t.Errorf("done to containers that run: %v", got)
		}
	})
}

// TestWhatEndedUnheardIsStartedAgain: one container ended while nothing was heard of the engine; it waits for nobody, since
// what it depends on runs.
func TestWhatEndedUnheardIsStartedAgain(t *testing.T) {
	onRig(t, starting(t), func(r *rig) {
		before := len(r.Calls("StartContainer"))
		list, err := r.ListContainers(r.t.Context(), map[string]string{services.WorkloadLabel: "api"})
		if err != nil || len(list) != 1 {
			t.Fatalf("%v, %v", list, err)
		}
		r.Inject(func(f *enginefake.Faults) { f.Events = enginefake.Times(3, enginefake.Fail(context.DeadlineExceeded)) })
		r.CutEvents(fmt.Errorf("unexpected EOF"))
		synctest.Wait()
		r.Exit(list[0].ID, 1)
		r.pass(10 * time.Second)
		r.phase(state.Ready)
		if got := r.starts(before); !slices.Equal(got, []string{"api"}) {
			t.Errorf("started %v", got)
		}
	})
}

// TestAStackThatIsStoppedWhileTheEngineIsAway: what ended is not started again only to be stopped.
func TestAStackThatIsStoppedWhileTheEngineIsAway(t *testing.T) {
	onRig(t, starting(t), func(r *rig) {
		before := len(r.Calls("StartContainer"))
		r.Down()
		r.pass(time.Second)
		r.s.Stop()
		r.pass(time.Minute)
		if n := len(r.phase(state.Stopping).Pods); n != 4 {
			t.Errorf("%d pods are left of what cannot be stopped", n)
		}
		ctx, cancel := context.WithCancel(r.t.Context())
		pushed := make(chan error, 1)
		go func() { pushed <- r.s.podnet.Run(ctx) }() // deletions wait for the table
		defer func() { cancel(); <-pushed }()
		r.Inject(func(f *enginefake.Faults) { f.RemoveContainer = enginefake.Delay(20 * time.Second) }) // dependents go slowly
		r.Up(true)
		r.pass(3 * time.Minute)
		if got := r.starts(before); got != nil {
			t.Errorf("started %v", got)
		}
		list, err := r.ListContainers(r.t.Context(), nil)
		if err != nil || len(list) != 0 {
			t.Errorf("left over: %v, %v", list, err)
		}
	})
}
