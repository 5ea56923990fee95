package simulation

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/engine/enginefake"
	"github.com/lyandev/lyandev/supervisor/pod/dockerpod"
	"github.com/lyandev/lyandev/supervisor/state"
)

// script draws what a container does when it is started.
func (w *World) script(_ int, spec engine.ContainerSpec) enginefake.Script {
	r := w.draw("script", spec.Name)
	w.mu.Lock()
	now := w.weather
	w.mu.Unlock()
	s := enginefake.Script{StartTakes: time.Duration(1 + r.Int64N(int64(300*time.Millisecond))), IgnoreStop: r.IntN(10) == 0}
	if r.IntN(2) == 0 {
		s.OnStop = &enginefake.Exit{After: time.Duration(r.Int64N(int64(3 * time.Second)))}
	}
	if spec.Labels[services.KindLabel] == dockerpod.KindSandbox {
		return s
	}
	warm := time.Now().Add(time.Duration(r.Int64N(int64(5 * time.Second))))
	s.Exec = func(_ context.Context, x *enginefake.Execution) (int, error) { return w.answer(x, warm), nil }
	crashes := r.Float64() < now.crashes
	if len(spec.Entrypoint) > 0 && spec.Entrypoint[0] == "Job" {
		s.Exit = &enginefake.Exit{After: time.Duration(1 + r.Int64N(int64(6*time.Second)))}
	}
	if crashes {
		s.Exit = &enginefake.Exit{After: time.Duration(1 + r.Int64N(int64(15*time.Second))), Code: 1}
	}
	return s
}

// answer is the exit code of a probe.
func (w *World) answer(x *enginefake.Execution, warm time.Time) int {
	r := w.draw("probe", x.Container, x.Cmd[0])
	w.mu.Lock()
	unready := w.weather.unready
	w.mu.Unlock()
	if x.Cmd[0] == "ready" && time.Now().Before(warm) || r.Float64() < unready {
		return 1
	}
	return 0
}

// operator makes the operator of a stack: the first pod that is ready is the master, all others follow.
func (w *World) operator(name string) (services.Operator, error) {
	if name != scripted {
		return nil, fmt.Errorf("there is no operator %s", name)
	}
	return operator{w}, nil
}

type operator struct{ w *World }

// Reconcile implements services.Operator.
func (o operator) Reconcile(_ context.Context, view services.View) (services.Verdict, error) {
	v := services.Verdict{Pods: map[string]services.PodVerdict{}, Right: true, Message: "all follow"}
	master := ""
	for _, p := range view.Pods {
		ready := containersReady(p)
		role := "slave"
		if master == "" && ready && p.DeletionTimestamp == nil {
			role, master = "master", p.Name
		}
		v.Pods[p.Name] = services.PodVerdict{Role: role, Right: ready}
		if !ready {
			v.Right, v.Message = false, p.Name+" does not answer"
		}
	}
	return v, nil
}

// Home moves the master away from pods that leave, as soon as one that stays is ready.
func (o operator) Home(_ context.Context, view services.View, stays func(pod string) bool) (string, error) {
	for _, p := range view.Pods {
		if stays(p.Name) && containersReady(p) {
			return p.Name, nil
		}
	}
	return "", nil
}

func containersReady(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.ContainersReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return state.PodReady(p)
}
