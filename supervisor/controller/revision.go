package controller

import (
	"cmp"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/rand"
)

// history is the templates of one StatefulSet, oldest first, and the two that matter.
type history struct {
	all             []*appsv1.ControllerRevision
	current, update *appsv1.ControllerRevision
	collisions      int32
}

// revisions finds the history of a set and adds the set's own template to it, as the newest: by a new revision, or by giving
// an equal older one the newest number (a roll-back).
func (l *look) revisions(s *appsv1.StatefulSet) history {
	o := ownerOfStatefulSet(s)
	h := history{collisions: deref(s.Status.CollisionCount, 0)}
	h.all = slices.SortedStableFunc(slices.Values(l.ownedRevisions.of(o)), func(a, b *appsv1.ControllerRevision) int {
		return cmp.Compare(a.Revision, b.Revision)
	})
	next := int64(1)
	if n := len(h.all); n > 0 {
		next = h.all[n-1].Revision + 1
	}
	data := l.Cache.templateData(&s.Spec.Template)
	for _, r := range h.all {
		if string(r.Data.Raw) == data {
			h.update = r
		}
	}
	switch {
	case h.update == nil:
		h.update = h.newRevision(o, &s.Spec.Template, data, next, l)
		l.add(CreateRevision{h.update, "the template is new"})
	case h.update != h.all[len(h.all)-1]:
		h.update = h.update.DeepCopy()
		h.update.Revision = next
		l.add(UpdateRevision{h.update, "the template is that of an older revision"})
	}
	h.current = h.update
	for _, r := range h.all {
		if r.Name == s.Status.CurrentRevision {
			h.current = r
		}
	}
	return h
}

func (h *history) newRevision(o owner, t *corev1.PodTemplateSpec, data string, number int64, l *look) *appsv1.ControllerRevision {
	name := ""
	for {
		name = o.meta.Name + "-" + dataHash(data, h.collisions)
		if !slices.ContainsFunc(h.all, func(r *appsv1.ControllerRevision) bool { return r.Name == name }) {
			break
		}
		h.collisions++
	}
	return &appsv1.ControllerRevision{
		TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "ControllerRevision"},
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: o.meta.Namespace, OwnerReferences: o.reference(), CreationTimestamp: metav1.NewTime(l.now),
			Labels: withLabel(t.Labels, appsv1.ControllerRevisionHashLabelKey, name),
		},
		Data:     runtime.RawExtension{Raw: []byte(data)},
		Revision: number,
	}
}

// truncate forgets the oldest revisions that nothing uses, beyond the limit.
func (l *look) truncate(s *appsv1.StatefulSet, h history, pods []*corev1.Pod) {
	limit := int(deref(s.Spec.RevisionHistoryLimit, 10))
	if limit < 0 || len(h.all) <= limit {
		return
	}
	live := map[string]bool{h.current.Name: true, h.update.Name: true}
	for _, p := range pods {
		live[revisionOf(p)] = true
	}
	var dead []*appsv1.ControllerRevision
	for _, r := range h.all {
		if !live[r.Name] {
			dead = append(dead, r)
		}
	}
	for i := 0; i < len(dead)-limit; i++ {
		l.add(DeleteRevision{dead[i], Why(fmt.Sprintf("the history limit is %d", limit))})
	}
}

// revisionOf is the revision a pod was made from.
func revisionOf(p *corev1.Pod) string { return p.Labels[appsv1.ControllerRevisionHashLabelKey] }

// templateData is what a revision holds. Equal templates have equal data.
func templateData(t *corev1.PodTemplateSpec) string {
	b, err := json.Marshal(t)
	if err != nil {
		panic(fmt.Sprintf("cannot marshal a pod template: %v", err)) // plain data: only a programming error can do this
	}
	return string(b)
}

// templateOf is the template a revision holds, or otherwise if it cannot be read.
func templateOf(r *appsv1.ControllerRevision, otherwise *corev1.PodTemplateSpec) *corev1.PodTemplateSpec {
	var t corev1.PodTemplateSpec
	if err := json.Unmarshal(r.Data.Raw, &t); err != nil {
		return otherwise
	}
	return &t
}

func dataHash(data string, collisions int32) string {
	h := fnv.New32a()
	h.Write([]byte(data))
	if collisions > 0 {
		fmt.Fprint(h, collisions)
	}
	return rand.SafeEncodeString(fmt.Sprint(h.Sum32()))
}
