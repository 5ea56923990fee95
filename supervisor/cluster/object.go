package cluster

import (
	"fmt"
	"reflect"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/lyandev/lyandev/services"
)

// Object is what the store holds: a pointer to one of Kubernetes' typed objects, or an *unstructured.Unstructured for a kind
// that has no Go type here (custom resources).
type Object interface {
	metav1.Object
	runtime.Object
}

// builtin are the kinds with a Go type.
var builtin = map[reflect.Type]schema.GroupVersionKind{
	reflect.TypeFor[*corev1.Pod]():                corev1.SchemeGroupVersion.WithKind("Pod"),
	reflect.TypeFor[*corev1.Service]():            corev1.SchemeGroupVersion.WithKind("Service"),
	reflect.TypeFor[*corev1.ConfigMap]():          corev1.SchemeGroupVersion.WithKind("ConfigMap"),
	reflect.TypeFor[*corev1.Secret]():             corev1.SchemeGroupVersion.WithKind("Secret"),
	reflect.TypeFor[*corev1.Namespace]():          corev1.SchemeGroupVersion.WithKind("Namespace"),
	reflect.TypeFor[*appsv1.Deployment]():         appsv1.SchemeGroupVersion.WithKind("Deployment"),
	reflect.TypeFor[*appsv1.StatefulSet]():        appsv1.SchemeGroupVersion.WithKind("StatefulSet"),
	reflect.TypeFor[*appsv1.DaemonSet]():          appsv1.SchemeGroupVersion.WithKind("DaemonSet"),
	reflect.TypeFor[*appsv1.ReplicaSet]():         appsv1.SchemeGroupVersion.WithKind("ReplicaSet"),
	reflect.TypeFor[*appsv1.ControllerRevision](): appsv1.SchemeGroupVersion.WithKind("ControllerRevision"),
	reflect.TypeFor[*batchv1.Job]():               batchv1.SchemeGroupVersion.WithKind("Job"),
	reflect.TypeFor[*batchv1.CronJob]():           batchv1.SchemeGroupVersion.WithKind("CronJob"),
	reflect.TypeFor[*services.ComposeService]():   services.ComposeServiceKind,
	reflect.TypeFor[*networkingv1.Ingress]():      networkingv1.SchemeGroupVersion.WithKind("Ingress"),
}

// Kind is the group and kind of an object. An object of a type that the store does not know is a programming error and panics.
func Kind(o Object) schema.GroupKind {
	if u, ok := o.(*unstructured.Unstructured); ok {
		return u.GroupVersionKind().GroupKind()
	}
	return kindOfType(reflect.TypeOf(o))
}

// GVK is the group, version and kind of an object.
func GVK(o Object) schema.GroupVersionKind {
	if u, ok := o.(*unstructured.Unstructured); ok {
		return u.GroupVersionKind()
	}
	return builtin[reflect.TypeOf(o)]
}

func kindOfType(t reflect.Type) schema.GroupKind {
	gvk, ok := builtin[t]
	if !ok {
		panic(fmt.Sprintf("cluster: no kind for %s", t))
	}
	return gvk.GroupKind()
}

// KeyOf is the key of an object.
func KeyOf(o Object) Key { return Key{Kind: Kind(o), Namespace: o.GetNamespace(), Name: o.GetName()} }

// resource is the kind as errors name it: the plural that kubectl uses.
func resource(k schema.GroupKind) schema.GroupResource {
	name := strings.ToLower(k.Kind)
	if strings.HasSuffix(name, "s") {
		name += "e"
	}
	return schema.GroupResource{Group: k.Group, Resource: name + "s"}
}

// shallow is a copy whose metadata fields can be set without changing the original. What they refer to is shared.
func shallow(o Object) Object {
	if u, ok := o.(*unstructured.Unstructured); ok {
		return u.DeepCopy()
	}
	v := reflect.New(reflect.TypeOf(o).Elem())
	v.Elem().Set(reflect.ValueOf(o).Elem())
	return v.Interface().(Object)
}

// hasSpec says that an object counts generations.
func hasSpec(o Object) bool {
	if u, ok := o.(*unstructured.Unstructured); ok {
		_, there := u.Object["spec"]
		return there
	}
	return reflect.ValueOf(o).Elem().FieldByName("Spec").IsValid()
}

// sameSpec says that two versions of an object differ in metadata and status at most.
func sameSpec(a, b Object) bool {
	x, ok := a.(*unstructured.Unstructured)
	if !ok {
		return equality.Semantic.DeepEqual(
			reflect.ValueOf(a).Elem().FieldByName("Spec").Interface(), reflect.ValueOf(b).Elem().FieldByName("Spec").Interface())
	}
	y, ok := b.(*unstructured.Unstructured)
	return ok && equality.Semantic.DeepEqual(withoutStatus(x.Object), withoutStatus(y.Object))
}

// withoutStatus is the content of a custom resource that its generation counts.
func withoutStatus(content map[string]any) map[string]any {
	out := make(map[string]any, len(content))
	for k, v := range content {
		if k != "metadata" && k != "status" {
			out[k] = v
		}
	}
	return out
}
