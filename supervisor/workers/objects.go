package workers

import (
	"slices"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/pod"
	"github.com/lyandev/lyandev/supervisor/probe"
)

// Objects are what pods refer to by name in the stack that is wanted: ConfigMaps, Secrets, Services, builds. The zero value
// has nothing.
type Objects struct {
	stack atomic.Pointer[services.Stack]
}

var _ pod.Objects = (*Objects)(nil)

// Set replaces the objects by those of a stack, which must not change any more. nil is no stack.
func (o *Objects) Set(s *services.Stack) { o.stack.Store(s) }

// ConfigMap implements pod.Objects.
func (o *Objects) ConfigMap(name string) (*corev1.ConfigMap, bool) {
	list := o.latest().ConfigMaps
	i := slices.IndexFunc(list, func(m *corev1.ConfigMap) bool { return m.Name == name })
	if i < 0 {
		return nil, false
	}
	return list[i], true
}

// Secret implements pod.Objects.
func (o *Objects) Secret(name string) (*corev1.Secret, bool) {
	list := o.latest().Secrets
	i := slices.IndexFunc(list, func(m *corev1.Secret) bool { return m.Name == name })
	if i < 0 {
		return nil, false
	}
	return list[i], true
}

// Services implements pod.Objects.
func (o *Objects) Services() []*corev1.Service { return o.latest().Services }

// volume is the volume of the Compose file that a claim stands for, nil if there is none.
func (o *Objects) volume(claim string) *compose.Volume { return o.latest().ClaimVolume(claim) }

func (o *Objects) profile() string { return o.latest().Profile }

// madeHere says that the stack builds an image, so that no registry has it.
func (o *Objects) madeHere(ref string) bool {
	return slices.ContainsFunc(o.latest().Builds, func(b *services.Build) bool { return b.Image == ref })
}

// timing is the timing of a pod's workload, else of the stack, else fast.
func (o *Objects) timing(p *corev1.Pod) probe.Timing {
	s := o.latest()
	timing := s.Timing
	if x := s.Workload(p.Labels[services.WorkloadLabel]); x != nil && x.Timing != "" {
		timing = x.Timing
	}
	if timing == string(probe.Strict) {
		return probe.Strict
	}
	return probe.Fast
}

func (o *Objects) latest() *services.Stack {
	if s := o.stack.Load(); s != nil {
		return s
	}
	return &services.Stack{}
}
