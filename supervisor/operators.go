package supervisor

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/bootstrap"
)

const (
	// lookLimit bounds one Reconcile of an operator.
	lookLimit = 10 * time.Second
	// lookSoon is the time between looks while something is not right, lookLater while everything is.
	lookSoon  = 500 * time.Millisecond
	lookLater = 3 * time.Second
	// lookAtOnce is how long a change may wait, so that several make one look.
	lookAtOnce = 20 * time.Millisecond
)

// operatorRunner calls the operators of the stack, each in a goroutine of its own, and takes their verdicts to the loop.
type operatorRunner struct {
	s  *Supervisor
	wg sync.WaitGroup

	// memory is of the bootstrap steps; the loop's.
	memory bootstrap.Memory

	mu      sync.Mutex
	running map[string]*operatorLoop
}

type operatorLoop struct {
	name   string
	op     services.Operator
	cancel context.CancelFunc

	mu   sync.Mutex
	view services.View
	// key is what the operator was last woken for: the pods it has, their addresses and what runs in them.
	key  string
	wake chan struct{}
}

func newOperatorRunner(s *Supervisor) *operatorRunner {
	return &operatorRunner{s: s, running: map[string]*operatorLoop{}}
}

// wait blocks until all operators have ended, after ctx did.
func (r *operatorRunner) wait() { r.wg.Wait() }

// follow starts and ends operators as workloads name them, gives each its view, and wakes it when its pods changed. Called
// by the loop.
func (r *operatorRunner) follow(ctx context.Context) {
	w := r.s.world
	views := map[string]services.View{}
	if w.stack != nil && r.s.stop == nil {
		for _, x := range w.inOrder() {
			if x.Operator == "" {
				continue
			}
			v := views[x.Operator]
			v.Workloads, v.Pods = append(v.Workloads, x), append(v.Pods, w.podsOf(x.Name())...)
			views[x.Operator] = v
		}
		w.bootstrapViews(views)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, l := range r.running {
		if _, ok := views[name]; !ok {
			l.cancel()
			delete(r.running, name)
			w.forgetOperator(name)
		}
	}
	for name, v := range views {
		l := r.running[name]
		if l == nil {
			if l = r.begin(ctx, name); l == nil {
				continue
			}
		}
		v.Stack = w.stack
		l.see(r.complete(v))
	}
}

func (r *operatorRunner) begin(ctx context.Context, name string) *operatorLoop {
	op, err := r.makeOperator(name)
	if err != nil {
		r.s.world.verdicts[name] = services.Verdict{Message: err.Error()}
		return nil
	}
	_, r.s.world.canHome[name] = op.(homing)
	ctx, cancel := context.WithCancel(ctx)
	l := &operatorLoop{name: name, op: op, cancel: cancel, wake: make(chan struct{}, 1)}
	r.running[name] = l
	r.wg.Go(func() { r.run(ctx, l) })
	return l
}

// complete adds how the operator reaches its pods.
func (r *operatorRunner) complete(v services.View) services.View {
	s := r.s
	v.Dial = s.fabric.dial
	v.Exec = s.execInPod
	v.Env = s.envOf
	v.Addr = func(pod string) (string, bool) {
		a, err := s.fabric.podIP(pod)
		return a.String(), err == nil
	}
	v.Event = func(pod, typ, reason, message string) {
		s.events.Add(time.Now(), "Pod", pod, typ, reason, s.secrets.mask(message))
	}
	return v
}

// see gives the operator its view, and wakes it if that is another one.
func (l *operatorLoop) see(v services.View) {
	var key strings.Builder
	for _, p := range v.Pods {
		fmt.Fprintf(&key, "%s %s %v;", p.UID, p.Status.PodIP, p.DeletionTimestamp != nil)
		for _, c := range p.Status.ContainerStatuses {
			fmt.Fprintf(&key, "%s %v,", c.ContainerID, c.State.Running != nil)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.view = v
	if l.key != key.String() {
		l.key = key.String()
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

func (r *operatorRunner) run(ctx context.Context, l *operatorLoop) {
	wait := time.NewTimer(0)
	defer wait.Stop()
	defer endOperator(l.op)
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.wake:
			select {
			case <-time.After(lookAtOnce):
			case <-ctx.Done():
				return
			}
		case <-wait.C:
		}
		l.mu.Lock()
		v := l.view
		l.mu.Unlock()
		v.Now = time.Now()
		look, cancel := context.WithTimeout(ctx, lookLimit)
		verdict, err := l.op.Reconcile(look, v)
		cancel()
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			r.s.log.Debug("operator could not look", "operator", l.name, "error", err)
			verdict.Right, verdict.Message = false, err.Error()
		}
		r.s.secrets.maskVerdict(&verdict)
		r.s.post(func() { r.s.takeVerdict(l.name, v, verdict, time.Now()) })
		next := lookSoon
		if verdict.Right {
			next = lookLater
		}
		if verdict.Again > 0 {
			next = min(next, verdict.Again)
		}
		wait.Reset(next)
	}
}

// takeVerdict puts roles and gates onto pods, and tells workloads of changed facts. The verdict of an operator that has been
// stopped since is dropped. Called by the loop.
func (s *Supervisor) takeVerdict(name string, seen services.View, v services.Verdict, now time.Time) {
	if _, err := s.ops.find(name); err != nil {
		return
	}
	w := s.world
	if workload, ok := bootstrap.WorkloadOf(name); ok {
		s.takeBootstrap(workload, seen, v, now)
		return
	}
	if old, ok := w.verdicts[name]; ok && reflect.DeepEqual(old, v) && !seenNewPods(w, seen) {
		return
	}
	w.verdicts[name] = v
	for _, p := range seen.Pods {
		have := w.pods[p.Name]
		if have == nil || have.UID != p.UID {
			continue
		}
		pv, ok := v.Pods[p.Name]
		if !ok {
			pv = services.PodVerdict{Reason: "NotLookedAt", Message: v.Message}
		}
		s.setRole(have, pv.Role)
		s.pods.SetCondition(p.Name, rightCondition(pv, now))
	}
	s.noteFacts(v.Facts, now)
}

// seenNewPods says that a pod of the view has not got its condition from the operator yet.
func seenNewPods(w *world, seen services.View) bool {
	for _, p := range seen.Pods {
		have := w.pods[p.Name]
		if have == nil {
			continue
		}
		found := false
		for _, c := range have.Status.Conditions {
			found = found || c.Type == services.RightGate
		}
		if !found {
			return true
		}
	}
	return false
}

func rightCondition(v services.PodVerdict, now time.Time) corev1.PodCondition {
	c := corev1.PodCondition{
		Type: services.RightGate, Status: corev1.ConditionFalse, Reason: v.Reason, Message: v.Message,
		LastTransitionTime: metav1.NewTime(now),
	}
	if v.Right {
		c.Status = corev1.ConditionTrue
	}
	return c
}

func (s *Supervisor) setRole(p *corev1.Pod, role string) {
	old := p.Labels[services.RoleLabel]
	if old == role {
		return
	}
	next := p.DeepCopy()
	next.Labels = maps.Clone(next.Labels)
	if role == "" {
		delete(next.Labels, services.RoleLabel)
	} else {
		next.Labels[services.RoleLabel] = role
	}
	s.world.pods[p.Name] = next
	if old != "" {
		s.event("Pod", p.Name, "Normal", "RoleChanged", "Role is %s now, was %s", orNone(role), old)
	}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
