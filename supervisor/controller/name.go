package controller

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	randv2 "math/rand/v2"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/dump"
	"k8s.io/apimachinery/pkg/util/rand"
)

// NameSource makes the last part of the name of pod, which has a GenerateName ("web-5d9f7f9569-") and, if it is a daemon's,
// a node. It is asked again if the name is taken.
type NameSource func(pod *corev1.Pod) string

// nameAlphabet is Kubernetes' own: no vowels and nothing that is mistaken for something else.
const nameAlphabet = "bcdfghjklmnpqrstvwxz2456789"

// RandomNames makes five random characters, as Kubernetes does.
func RandomNames() NameSource {
	return func(*corev1.Pod) string {
		b := make([]byte, 5)
		for i := range b {
			b[i] = nameAlphabet[randv2.IntN(len(nameAlphabet))]
		}
		return string(b)
	}
}

// name gives the pod a name of its own that no pod of the view and of the plan has.
func (l *look) name(p *corev1.Pod) {
	if l.taken == nil {
		l.taken = map[string]bool{}
		for _, other := range l.Pods {
			l.taken[other.Name] = true
		}
	}
	for range 100 {
		p.Name = p.GenerateName + l.Names(p)
		if !l.taken[p.Name] {
			break
		}
	}
	l.taken[p.Name] = true
}

// TemplateHash is the pod-template-hash of a template, and the same as a cluster's of this version if the template has its
// defaults. collisions tells apart two templates of one hash; nil is none.
func TemplateHash(t *corev1.PodTemplateSpec, collisions *int32) string {
	h := fnv.New32a()
	fmt.Fprintf(h, "%v", dump.ForHash(*t))
	if collisions != nil {
		b := make([]byte, 8)
		binary.LittleEndian.PutUint32(b, uint32(*collisions))
		h.Write(b)
	}
	return rand.SafeEncodeString(fmt.Sprint(h.Sum32()))
}
