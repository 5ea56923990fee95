package cluster

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/bootstrap"
	"github.com/lyandev/lyandev/supervisor/order"
	"github.com/lyandev/lyandev/supervisor/prepare"
	"github.com/lyandev/lyandev/supervisor/state"
)

// Bootstraps are the holds of workloads whose bootstrap steps have not passed.
type Bootstraps struct{ holds map[string]state.Hold }

// OperatorViews are the workloads and pods of each operator that released workloads name, bootstraps included.
func (c *Cluster) OperatorViews() map[string]services.View {
	views := map[string]services.View{}
	if c.stack == nil {
		return views
	}
	for _, x := range c.AllReleased() {
		if x.Operator != "" {
			v := views[x.Operator]
			v.Stack, v.Workloads, v.Pods = c.stack, append(v.Workloads, x), append(v.Pods, c.PodsOf(x.Name())...)
			views[x.Operator] = v
		}
		if len(x.Bootstrap) > 0 {
			views[bootstrap.OperatorName(x.Name())] = services.View{
				Stack: c.stack, Workloads: []*services.Workload{x}, Pods: c.PodsOf(x.Name()),
			}
		}
	}
	return views
}

// Verdicts are what the operators said last, by operator. The map is not to be changed.
func (c *Cluster) Verdicts() map[string]services.Verdict { return c.verdicts }

// SetVerdict records a verdict that concerns no pod: an operator that could not be made.
func (c *Cluster) SetVerdict(operator string, v services.Verdict) { c.verdicts[operator] = v }

// ForgetOperator drops what an operator said that no workload names any more.
func (c *Cluster) ForgetOperator(name string) {
	delete(c.verdicts, name)
	if workload, ok := bootstrap.WorkloadOf(name); ok {
		delete(c.Bootstraps.holds, workload)
	}
}

// VerdictChange is what a verdict means for pods and workloads.
type VerdictChange struct {
	// Conditions are to be set on pods, by pod name.
	Conditions map[string]corev1.PodCondition
	// Events tell of changed roles and of restarts.
	Events []VerdictEvent
	// Doubtful are the pods that may not serve any more, since they restart for a fact of an operator that is not right. Their
	// readiness is to be probed now.
	Doubtful []string
}

// doubtFor is how long after an operator stopped being right the pods that restart for its facts are Doubtful: long enough for
// a failover, and short enough that a product that stays wrong does not cause probes without end.
const doubtFor = 30 * time.Second

// VerdictEvent is something that people should know of.
type VerdictEvent struct{ Kind, Name, Reason, Message string }

// TakeVerdict stores what an operator says of the pods that it has seen: roles, facts, and whether they are right. It
// returns what the pods' workers and people are to be told.
func (c *Cluster) TakeVerdict(operator string, seen services.View, v services.Verdict, now time.Time) (VerdictChange, error) {
	if workload, ok := bootstrap.WorkloadOf(operator); ok {
		return c.takeBootstrap(workload, seen, v, now), nil
	}
	out := VerdictChange{Conditions: map[string]corev1.PodCondition{}, Doubtful: c.doubt(operator, v, now)}
	if old, ok := c.verdicts[operator]; ok && reflect.DeepEqual(old, v) && !c.unjudged(seen) {
		return out, nil
	}
	c.verdicts[operator] = v
	for _, p := range seen.Pods {
		if c.Pod(p.UID) == nil {
			continue
		}
		pv, ok := v.Pods[p.Name]
		if !ok {
			pv = services.PodVerdict{Reason: "NotLookedAt", Message: v.Message}
		}
		before, err := c.SetRole(p.UID, pv.Role)
		if err != nil {
			return out, err
		}
		if before != "" && before != pv.Role {
			out.Events = append(out.Events, VerdictEvent{"Pod", p.Name, "RoleChanged", fmt.Sprintf("Role is %s now, was %s", orNone(pv.Role), before)})
		}
		out.Conditions[p.Name] = rightCondition(services.RightGate, pv, now)
	}
	out.Events = append(out.Events, c.takeFacts(v.Facts, now)...)
	return out, nil
}

// unjudged says that a pod of the view does not have its condition from the operator yet.
func (c *Cluster) unjudged(seen services.View) bool {
	for _, p := range seen.Pods {
		have := c.Pod(p.UID)
		if have == nil {
			continue
		}
		found := false
		for _, cond := range have.Status.Conditions {
			found = found || cond.Type == services.RightGate
		}
		if !found {
			return true
		}
	}
	return false
}

func rightCondition(gate corev1.PodConditionType, v services.PodVerdict, now time.Time) corev1.PodCondition {
	c := corev1.PodCondition{
		Type: gate, Status: corev1.ConditionFalse, Reason: v.Reason, Message: v.Message, LastTransitionTime: metav1.NewTime(now),
	}
	if v.Right {
		c.Status = corev1.ConditionTrue
	}
	return c
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// takeBootstrap takes what the bootstrap steps of a workload say, and holds the workload while one is pending.
func (c *Cluster) takeBootstrap(workload string, seen services.View, v services.Verdict, now time.Time) VerdictChange {
	out := VerdictChange{Conditions: map[string]corev1.PodCondition{}}
	if r := c.released[workload]; r == nil || len(r.from.Bootstrap) == 0 {
		return out // it left while the operator looked
	}
	c.verdicts[bootstrap.OperatorName(workload)] = v
	for _, p := range seen.Pods {
		if c.Pod(p.UID) != nil {
			out.Conditions[p.Name] = rightCondition(bootstrap.Gate, v.Pods[p.Name], now)
		}
	}
	if v.Right {
		delete(c.Bootstraps.holds, workload)
		return out
	}
	h := state.Hold{Kind: "bootstrap", For: workload, Reason: "waits for its bootstrap: " + v.Message, Since: now}
	if old, ok := c.Bootstraps.holds[workload]; ok {
		h.Since = old.Since
	}
	if c.Bootstraps.holds == nil {
		c.Bootstraps.holds = map[string]state.Hold{}
	}
	c.Bootstraps.holds[workload] = h
	return out
}

// takeFacts restarts the workloads whose RestartOn names a fact that was known and has another value now. Their pods are
// rolled as by `kubectl rollout restart`, except that pods which are not Ready are all replaced at once.
func (c *Cluster) takeFacts(facts map[string]string, now time.Time) []VerdictEvent {
	var out []VerdictEvent
	for k, v := range facts {
		old, known := c.facts[k]
		c.facts[k] = v
		if !known || old == v || v == "" || c.stack == nil {
			continue
		}
		for _, x := range c.stack.Workloads {
			for _, on := range x.RestartOn {
				if on == k+"-changed" {
					out = append(out, VerdictEvent{x.Kind(), x.Name(), "Restarting", fmt.Sprintf("%s changed from %s to %s", k, old, v)})
					_ = c.Restart(x.Name(), now) // it is in the stack: it was just found there
					c.factRestarts[x.Name()] = true
				}
			}
		}
	}
	return out
}

// doubt returns the pods that a verdict makes Doubtful.
func (c *Cluster) doubt(operator string, v services.Verdict, now time.Time) []string {
	if v.Right || c.stack == nil {
		delete(c.wrongSince, operator)
		return nil
	}
	if _, known := c.wrongSince[operator]; !known {
		c.wrongSince[operator] = now
	}
	if now.Sub(c.wrongSince[operator]) > doubtFor {
		return nil
	}
	var out []string
	for _, x := range c.stack.Workloads {
		if !slices.ContainsFunc(x.RestartOn, func(on string) bool { return v.Facts[strings.TrimSuffix(on, "-changed")] != "" }) {
			continue
		}
		for _, p := range c.PodsOf(x.Name()) {
			if state.PodReady(p) {
				out = append(out, p.Name)
			}
		}
	}
	return out
}

// endFactRestarts forgets the restarts that are complete, and those of workloads that left the stack.
func (c *Cluster) endFactRestarts(facts map[string]order.Facts) {
	for name := range c.factRestarts {
		if f, ok := facts[name]; !ok || f.Right {
			delete(c.factRestarts, name)
		}
	}
}

// onlyRestartsForFact reports whether a workload differs from the released version only by a restart for a changed fact. It
// does not wait for its dependencies then: the fact comes from an operator that has seen the new master serve, and the
// operator's other pods may be away for long.
func (c *Cluster) onlyRestartsForFact(x *services.Workload) bool {
	r := c.released[x.Name()]
	if r == nil || !c.factRestarts[x.Name()] {
		return false
	}
	restarted := r.from.DeepCopy()
	prepare.Annotate(restarted, services.RestartedAtAnnotation, c.restarts[x.Name()])
	return sameObject(restarted, x)
}
