package controller

import (
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/lyandev/lyandev/services"
)

// PodRevision is the value of the hash label that pods made from the present template of a workload carry:
// pod-template-hash of a Deployment's and a ComposeService's, controller-revision-hash of a StatefulSet's and a DaemonSet's. It is "" for other
// kinds, whose pods carry none.
func PodRevision(workload runtime.Object) string {
	switch o := workload.(type) {
	case *appsv1.Deployment:
		return TemplateHash(&o.Spec.Template, o.Status.CollisionCount)
	case *appsv1.StatefulSet:
		return o.Name + "-" + dataHash(templateData(&o.Spec.Template), deref(o.Status.CollisionCount, 0))
	case *appsv1.DaemonSet:
		return TemplateHash(&o.Spec.Template, o.Status.CollisionCount)
	case *services.ComposeService:
		return TemplateHash(&o.Spec.Template, nil)
	}
	return ""
}
