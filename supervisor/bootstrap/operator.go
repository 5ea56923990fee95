package bootstrap

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
)

// Gate is the readiness gate of the pods of workloads with steps.
const Gate corev1.PodConditionType = "dev.lyandev/bootstrapped"

const prefix = "bootstrap/"

// OperatorName is the name of the operator that runs a workload's steps.
func OperatorName(workload string) string { return prefix + workload }

// WorkloadOf is the inverse of OperatorName. It returns false for the names of other operators.
func WorkloadOf(operator string) (string, bool) { return strings.CutPrefix(operator, prefix) }

// Memory stores which steps have passed, across restarts of the supervisor: from the key of a step to the container it passed
// in.
type Memory interface {
	Passed(key string) string
	SetPassed(key, container string) error
}

// Operator runs the steps of one workload. Close ends a running step.
type Operator struct {
	memory Memory
	log    *slog.Logger

	jobs   sync.WaitGroup
	ctx    context.Context // of the steps, ends with Close: a step may take longer than a Reconcile
	cancel context.CancelFunc

	mu    sync.Mutex
	steps map[string]*progress
	// right holds the UIDs of pods that were right before: steps of later pods do not make them unready.
	right map[string]bool
}

var _ services.Operator = (*Operator)(nil)

// New returns an operator that stores passed steps in memory.
func New(memory Memory, log *slog.Logger) *Operator {
	o := &Operator{memory: memory, log: log, steps: map[string]*progress{}, right: map[string]bool{}}
	o.ctx, o.cancel = context.WithCancel(context.Background())
	return o
}

// Close kills a running step, in the container too, and blocks until it has ended.
func (o *Operator) Close() error {
	o.cancel()
	o.jobs.Wait()
	return nil
}

// soon is the time to the next Reconcile while a step runs.
const soon = 100 * time.Millisecond

// Reconcile starts the first step that has not passed, if it is due, and returns the steps' state. It does not wait for steps.
func (o *Operator) Reconcile(_ context.Context, view services.View) (services.Verdict, error) {
	if len(view.Workloads) != 1 {
		return services.Verdict{}, fmt.Errorf("a bootstrap operator handles one workload, not %d", len(view.Workloads))
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	w := view.Workloads[0]
	v := services.Verdict{Pods: map[string]services.PodVerdict{}, Right: true, Message: fmt.Sprintf("%d steps passed", len(w.Bootstrap))}
	holder := ""
	for _, step := range w.Bootstrap {
		t := find(view.Pods, step)
		key := keyOf(w.Name(), step)
		p := o.steps[key]
		if p == nil {
			p = &progress{}
			o.steps[key] = p
		}
		state := p.decide(step, t, o.memory.Passed(key), view.Now)
		if state.do {
			o.start(view, step, t, key, p)
		}
		if !state.passed {
			v.Right, v.Message, v.Again, holder = false, fmt.Sprintf("step %s %s", step.Name, state.text), state.again, t.pod
			break
		}
	}
	o.judge(view, &v, w, holder)
	return v, nil
}

// judge decides which pods a pending step keeps unready: always its own pod; also the other pods that have never been right,
// except in a StatefulSet, where the step may be waiting for a later pod.
func (o *Operator) judge(view services.View, v *services.Verdict, w *services.Workload, holder string) {
	for _, p := range view.Pods {
		uid := string(p.UID)
		held := !v.Right && (p.Name == holder || w.Kind() != "StatefulSet" && !o.right[uid])
		if held {
			v.Pods[p.Name] = services.PodVerdict{Reason: "Bootstrap", Message: v.Message}
			continue
		}
		v.Pods[p.Name] = services.PodVerdict{Right: true}
		o.right[uid] = true
	}
}

// start runs a step in a goroutine that Close waits for. o.mu is held.
func (o *Operator) start(view services.View, step services.BootstrapStep, t target, key string, p *progress) {
	p.running, p.since = true, view.Now
	o.jobs.Go(func() {
		err := attempt(o.ctx, view, step, t)
		if o.ctx.Err() != nil {
			return
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		p.ended(err, time.Now())
		if err != nil {
			view.Event(t.pod, corev1.EventTypeWarning, "BootstrapFailed", fmt.Sprintf("Step %s: %v", step.Name, err))
			return
		}
		view.Event(t.pod, corev1.EventTypeNormal, "Bootstrapped", fmt.Sprintf("Step %s passed", step.Name))
		if err := o.memory.SetPassed(key, t.instance); err != nil {
			o.log.Warn("cannot save a passed bootstrap step", "step", step.Name, "error", err)
		}
	})
}
