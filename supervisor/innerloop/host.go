package innerloop

import (
	"context"
	"log/slog"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/build"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/instance"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/timeline"
	"github.com/lyandev/lyandev/supervisor/watch"
)

// Statuses are the published statuses of the stack.
type Statuses interface {
	// Latest returns the latest status.
	Latest() *state.Status
	// Subscribe delivers the latest status and then newer ones, without those that the reader was too slow for. The channel
	// closes when ctx ends.
	Subscribe(ctx context.Context) <-chan *state.Status
	// Mark returns the number of the latest status that may not show yet what was done before the call. It blocks until the
	// control loop has answered.
	Mark(ctx context.Context) (uint64, error)
}

// Pods acts on running pods. A pod is identified by its name and UID.
type Pods interface {
	// RestartContainer asks for the restart of a container, with the reason for the event, and returns at once. It returns
	// false when the pod is gone.
	RestartContainer(p *corev1.Pod, container, reason string) bool
	// SuspendProbes makes the pod not ready and stops probing the container, until ResumeProbes. It returns false when the
	// pod is gone.
	SuspendProbes(p *corev1.Pod, container string) bool
	// ResumeProbes begins the container's probes anew.
	ResumeProbes(p *corev1.Pod, container string)
	// AwaitPush blocks until the endpoint table as it is now has been pushed to the agent, or could not be, or ctx ends.
	AwaitPush(ctx context.Context) error
}

// Images builds images and puts them into the wanted stack.
type Images interface {
	// Build builds one image of the stack and shows its progress in the status. It blocks until the build has ended.
	Build(ctx context.Context, stack *services.Stack, b *services.Build) (build.Result, error)
	// Pin replaces the image ID of the containers that were made from a reference, and returns the workloads that changed;
	// their controllers roll them. built is when the build began.
	Pin(ctx context.Context, ref, id string, built time.Time) (changed []string, err error)
}

// Watcher reports changed files. *watch.Watcher is one.
type Watcher interface {
	// Run watches until ctx ends, and returns nil then.
	Run(ctx context.Context) error
	// Ready closes when Run reports every later change.
	Ready() <-chan struct{}
	// Batches delivers what changed.
	Batches() <-chan watch.Batch
}

// Config is what a Loop needs. Everything must be set, except Times and Watch; Pods may be set later with SetPods.
type Config struct {
	Engine   engine.Engine
	Instance *instance.Instance
	// Binary is the path of the static binary that is copied into containers.
	Binary string
	Log    *slog.Logger

	Statuses Statuses
	Pods     Pods
	Images   Images
	// Event records an event on an object.
	Event func(kind, name, typ, reason, message string)
	// Changed is called, without locks held, when Warnings returns something else than before.
	Changed func()
	// SameHost reports whether the engine is known to keep its volumes on this host; nil means that it is not.
	SameHost func() bool
	// HelperImage returns an image that contains the binary, made if it is not there, and the binary's hash.
	HelperImage func(ctx context.Context) (ref, hash string, err error)
	// Labels are the labels of an engine object of a kind.
	Labels func(kind string) map[string]string
	// Times records how long the stages of edits take; nil records nothing.
	Times *timeline.Recorder
	// Watch makes a watcher; nil is watch.New.
	Watch func(watch.Config) Watcher
}
