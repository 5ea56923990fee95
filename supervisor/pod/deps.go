package pod

import (
	"log/slog"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/backoff"
	"github.com/lyandev/lyandev/supervisor/probe"
)

// Deps are what a worker works with. Runtime, Objects, Sink and Probes must be set.
type Deps struct {
	Runtime Runtime
	Objects Objects
	Sink    Sink
	// Probes is what probes and hooks reach containers with.
	Probes probe.Deps
	// Timing is fast or strict; "" is fast.
	Timing probe.Timing
	// BackOff is the restart back-off; the zero value is the kubelet's default (R71).
	BackOff backoff.Config
	// Began is the supervisor's start if it found its pods running, else zero (R21).
	Began time.Time
	// Node is what status.hostIP, spec.nodeName and absent limits give in fieldRef and resourceFieldRef (R133).
	Node Node
	// Relist is the time between pod syncs that no event asked for; 0 is 60 s (60-90 s in the kubelet, R15). It is also
	// the safety net under lost events.
	Relist time.Duration
	Log    *slog.Logger
}

// Node is the machine as pods see it.
type Node struct {
	Name        string
	IP          string
	MilliCPU    int64
	MemoryBytes int64
}

// Objects are the objects that pods refer to, as they are now. Results are shared: read only.
type Objects interface {
	ConfigMap(name string) (*corev1.ConfigMap, bool)
	Secret(name string) (*corev1.Secret, bool)
	// Services are all services, for the environment (R134).
	Services() []*corev1.Service
}

// Sink hears of everything that happens to the pod. Calls come from several goroutines of one worker, one at a time and
// in order; they must not block for long, and must not call the worker's Pod (they have the pod already).
type Sink interface {
	// StatusChanged gives the pod with its new status. The pod is the receiver's own.
	StatusChanged(pod *corev1.Pod)
	// Event records an event; container is "" if it concerns the whole pod, eventType Normal or Warning.
	Event(pod *corev1.Pod, container, eventType, reason, message string)
	// Gone says that the pod object is no more (R100, R103). After a force deletion the worker may still be stopping
	// containers; its Run ends later.
	Gone(pod *corev1.Pod)
}

// EventType says what happened to a container.
type EventType string

// The container events that matter to a worker.
const (
	ContainerStarted  EventType = "start"
	ContainerDied     EventType = "die"
	ContainerRemoved  EventType = "destroy"
	ContainerPaused   EventType = "pause"
	ContainerUnpaused EventType = "unpause"
)

// ContainerEvent tells a worker that something happened to a container of its pod. ID is the engine's.
type ContainerEvent struct {
	Type EventType
	ID   string
}
