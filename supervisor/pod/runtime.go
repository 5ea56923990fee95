package pod

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/backoff"
)

// Runtime creates and stops the containers of pods. All methods block until the operation is done or ctx ends, and are safe for
// concurrent use. A call for one pod never waits for another pod.
type Runtime interface {
	Sandboxes
	Containers
	Images
}

// Sandboxes are the operations on sandboxes: the part that the containers of a pod share, its address and volumes.
type Sandboxes interface {
	// RunSandbox creates the pod's sandbox of the given attempt (0 is the first) and returns the pod's address, "" if it has none.
	// An existing sandbox of that attempt is reused.
	RunSandbox(ctx context.Context, pod *corev1.Pod, attempt int) (ip string, err error)
	// StopSandbox stops the sandbox after all containers have ended (R107). A stopped sandbox is no error.
	StopSandbox(ctx context.Context, pod *corev1.Pod) error
	// RemovePod removes the pod's containers, running or not, its sandbox and the volumes that live as long as the pod. Volumes of
	// claims are kept.
	RemovePod(ctx context.Context, pod *corev1.Pod) error
	// Status returns the state of the pod's sandbox and of all instances of its containers.
	Status(ctx context.Context, pod *corev1.Pod) (Observed, error)
}

// Containers are the operations on instances. IDs are those that CreateContainer and Status give.
type Containers interface {
	// CreateContainer creates an instance without starting it. A *WaitError has the waiting reason for the container's status; after
	// a *MountError the container waits as before its first start, with an event FailedMount (R142); any other error means
	// CreateContainerError (R61).
	CreateContainer(ctx context.Context, r CreateRequest) (id string, err error)
	// StartContainer starts a created instance. After an error the instance counts as exited with 128 (R61).
	StartContainer(ctx context.Context, pod *corev1.Pod, id string) error
	// StopContainer sends the stop signal, after grace SIGKILL, and blocks until the instance has ended. An ended instance is no
	// error.
	StopContainer(ctx context.Context, pod *corev1.Pod, id string, grace time.Duration) error
	RemoveContainer(ctx context.Context, pod *corev1.Pod, id string) error
}

// Refresher is an optional interface of a Runtime.
type Refresher interface {
	// RefreshFiles writes changed files of config volumes into a running instance (R143), except those mounted by subPath.
	RefreshFiles(ctx context.Context, pod *corev1.Pod, c *corev1.Container, id string, files map[string]Files) error
}

// Images are the operations on images.
type Images interface {
	// FindImage looks up a local image; present is false if there is none.
	FindImage(ctx context.Context, ref string) (img Image, present bool, err error)
	PullImage(ctx context.Context, ref string) error
	// MissingImage returns advice for the user about a missing image that cannot be pulled, "" for none.
	MissingImage(ref string) string
}

// Image holds the properties of an image that the worker needs.
type Image struct {
	ID string
	// User is the image's configured user ("", "1000", "1000:1000", "bob").
	User string
}

// CreateRequest is one instance to create, with all references resolved.
type CreateRequest struct {
	Pod *corev1.Pod
	// Container is the container of the spec with command and args expanded (R136).
	Container *corev1.Container
	// Init is true for spec.initContainers, including sidecars.
	Init bool
	// Attempt is the restart count: 0 for the first instance. Sandbox is the attempt of its sandbox.
	Attempt, Sandbox int
	// Env is the complete environment except for the image's (R130 to R134), in order and without duplicates.
	Env []EnvVar
	// Volumes are the contents of the pod's configMap, secret, downwardAPI and projected volumes, by volume name.
	Volumes map[string]Files
	// BackOff is the container's restart back-off at the creation of this instance, nil for none. The runtime stores it with the
	// instance, so that a later supervisor continues it.
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

// Observed is the observed state of a pod.
type Observed struct {
	// Sandbox is nil if the pod has none.
	Sandbox *Sandbox
	// Instances are all existing instances, in any order.
	Instances []Instance
}

// Sandbox is the observed state of a pod's sandbox.
type Sandbox struct {
	// ID is the engine's ID, for events; "" if the sandbox is not a container.
	ID string
	// Ready is true while the sandbox is running.
	Ready   bool
	Attempt int
	// IP is the pod's address.
	IP      string
	Created time.Time
}

// State is the state of an instance.
type State string

// The states of an instance.
const (
	Created State = "created"
	Running State = "running"
	Exited  State = "exited"
	// Unclear: the runtime does not know. Such an instance is stopped before it is replaced.
	Unclear State = "unclear"
)

// Instance is one run of a container.
type Instance struct {
	Container string
	ID        string
	Attempt   int
	// Sandbox is the attempt of its sandbox.
	Sandbox int
	State   State
	// Paused is true for a running instance that is paused in the engine.
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
	// BackOff is CreateRequest.BackOff.
	BackOff *backoff.Entry
}

// WaitError is an error with the container's waiting reason (R61), for example CreateContainerConfigError.
type WaitError struct {
	Reason  string
	Message string
}

func (e *WaitError) Error() string { return e.Message }

// MountError is a volume of a pod that cannot be made ready.
type MountError struct {
	// Volume is its name in the pod.
	Volume string
	Err    error
}

func (e *MountError) Error() string {
	return fmt.Sprintf("MountVolume.SetUp failed for volume %q : %v", e.Volume, e.Err)
}

func (e *MountError) Unwrap() error { return e.Err }

// Waiting reasons of containers (R61, R62, R79).
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
