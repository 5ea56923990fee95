package controller

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
)

// The functions here compare the fields of a status that the controllers set. They decide at every look that there is nothing to
// store, so they neither reflect nor allocate.

func sameDeploymentStatus(a, b *appsv1.DeploymentStatus) bool {
	return a.ObservedGeneration == b.ObservedGeneration && a.Replicas == b.Replicas && a.UpdatedReplicas == b.UpdatedReplicas &&
		a.ReadyReplicas == b.ReadyReplicas && a.AvailableReplicas == b.AvailableReplicas && a.UnavailableReplicas == b.UnavailableReplicas &&
		slices.EqualFunc(a.Conditions, b.Conditions, sameDeploymentCondition)
}

func sameDeploymentCondition(a, b appsv1.DeploymentCondition) bool {
	return a.Type == b.Type && a.Status == b.Status && a.Reason == b.Reason && a.Message == b.Message &&
		a.LastUpdateTime.Equal(&b.LastUpdateTime) && a.LastTransitionTime.Equal(&b.LastTransitionTime)
}

func sameReplicaSetStatus(a, b *appsv1.ReplicaSetStatus) bool {
	return a.ObservedGeneration == b.ObservedGeneration && a.Replicas == b.Replicas && a.FullyLabeledReplicas == b.FullyLabeledReplicas &&
		a.ReadyReplicas == b.ReadyReplicas && a.AvailableReplicas == b.AvailableReplicas
}

func sameStatefulSetStatus(a, b *appsv1.StatefulSetStatus) bool {
	return a.ObservedGeneration == b.ObservedGeneration && a.Replicas == b.Replicas && a.ReadyReplicas == b.ReadyReplicas &&
		a.AvailableReplicas == b.AvailableReplicas && a.CurrentReplicas == b.CurrentReplicas && a.UpdatedReplicas == b.UpdatedReplicas &&
		a.CurrentRevision == b.CurrentRevision && a.UpdateRevision == b.UpdateRevision &&
		(a.CollisionCount == nil) == (b.CollisionCount == nil) && deref(a.CollisionCount, 0) == deref(b.CollisionCount, 0)
}

func sameDaemonSetStatus(a, b *appsv1.DaemonSetStatus) bool {
	return a.ObservedGeneration == b.ObservedGeneration && a.DesiredNumberScheduled == b.DesiredNumberScheduled &&
		a.CurrentNumberScheduled == b.CurrentNumberScheduled && a.UpdatedNumberScheduled == b.UpdatedNumberScheduled &&
		a.NumberReady == b.NumberReady && a.NumberAvailable == b.NumberAvailable && a.NumberUnavailable == b.NumberUnavailable
}
