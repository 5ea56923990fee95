package supervisor

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/bootstrap"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/operators"
	"github.com/lyandev/lyandev/supervisor/podexec"
	"github.com/lyandev/lyandev/supervisor/state"
)

// newOperators makes the runner of the stack's operators. Network and store must be there.
func newOperators(s *Supervisor) *operators.Runner {
	exec := podexec.New(s.cfg.Engine, s.podOf)
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
			s.post(verdict{name, seen, v})
		},
		Times: s.times,
	})
}

// podOf returns a pod with the latest status that its worker has, nil if there is none. The published status may be older: before
// the first look of a supervisor that took over it has no pods.
func (s *Supervisor) podOf(name string) *corev1.Pod {
	if w := s.pods.Get(name); w != nil {
		return w.Pod()
	}
	return nil
}

// WithOperator calls f with an operator of the running stack and its current view, and has the operator look again
// afterwards. It blocks until f returns; f's context ends with ctx and with the supervisor. An operator that no workload names is
// an error.
func (s *Supervisor) WithOperator(ctx context.Context, name string, f func(context.Context, services.Operator, services.View) error) error {
	return s.ops.Use(ctx, name, f)
}

// Workload is a workload of the running stack as its controller sees it, with its status.
func (s *Supervisor) Workload(ctx context.Context, name string) (*services.Workload, error) {
	found, err := ask(ctx, s, "workload "+name, func() (*services.Workload, error) {
		for _, x := range s.cluster.Listed() {
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

func workloadList(snap *state.Status) string {
	var out []string
	for _, w := range snap.Workloads {
		out = append(out, w.Name)
	}
	return strings.Join(out, ", ")
}

// bootstrapMemory is the file that says which bootstrap steps have passed.
const bootstrapMemory = "bootstrap.json"

// passedSteps are the bootstrap steps that have passed, as a snapshot of all volumes keeps them.
func (s *Supervisor) passedSteps() map[string]string {
	return bootstrap.OpenFile(s.cfg.Instance.File(bootstrapMemory), instance.WriteFile).All()
}

// RecallSteps says which bootstrap steps had passed when the volumes' content was written, so that those for the first start
// are not done again. It is called before the stack is handed over.
func (s *Supervisor) RecallSteps(passed map[string]string) error {
	f := bootstrap.OpenFile(s.cfg.Instance.File(bootstrapMemory), instance.WriteFile)
	for key, container := range passed {
		if err := f.SetPassed(key, container); err != nil {
			return err
		}
	}
	return nil
}
