package pod

import (
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/supervisor/probe"
)

// published is the pod as everybody sees it. Syncs replace its status; between syncs, also while one is blocked in a
// slow stop, probe results and conditions are laid over it at once. Its lock orders the sink's calls.
type published struct {
	mu           sync.Mutex
	pod          *corev1.Pod
	sandboxReady bool
	gone         bool
	pause        Pause
}

func (p *published) get() *corev1.Pod {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pod.DeepCopy()
}

// change lets write work on a copy of the pod, settles its conditions, and tells the sink if anything is different.
func (p *published) change(sink Sink, write func(*corev1.Pod)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		return
	}
	next := p.pod.DeepCopy()
	write(next)
	p.pause.Note(&next.Status)
	Conditions(next, &next.Status, p.sandboxReady, metav1.NewTime(time.Now()))
	if equality.Semantic.DeepEqual(p.pod, next) {
		return
	}
	p.pod = next
	sink.StatusChanged(next.DeepCopy())
}

// rest notes the pause of the pod's probes. Before the first sync it shows in the status of that one: a status without containers is not one
// to be judged, all of whose containers would be ready.
func (p *published) rest(sink Sink, pause Pause) {
	p.mu.Lock()
	p.pause = pause
	synced := len(p.pod.Status.ContainerStatuses) > 0
	p.mu.Unlock()
	if synced {
		p.change(sink, func(*corev1.Pod) {})
	}
}

// apply lays a probe's result over the status at once (R17, R85).
func (p *published) apply(sink Sink, c probe.Change) {
	p.change(sink, func(pod *corev1.Pod) { c.Apply(&pod.Status) })
}

// event passes an event on, in order with the status changes.
func (p *published) event(sink Sink, container, eventType, reason, message string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	sink.Event(p.pod, container, eventType, reason, message)
}

// leave says once that the object is gone.
func (p *published) leave(sink Sink) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.gone {
		p.gone = true
		sink.Gone(p.pod.DeepCopy())
	}
}
