package supervisor

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/operators"
	"github.com/lyandev/lyandev/supervisor/podexec"
	"github.com/lyandev/lyandev/supervisor/state"
)

// newOperators makes the runner of the stack's operators. Network and store must be there.
func newOperators(s *Supervisor) *operators.Runner {
	exec := podexec.New(s.cfg.Engine, func(name string) *corev1.Pod { return s.store.Latest().Pod(name) })
	return operators.New(operators.Config{
		New: s.cfg.Operator, StepsFile: s.cfg.Instance.File(bootstrapMemory), Log: s.log,
		Reach: operators.Reach{
			Dial: s.podnet.DialContext, Exec: exec.Exec, Env: exec.Env,
			Addr: func(pod string) (string, bool) {
				a, err := s.podnet.PodIP(pod)
				return a.String(), err == nil
			},
		},
		Event: func(pod, typ, reason, message string) { s.event("Pod", pod, typ, reason, "%s", message) },
		Verdict: func(name string, seen services.View, v services.Verdict) {
			s.secrets.maskVerdict(&v)
			s.post(func() { s.takeVerdict(name, seen, v, time.Now()) })
		},
	})
}

// followOperators runs the operators that released workloads name, and none while the stack is stopped. Called by the loop.
func (s *Supervisor) followOperators(ctx context.Context) {
	w := s.world
	views := map[string]services.View{}
	if w.stack != nil && s.stop == nil {
		views = w.operatorViews()
	}
	failed := s.ops.Follow(ctx, views)
	for name := range w.verdicts {
		if _, ok := views[name]; !ok {
			w.forgetOperator(name)
		}
	}
	for name := range views {
		w.handover.able[name] = s.ops.CanHandOver(name)
		if err := failed[name]; err != nil {
			w.verdicts[name] = services.Verdict{Message: err.Error()}
		}
	}
}

// operatorViews are the workloads and pods of each operator.
func (w *world) operatorViews() map[string]services.View {
	views := map[string]services.View{}
	for _, x := range w.inOrder() {
		if x.Operator == "" {
			continue
		}
		v := views[x.Operator]
		v.Stack, v.Workloads, v.Pods = w.stack, append(v.Workloads, x), append(v.Pods, w.podsOf(x.Name())...)
		views[x.Operator] = v
	}
	w.bootstrapViews(views)
	return views
}

// WithOperator calls f with an operator of the running stack and its current view, and has the operator look again
// afterwards. It blocks until f returns; f's context ends with ctx and with the supervisor. An operator that no workload names is
// an error.
func (s *Supervisor) WithOperator(ctx context.Context, name string, f func(context.Context, services.Operator, services.View) error) error {
	return s.ops.Use(ctx, name, f)
}

// Workload is a workload of the running stack as its controller sees it, with its status.
func (s *Supervisor) Workload(ctx context.Context, name string) (*services.Workload, error) {
	found, err := ask(ctx, s, func() (*services.Workload, error) {
		for _, x := range s.world.listed() {
			if x.Name() == name {
				return x.DeepCopy(), nil
			}
		}
		return nil, nil
	})
	if err == nil && found == nil {
		err = fmt.Errorf("cannot find service %s: there are %s", name, workloadList(s.store.Latest()))
	}
	return found, err
}

func workloadList(snap *state.Snapshot) string {
	var out []string
	for _, w := range snap.Workloads {
		out = append(out, w.Name)
	}
	return strings.Join(out, ", ")
}
