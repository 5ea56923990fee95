package controller

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ownerKey names an owner among all objects of a view.
type ownerKey struct{ kind, namespace, name string }

func (o owner) key() ownerKey { return ownerKey{o.kind, o.meta.Namespace, o.meta.Name} }

// owned are objects by the owner that their controller reference names, each list in the view's order. It is made once a look,
// so that finding what an owner has does not read all objects again.
type owned[T metav1.Object] map[ownerKey][]T

func byOwner[T metav1.Object](objects []T) owned[T] {
	out := make(owned[T], len(objects))
	for _, x := range objects {
		if ref := controllerOf(x.GetOwnerReferences()); ref != nil {
			key := ownerKey{ref.Kind, x.GetNamespace(), ref.Name}
			out[key] = append(out[key], x)
		}
	}
	return out
}

// of are the objects that o owns. The caller must not change the list.
func (m owned[T]) of(o owner) []T {
	foreign := func(x T) bool { return !o.owns(x.GetNamespace(), x.GetOwnerReferences()) }
	named := m[o.key()]
	if slices.ContainsFunc(named, foreign) { // of an owner of the same name and another UID
		return slices.DeleteFunc(slices.Clone(named), foreign)
	}
	return named
}
