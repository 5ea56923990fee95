package controller

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// status counts the pods as they were seen, and judges availability and progress (R185).
func (r *rollout) status() {
	status := r.d.Status
	s := &status // its conditions are the view's; whoever changes one copies them first
	r.counts(s)
	r.availability(s)
	r.progressing(s)
	annotations := r.d.Annotations
	if r.newest != nil {
		if n := revision(r.newest.Annotations); n > 0 && revision(annotations) != n {
			annotations = withLabel(annotations, revisionAnnotation, strconv.FormatInt(n, 10))
		}
	}
	if sameDeploymentStatus(s, &r.d.Status) && maps.Equal(annotations, r.d.Annotations) {
		return
	}
	changed := r.d.DeepCopy()
	changed.Status, changed.Annotations = *s, annotations
	r.add(UpdateStatus{
		Object: changed, Kind: "Deployment", Name: r.d.Name, Why: "its pods changed",
		Text: fmt.Sprintf("replicas=%d updated=%d ready=%d available=%d unavailable=%d",
			s.Replicas, s.UpdatedReplicas, s.ReadyReplicas, s.AvailableReplicas, s.UnavailableReplicas),
	})
}

func (r *rollout) counts(s *appsv1.DeploymentStatus) {
	s.ObservedGeneration = r.d.Generation
	s.Replicas, s.UpdatedReplicas, s.ReadyReplicas, s.AvailableReplicas = 0, 0, 0, 0
	for _, v := range r.all() {
		s.Replicas += v.pods.active
		s.ReadyReplicas += v.pods.ready
		s.AvailableReplicas += v.pods.available
		if v == r.newest {
			s.UpdatedReplicas = v.pods.active
		}
	}
	s.UnavailableReplicas = max(total(r.all())-s.AvailableReplicas, 0)
}

func (r *rollout) availability(s *appsv1.DeploymentStatus) {
	if s.AvailableReplicas >= r.want-MaxUnavailable(r.d) {
		r.condition(s, appsv1.DeploymentAvailable, corev1.ConditionTrue, "MinimumReplicasAvailable", "Deployment has minimum availability.")
	} else {
		r.condition(s, appsv1.DeploymentAvailable, corev1.ConditionFalse, "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
	}
}

// progressing judges the roll-out: done, moving, or without progress for longer than progressDeadlineSeconds. Nothing is
// rolled back (R185). While paused there is no deadline (R188). While the probes of a pod are paused the deadline moves on: the pod may stand
// at a breakpoint.
func (r *rollout) progressing(s *appsv1.DeploymentStatus) {
	if r.d.Spec.ProgressDeadlineSeconds == nil {
		return
	}
	c := conditionOf(s, appsv1.DeploymentProgressing)
	timedOut := c != nil && c.Reason == "ProgressDeadlineExceeded"
	wasPaused := c != nil && c.Reason == "DeploymentPaused"
	switch {
	case r.created:
		r.touch(s, "NewReplicaSetCreated", fmt.Sprintf("Created new replica set %q", r.newest.Name))
		return
	case r.d.Spec.Paused && !timedOut:
		r.condition(s, appsv1.DeploymentProgressing, corev1.ConditionUnknown, "DeploymentPaused", "Deployment is paused")
		return
	case !r.d.Spec.Paused && wasPaused:
		r.condition(s, appsv1.DeploymentProgressing, corev1.ConditionUnknown, "DeploymentResumed", "Deployment is resumed")
		c = conditionOf(s, appsv1.DeploymentProgressing)
	}
	if c != nil && c.Reason == "NewReplicaSetAvailable" && s.Replicas == s.UpdatedReplicas {
		return
	}
	r.judge(s, c, timedOut)
}

func (r *rollout) judge(s *appsv1.DeploymentStatus, c *appsv1.DeploymentCondition, timedOut bool) {
	what := fmt.Sprintf("Deployment %q", r.d.Name)
	if r.newest != nil {
		what = fmt.Sprintf("ReplicaSet %q", r.newest.Name)
	}
	old := r.d.Status
	moved := s.UpdatedReplicas > old.UpdatedReplicas || s.ReadyReplicas > old.ReadyReplicas || s.AvailableReplicas > old.AvailableReplicas ||
		s.Replicas-s.UpdatedReplicas < old.Replicas-old.UpdatedReplicas
	done := s.UpdatedReplicas == r.want && s.Replicas == r.want && s.AvailableReplicas == r.want
	switch {
	case done:
		r.condition(s, appsv1.DeploymentProgressing, corev1.ConditionTrue, "NewReplicaSetAvailable", what+" has successfully progressed.")
	case moved || c == nil:
		r.touch(s, "ReplicaSetUpdated", what+" is progressing.")
	case timedOut || c.Reason == "NewReplicaSetAvailable":
	default:
		deadline := c.LastUpdateTime.Add(time.Duration(*r.d.Spec.ProgressDeadlineSeconds) * time.Second)
		if deadline.After(r.now) {
			r.again(deadline)
			return
		}
		if slices.ContainsFunc(r.all(), func(v *version) bool { return v.pods.paused > 0 }) {
			r.touch(s, c.Reason, c.Message)
			break
		}
		r.condition(s, appsv1.DeploymentProgressing, corev1.ConditionFalse, "ProgressDeadlineExceeded", what+" has timed out progressing.")
	}
	if c := conditionOf(s, appsv1.DeploymentProgressing); c != nil && c.Status == corev1.ConditionTrue && c.Reason != "NewReplicaSetAvailable" {
		r.again(c.LastUpdateTime.Add(time.Duration(*r.d.Spec.ProgressDeadlineSeconds) * time.Second))
	}
}

// touch sets Progressing to true and moves the deadline on.
func (r *rollout) touch(s *appsv1.DeploymentStatus, reason, message string) {
	r.condition(s, appsv1.DeploymentProgressing, corev1.ConditionTrue, reason, message)
	s.Conditions = slices.Clone(s.Conditions)
	conditionOf(s, appsv1.DeploymentProgressing).LastUpdateTime = metav1.NewTime(r.now)
}

// condition sets a condition; one that already says so keeps its times.
func (r *rollout) condition(s *appsv1.DeploymentStatus, kind appsv1.DeploymentConditionType, status corev1.ConditionStatus, reason, message string) {
	c := conditionOf(s, kind)
	if c != nil && c.Status == status && c.Reason == reason {
		return
	}
	now := metav1.NewTime(r.now)
	s.Conditions = slices.Clone(s.Conditions)
	if c == nil {
		s.Conditions = append(s.Conditions, appsv1.DeploymentCondition{Type: kind, LastTransitionTime: now})
	}
	c = conditionOf(s, kind)
	if c.Status != status {
		c.LastTransitionTime = now
	}
	c.Status, c.Reason, c.Message, c.LastUpdateTime = status, reason, message, now
}

func conditionOf(s *appsv1.DeploymentStatus, kind appsv1.DeploymentConditionType) *appsv1.DeploymentCondition {
	for i := range s.Conditions {
		if s.Conditions[i].Type == kind {
			return &s.Conditions[i]
		}
	}
	return nil
}
