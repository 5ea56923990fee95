package pod

import (
	"log/slog"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/backoff"
	"github.com/lyandev/lyandev/supervisor/probe"
)

// Deps are the dependencies of a worker. Runtime, Objects, Sink and Probes are required.
type Deps struct {
	Runtime Runtime
	Objects Objects
	Sink    Sink
	// Probes connects probes and hooks to containers.
	Probes probe.Deps
	// Timing is fast or strict; "" is fast.
	Timing probe.Timing
	// BackOff is the restart back-off; the zero value is the kubelet's default (R71).
	BackOff backoff.Config
	// Began is the supervisor's start if it adopted running pods, else zero (R21).
	Began time.Time
	// Node provides status.hostIP, spec.nodeName and default limits for fieldRef and resourceFieldRef (R133).
	Node Node
	// Relist is the interval of pod syncs without an event; 0 is 60 s (60-90 s in the kubelet, R15). They also make up for lost
	// events.
	Relist time.Duration
	Log    *slog.Logger
}

// Node describes this machine to pods.
type Node struct {
	Name        string
	IP          string
	MilliCPU    int64
	MemoryBytes int64
}

// Objects returns the current objects that pods refer to. The results are shared and must not be changed.
type Objects interface {
	ConfigMap(name string) (*corev1.ConfigMap, bool)
	Secret(name string) (*corev1.Secret, bool)
	// Services returns all Services, for the environment (R134).
	Services() []*corev1.Service
}

// Sink receives status changes and events of the pod. The calls come from several goroutines of one worker, one at a time and in
// order. They must not block for long, and must not call Worker.Pod.
type Sink interface {
	// StatusChanged passes a copy of the pod with its new status.
	StatusChanged(pod *corev1.Pod)
	// Event records an event; container is "" if it concerns the whole pod, eventType Normal or Warning.
	Event(pod *corev1.Pod, container, eventType, reason, message string)
	// Gone reports the removal of the pod object (R100, R103). After a force deletion the worker may still be stopping containers;
	// its Run returns later.
	Gone(pod *corev1.Pod)
}

// EventType is the type of a container event.
type EventType string

// The container events that matter to a worker.
const (
	ContainerStarted  EventType = "start"
	ContainerDied     EventType = "die"
	ContainerRemoved  EventType = "destroy"
	ContainerPaused   EventType = "pause"
	ContainerUnpaused EventType = "unpause"
	// ContainerHealth and ContainerKilled matter to pods of plain services only: Docker's health check has another result, and
	// somebody sent a signal to the container.
	ContainerHealth EventType = "health_status"
	ContainerKilled EventType = "kill"
)

// ContainerEvent is an engine event about a container of the pod. ID is the engine's.
type ContainerEvent struct {
	Type EventType
	ID   string
	// ExitCode is the exit code with ContainerDied.
	ExitCode int
}
