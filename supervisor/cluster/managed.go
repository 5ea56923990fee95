package cluster

import (
	"bytes"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// notManaged are fields that nobody owns, as in Kubernetes' field management.
var notManaged = fieldpath.NewSet(
	fieldpath.MakePathOrDie("apiVersion"), fieldpath.MakePathOrDie("kind"), fieldpath.MakePathOrDie("metadata"),
	fieldpath.MakePathOrDie("metadata", "name"), fieldpath.MakePathOrDie("metadata", "namespace"),
	fieldpath.MakePathOrDie("metadata", "creationTimestamp"), fieldpath.MakePathOrDie("metadata", "generation"),
	fieldpath.MakePathOrDie("metadata", "managedFields"), fieldpath.MakePathOrDie("metadata", "resourceVersion"),
	fieldpath.MakePathOrDie("metadata", "uid"), fieldpath.MakePathOrDie("metadata", "deletionTimestamp"),
)

// manage records in next who set which field: a manager owns the fields that its write added or changed, together with what
// it owned before and is still there, and others lose the fields that it changed. old is nil for a new object. Manager ""
// records nothing: the write is a controller's, of status or of an object that only it writes.
func manage(old, next Object, manager string, now time.Time) {
	if manager == "" {
		return
	}
	set := fieldsOf(next)
	changed := set
	if old != nil {
		changed = changedFields(old, next, set)
	}
	var out []metav1.ManagedFieldsEntry
	at := metav1.NewTime(now)
	mine := changed
	for _, e := range next.GetManagedFields() {
		owned := decodeFields(e).Intersection(set)
		if e.Manager == manager && e.Operation == metav1.ManagedFieldsOperationUpdate {
			if mine = mine.Union(owned); mine.Equals(decodeFields(e)) {
				at = *e.Time // nothing that it owns changed
			}
			continue
		}
		if owned = owned.Difference(changed); !owned.Empty() {
			out = append(out, encodeFields(e, owned))
		}
	}
	if !mine.Empty() {
		out = append(out, encodeFields(metav1.ManagedFieldsEntry{
			Manager: manager, Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: GVK(next).GroupVersion().String(), Time: &at,
			FieldsType: "FieldsV1",
		}, mine))
	}
	slices.SortStableFunc(out, func(a, b metav1.ManagedFieldsEntry) int { return a.Time.Compare(b.Time.Time) })
	next.SetManagedFields(out)
}

// content is an object as JSON would have it.
func content(o Object) map[string]any {
	if u, ok := o.(*unstructured.Unstructured); ok {
		return u.Object
	}
	m, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		return nil // no typed object fails to convert
	}
	return m
}

func fieldsOf(o Object) *fieldpath.Set {
	return fieldpath.SetFromValue(value.NewValueInterface(content(o))).Difference(notManaged)
}

// changedFields are the fields of next, which are set, that old has not or has with another value.
func changedFields(old, next Object, set *fieldpath.Set) *fieldpath.Set {
	before, now := value.NewValueInterface(content(old)), value.NewValueInterface(content(next))
	out := fieldpath.NewSet()
	set.Iterate(func(p fieldpath.Path) {
		a, hadIt := lookUp(before, p)
		b, _ := lookUp(now, p)
		if !hadIt || !value.Equals(a, b) {
			out.Insert(p.Copy())
		}
	})
	return out
}

// lookUp follows a path into a value.
func lookUp(v value.Value, p fieldpath.Path) (value.Value, bool) {
	for _, e := range p {
		var ok bool
		if v, ok = step(v, e); !ok {
			return nil, false
		}
	}
	return v, true
}

func step(v value.Value, e fieldpath.PathElement) (value.Value, bool) {
	switch {
	case v == nil || v.IsNull():
		return nil, false
	case e.FieldName != nil:
		if !v.IsMap() {
			return nil, false
		}
		return v.AsMap().Get(*e.FieldName)
	case !v.IsList():
		return nil, false
	case e.Index != nil:
		if *e.Index >= v.AsList().Length() {
			return nil, false
		}
		return v.AsList().At(*e.Index), true
	}
	for i := range v.AsList().Length() {
		item := v.AsList().At(i)
		if e.Value != nil && value.Equals(item, *e.Value) || e.Key != nil && hasKey(item, *e.Key) {
			return item, true
		}
	}
	return nil, false
}

// hasKey says that a list's item has the fields by which the list is keyed.
func hasKey(item value.Value, key value.FieldList) bool {
	if !item.IsMap() {
		return false
	}
	for _, f := range key {
		got, ok := item.AsMap().Get(f.Name)
		if !ok || !value.Equals(got, f.Value) {
			return false
		}
	}
	return true
}

func decodeFields(e metav1.ManagedFieldsEntry) *fieldpath.Set {
	out := fieldpath.NewSet()
	if e.FieldsV1 != nil {
		_ = out.FromJSON(bytes.NewReader(e.FieldsV1.Raw)) // what cannot be read owns nothing
	}
	return out
}

func encodeFields(e metav1.ManagedFieldsEntry, owned *fieldpath.Set) metav1.ManagedFieldsEntry {
	raw, err := owned.ToJSON()
	if err != nil {
		return e // a set that was read or made here can be written
	}
	e.FieldsV1 = &metav1.FieldsV1{Raw: raw}
	return e
}
