package supervisor

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/cluster"
	"github.com/lyandev/lyandev/supervisor/controller"
	"github.com/lyandev/lyandev/supervisor/network"
	"github.com/lyandev/lyandev/supervisor/switchplan"
)

const (
	// maxLooks bounds the looks of one step. A plan that is never empty is a bug; it must not stop the loop from hearing.
	maxLooks = 50
	// idleLook is the time of the next step if nothing happens before.
	idleLook = 30 * time.Second
	// handoverLimit bounds one round of asking all operators, handoverRetry is the pause after a refusal.
	handoverLimit = time.Minute
	handoverRetry = time.Second
)

// step brings the cluster forward until there is nothing to do, and tells everybody. It reports whether the stack has been
// stopped to the end.
func (s *Supervisor) step(ctx context.Context) (ended bool) {
	now := time.Now()
	next := now.Add(idleLook)
	switch {
	case s.stopping:
		if left := slices.DeleteFunc(slices.Clone(s.cluster.Pods()), s.kept); len(left) == 0 {
			s.saveState()
			s.publish(now)
			s.answerAwaited()
			return true
		}
		for _, p := range s.cluster.MayStop(s.kept) {
			if s.keeps(p) {
				s.halt(p)
				continue
			}
			s.deletePod(p, "the stack is being stopped", now)
		}
	case s.cluster.Stack() != nil:
		if at := s.reconcile(now); !at.IsZero() && at.Before(next) {
			next = at
		}
	}
	if at := s.followPauses(now); !at.IsZero() && at.Before(next) {
		next = at
	}
	s.releaseRecovered()
	s.followOperators(ctx)
	s.beginHandover(ctx)
	s.saveState()
	s.offerTable()
	s.publish(now)
	s.answerAwaited()
	s.timer.Reset(max(time.Until(next), time.Millisecond))
	return false
}

// reconcile releases the workloads that may go on, and carries out the controllers' plans until there is nothing left to do.
func (s *Supervisor) reconcile(now time.Time) (next time.Time) {
	for range maxLooks {
		released, err := s.cluster.Release(now)
		if err != nil {
			s.log.Error("cannot release a workload", "error", err)
			return now.Add(time.Second)
		}
		plan := controller.Reconcile(s.cluster.View(), now)
		s.cluster.Remember(plan.Memory)
		next = plan.Next
		actions := append(s.cluster.BarePods(), plan.Actions...)
		for _, a := range actions {
			s.perform(a, now)
		}
		if len(actions) == 0 && !released {
			return next
		}
	}
	s.log.Error("the controllers do not settle", "looks", maxLooks)
	return now.Add(time.Second)
}

// perform does one action: the store first, then the worker.
func (s *Supervisor) perform(a controller.Action, now time.Time) {
	s.log.Debug("action", "after", s.received, "action", a)
	var err error
	switch a := a.(type) {
	case controller.CreatePod:
		err = s.createPod(a.Pod, now)
	case controller.DeletePod:
		s.deletePod(a.Pod, a.Cause(), now)
	case cluster.UpdatePod:
		var p *corev1.Pod
		if p, err = s.cluster.UpdatePod(a.Pod); err == nil {
			s.pods.Update(p)
			s.event("Pod", p.Name, corev1.EventTypeNormal, "UpdatedInPlace", "%s", a.Cause())
		}
	case controller.Event:
		s.events.Add(now, a.Kind, a.Name, a.Type, a.Reason, a.Message)
	default:
		err = s.cluster.Perform(a)
	}
	if err != nil {
		s.log.Error("an action failed", "action", a, "error", err)
	}
}

func (s *Supervisor) createPod(wanted *corev1.Pod, now time.Time) error {
	p := wanted.DeepCopy()
	p.UID = types.UID(uuid.NewString())
	p.CreationTimestamp = metav1.NewTime(now)
	if s.cluster.Unstarted && services.PlainPod(p) {
		p.Annotations = withEntry(p.Annotations, services.UnstartedAnnotation, "true")
	}
	stored, err := s.cluster.Create(p, "")
	if err != nil {
		return err
	}
	p = stored.(*corev1.Pod)
	s.pods.Start(p, s.cluster.Recovery.HoldNew(p))
	return nil
}

// deletePod marks a pod as ending, and asks its worker to end it once the agent has acknowledged the endpoint table without
// it, so that traffic stops coming before the stop signal does. podnet bounds the wait.
func (s *Supervisor) deletePod(wanted *corev1.Pod, cause string, now time.Time) {
	p, err := s.cluster.MarkDeleted(wanted.UID, now)
	if err != nil {
		s.log.Error("cannot delete a pod", "pod", wanted.Name, "error", err)
	}
	if p == nil {
		return
	}
	s.log.Debug("delete pod", "pod", p.Name, "cause", cause)
	grace := s.stopGrace[p.Labels[services.WorkloadLabel]]
	if grace == nil && !s.stopping {
		grace = s.applyGrace
	}
	s.podnet.AfterNextPush(p.Name, func() { s.pods.Delete(p.Name, grace) })
}

// releaseRecovered tells the workers of pods that ended with the engine what they wait for now, or that they may go on.
func (s *Supervisor) releaseRecovered() {
	if s.pods.Held() || s.stopping {
		return // every pod is held and its status predates the break, or nothing is to be started again
	}
	for _, p := range s.cluster.ChangedHolds() {
		s.pods.Hold(p.Name, s.cluster.Recovery.Hold(p.UID))
	}
}

// followOperators runs the operators that released workloads name, and none while the stack is stopped.
func (s *Supervisor) followOperators(ctx context.Context) {
	views := map[string]services.View{}
	if !s.stopping {
		views = s.cluster.OperatorViews()
	}
	failed := s.ops.Follow(ctx, views)
	for name := range s.cluster.Verdicts() {
		if _, ok := views[name]; !ok {
			s.cluster.ForgetOperator(name)
		}
	}
	for name := range views {
		s.cluster.Handover.SetAble(name, s.ops.CanHandOver(name))
		if err := failed[name]; err != nil {
			s.cluster.SetVerdict(name, services.Verdict{Message: err.Error()})
		}
	}
}

// beginHandover asks the operators in the background whether pods may leave, if that is needed and not going on already.
func (s *Supervisor) beginHandover(ctx context.Context) {
	if !s.cluster.Handover.Begin() {
		return
	}
	stack, pods := s.cluster.Stack(), s.cluster.Pods()
	s.background.Go(func() {
		limited, cancel := context.WithTimeout(ctx, handoverLimit)
		defer cancel()
		moved, err := s.ops.Handover(limited, switchplan.Stays(stack, pods))
		for _, pod := range moved {
			s.event("Pod", pod, corev1.EventTypeNormal, "BroughtHome", "is the master now, because the pod that was leaves")
		}
		if err != nil && ctx.Err() == nil {
			s.log.Warn("pods cannot leave yet", "error", err)
			select {
			case <-time.After(handoverRetry):
			case <-ctx.Done():
			}
		}
		s.post(handoverAnswer{stack, err})
	})
}

// offerTable gives the network what the endpoint table is made from.
func (s *Supervisor) offerTable() {
	stack := s.cluster.Stack()
	if stack == nil {
		s.podnet.Offer(nil)
		return
	}
	s.podnet.Offer(&network.View{
		Pods: s.cluster.Pods(), Services: cluster.List[*corev1.Service](s.cluster.Store), Ingresses: stack.Ingresses,
	})
}

var errNoStack = errors.New("no stack has been applied yet")
