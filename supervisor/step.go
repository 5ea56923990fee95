package supervisor

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/controller"
)

// maxLooks bounds the looks of one step. A plan that is never empty is a bug; it must not stop the loop from hearing.
const maxLooks = 50

// step looks at the world until there is nothing to do, tells everybody, and says whether the supervisor has ended.
func (s *Supervisor) step(ctx context.Context) (ended bool) {
	now := time.Now()
	next := now.Add(30 * time.Second)
	if s.stop != nil {
		if s.stopStep() {
			s.publish(now)
			return true
		}
	} else if s.world.stack != nil {
		if at := s.reconcile(now); !at.IsZero() && at.Before(next) {
			next = at
		}
	}
	s.letPodsBack()
	s.followOperators(ctx)
	s.beginHandover(ctx)
	s.note()
	s.offerTable()
	s.publish(now)
	s.timer.Reset(max(time.Until(next), time.Millisecond))
	return false
}

// reconcile releases what may go on and applies the controllers' plans until there is nothing left to do.
func (s *Supervisor) reconcile(now time.Time) (next time.Time) {
	for range maxLooks {
		released := s.world.release(now)
		plan := controller.Reconcile(s.world.view(), now)
		s.world.memory, next = plan.Memory, plan.Next
		actions := append(s.world.barePods(), plan.Actions...)
		for _, a := range actions {
			s.apply(a, now)
		}
		if len(actions) == 0 && !released {
			return next
		}
	}
	s.log.Error("the controllers do not settle", "looks", maxLooks)
	return now.Add(time.Second)
}

// apply does one action: the store first, then the worker.
func (s *Supervisor) apply(a controller.Action, now time.Time) {
	w := s.world
	switch a := a.(type) {
	case controller.CreatePod:
		p := a.Pod.DeepCopy()
		p.UID = types.UID(uuid.NewString())
		p.CreationTimestamp = metav1.NewTime(now)
		w.pods[p.Name] = p
		s.log.Debug("create pod", "pod", p.Name, "cause", a.Cause())
		s.pods.Start(p, w.holdNew(p))
	case controller.DeletePod:
		s.deletePod(a.Pod.Name, a.Cause(), now)
	case controller.CreateReplicaSet:
		w.replicaSets[a.ReplicaSet.Name] = a.ReplicaSet
	case controller.ScaleReplicaSet:
		w.replicaSets[a.ReplicaSet.Name] = a.ReplicaSet
	case controller.DeleteReplicaSet:
		delete(w.replicaSets, a.ReplicaSet.Name)
	case controller.CreateJob:
		w.jobs[a.Job.Name] = a.Job
	case controller.DeleteJob:
		delete(w.jobs, a.Job.Name)
	case controller.CreateRevision:
		w.revisions[a.Revision.Name] = a.Revision
	case controller.UpdateRevision:
		w.revisions[a.Revision.Name] = a.Revision
	case controller.DeleteRevision:
		delete(w.revisions, a.Revision.Name)
	case controller.UpdateStatus:
		w.setStatus(a)
	case controller.Event:
		s.events.Add(now, a.Kind, a.Name, a.Type, a.Reason, a.Message)
	case updatePod:
		w.update(a.pod)
		s.pods.Update(w.pods[a.pod.Name])
		s.event("Pod", a.pod.Name, "Normal", "UpdatedInPlace", "%s", a.Cause())
	}
}

// setStatus stores the object with its new status: a released workload, or a ReplicaSet or Job that a controller made.
func (w *world) setStatus(a controller.UpdateStatus) {
	if x := w.released[a.Name]; x != nil && x.Kind() == a.Kind {
		w.released[a.Name] = withObject(x, a)
		return
	}
	switch o := a.Object.(type) {
	case *appsv1.ReplicaSet:
		w.replicaSets[o.Name] = o
	case *batchv1.Job:
		w.jobs[o.Name] = o
	}
}

func withObject(x *services.Workload, a controller.UpdateStatus) *services.Workload {
	y := *x
	y.Object = a.Object
	return &y
}

// deletePod marks a pod as ending, and asks its worker to end it once the agent has acknowledged the endpoint table without
// it, so that traffic stops coming before the stop signal does. podnet bounds the wait.
func (s *Supervisor) deletePod(name, cause string, now time.Time) {
	p := s.world.pods[name]
	if p == nil || p.DeletionTimestamp != nil {
		return
	}
	p = p.DeepCopy()
	at := metav1.NewTime(now)
	p.DeletionTimestamp, p.DeletionGracePeriodSeconds = &at, p.Spec.TerminationGracePeriodSeconds
	s.world.pods[name] = p
	s.log.Debug("delete pod", "pod", name, "cause", cause)
	s.podnet.AfterNextPush(name, func() { s.pods.Delete(name) })
}

// podChanged takes a pod's new status. What the store knows better is kept: the deletion, and the role that an operator gave.
func (s *Supervisor) podChanged(p *podUpdate) {
	s.post(func() {
		old := s.world.pods[p.pod.Name]
		if old == nil || old.UID != p.pod.UID {
			return
		}
		next := old.DeepCopy()
		next.Status = p.pod.Status
		if p.pod.DeletionTimestamp != nil && next.DeletionTimestamp == nil {
			next.DeletionTimestamp = p.pod.DeletionTimestamp
		}
		s.world.pods[next.Name] = next
	})
}

// podGone forgets a pod.
func (s *Supervisor) podGone(name string, uid types.UID) {
	s.post(func() {
		if p := s.world.pods[name]; p != nil && p.UID == uid {
			delete(s.world.pods, name)
		}
	})
}

var errNoStack = errors.New("no stack has been applied yet")
