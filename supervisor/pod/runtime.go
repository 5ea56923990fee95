package pod

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/backoff"
)

// Runtime makes and ends the containers of pods. All methods block until the thing is done or ctx ends, and are safe
// for concurrent use; what a call for one pod does never waits for another pod.
type Runtime interface {
	Sandboxes
	Containers
	Images
}

// Sandboxes hold what the containers of a pod share: the address and the volumes.
type Sandboxes interface {
	// RunSandbox makes the pod's shared part for the attempt-th time (0 is the first) and gives the pod's address, "" if
	// it has none. What is there of that attempt already is taken over.
	RunSandbox(ctx context.Context, pod *corev1.Pod, attempt int) (ip string, err error)
	// StopSandbox ends the shared part once all containers have ended (R107). A stopped one is no error.
	StopSandbox(ctx context.Context, pod *corev1.Pod) error
	// RemovePod removes all that is left of the pod: its containers, running or not, its sandbox and the volumes that
	// live as long as the pod. Volumes of claims stay.
	RemovePod(ctx context.Context, pod *corev1.Pod) error
	// Status looks at the pod's sandbox and at every instance of its containers.
	Status(ctx context.Context, pod *corev1.Pod) (Observed, error)
}

// Containers are the operations on instances. IDs are those that CreateContainer and Status give.
type Containers interface {
	// CreateContainer makes an instance and does not start it. An error that is a *WaitError names the reason that the
	// container's status shows; any other means CreateContainerError (R61).
	CreateContainer(ctx context.Context, r CreateRequest) (id string, err error)
	// StartContainer starts a created instance. After an error the instance counts as exited with 128 (R61).
	StartContainer(ctx context.Context, pod *corev1.Pod, id string) error
	// StopContainer sends the stop signal, after grace SIGKILL, and returns when the instance has ended. One that has
	// ended already is no error.
	StopContainer(ctx context.Context, pod *corev1.Pod, id string, grace time.Duration) error
	RemoveContainer(ctx context.Context, pod *corev1.Pod, id string) error
}

// Refresher is what a Runtime may also be able to do.
type Refresher interface {
	// RefreshFiles lays changed files of config volumes into a running instance (R143), not those mounted by subPath.
	RefreshFiles(ctx context.Context, pod *corev1.Pod, c *corev1.Container, id string, files map[string]Files) error
}

// Images are the operations on images.
type Images interface {
	// FindImage looks for a local image; present is false if there is none.
	FindImage(ctx context.Context, ref string) (img Image, present bool, err error)
	PullImage(ctx context.Context, ref string) error
	// MissingImage says for people what to do about an image that is neither here nor to be pulled ("" if there is
	// nothing better to say than that it is missing).
	MissingImage(ref string) string
}

// Image is what the worker needs to know of an image.
type Image struct {
	ID string
	// User is the image's configured user ("", "1000", "1000:1000", "bob").
	User string
}

// CreateRequest is one instance to create. It is complete: nothing in it needs looking up in the pod's environment.
type CreateRequest struct {
	Pod *corev1.Pod
	// Container is the container of the spec with command and args expanded (R136).
	Container *corev1.Container
	// Init says that it is one of spec.initContainers (sidecars included).
	Init bool
	// Attempt is the restart count: 0 for the first instance. Sandbox is the attempt of the sandbox it belongs to.
	Attempt, Sandbox int
	// Env is the complete environment but for the image's own (R130 to R134), in order and without duplicates.
	Env []EnvVar
	// Volumes are the contents of the pod's configMap, secret, downwardAPI and projected volumes, by volume name.
	Volumes map[string]Files
	// BackOff is the container's restart back-off when this instance was made; to be kept with the instance so that a
	// later supervisor goes on with it. nil if there is none.
	BackOff *backoff.Entry
}

// EnvVar is one resolved environment variable.
type EnvVar struct{ Name, Value string }

// Files are the files of one volume by path below the mount point.
type Files map[string]File

// File is one projected file.
type File struct {
	Data []byte
	Mode int32
}

// Observed is what a runtime sees of a pod.
type Observed struct {
	// Sandbox is nil if the pod has none (any more).
	Sandbox *Sandbox
	// Instances are all instances there are, in any order.
	Instances []Instance
}

// Sandbox is the pod's shared part.
type Sandbox struct {
	// ID is the engine's, for events; "" if nothing in the engine stands for it.
	ID string
	// Ready is true while it runs.
	Ready   bool
	Attempt int
	// IP is the pod's address.
	IP      string
	Created time.Time
}

// State is where an instance stands.
type State string

// The states of an instance.
const (
	Created State = "created"
	Running State = "running"
	Exited  State = "exited"
	// Unclear: the runtime cannot say. Such an instance is stopped before another takes its place.
	Unclear State = "unclear"
)

// Instance is one run of a container.
type Instance struct {
	Container string
	ID        string
	Attempt   int
	// Sandbox is the attempt of the sandbox it was made in.
	Sandbox int
	State   State
	// Paused says that a running instance is frozen by the engine.
	Paused bool
	// Image is the reference it was created from.
	Image   string
	ImageID string

	Created, Started, Finished time.Time

	ExitCode int32
	// Reason is "OOMKilled", "StartError" and the like; "" means Completed or Error by the exit code.
	Reason string
	// Message is the termination message (R160, R161) or the text of the start error.
	Message string
	// BackOff is what CreateRequest.BackOff was.
	BackOff *backoff.Entry
}

// WaitError is an error that says by which reason the container waits (R61), for example CreateContainerConfigError.
type WaitError struct {
	Reason  string
	Message string
}

func (e *WaitError) Error() string { return e.Message }

// The reasons by which a container waits (R61, R62, R79).
const (
	ReasonContainerCreating = "ContainerCreating"
	ReasonPodInitializing   = "PodInitializing"
	ReasonConfigError       = "CreateContainerConfigError"
	ReasonCreateError       = "CreateContainerError"
	ReasonRunError          = "RunContainerError"
	ReasonPostStartError    = "PostStartHookError"
	ReasonErrImagePull      = "ErrImagePull"
	ReasonImagePullBackOff  = "ImagePullBackOff"
	ReasonErrImageNeverPull = "ErrImageNeverPull"
	ReasonInvalidImageName  = "InvalidImageName"
	ReasonImageInspectError = "ImageInspectError"
	ReasonCrashLoopBackOff  = "CrashLoopBackOff"
	ReasonDeadlineExceeded  = "DeadlineExceeded"
	messageDeadlineExceeded = "Pod was active on the node longer than the specified deadline"
	minimumGrace            = 2 * time.Second
	reasonStatusUnknown     = "ContainerStatusUnknown"
	messageStatusUnknown    = "The container could not be located when the pod was deleted.  The container used to be Running"
	messageNotLocated       = "The container could not be located when the pod was terminated"
	exitStatusUnknown       = 137
)
