package supervisor

import (
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/mask"
)

// secrets masks what people will read of what containers, operators and the engine said, before it is kept: events,
// messages in statuses, probes' outputs. The zero value knows what passwords look like, and no values.
type secrets struct {
	masker atomic.Pointer[mask.Masker]
}

// learn takes the secrets of a stack in the place of those before.
func (k *secrets) learn(stack *services.Stack) { k.masker.Store(mask.New(stack)) }

func (k *secrets) mask(text string) string {
	if text == "" {
		return ""
	}
	return k.now().String(text)
}

// now is the masker for what is known of secrets so far.
func (k *secrets) now() *mask.Masker {
	if m := k.masker.Load(); m != nil {
		return m
	}
	m := mask.New(nil)
	k.masker.CompareAndSwap(nil, m)
	return m
}

// maskStatus masks the messages of a status in place.
func (k *secrets) maskStatus(status *corev1.PodStatus) { k.now().PodStatus(status) }

// maskVerdict masks what an operator says, in place.
func (k *secrets) maskVerdict(v *services.Verdict) {
	v.Message = k.mask(v.Message)
	for name, p := range v.Pods {
		p.Message = k.mask(p.Message)
		v.Pods[name] = p
	}
}
