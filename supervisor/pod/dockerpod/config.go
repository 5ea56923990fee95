// Package dockerpod makes pods of Docker containers: it is the pod.Runtime over an engine.Engine.
//
// A pod of one container is one Docker container with the pod's pinned address; its init containers use the same
// address one after the other. A pod of several containers, with sidecars, or with the annotation
// "dev.lyandev/sandbox: true" has a sandbox container, whose network namespace the others join. A restarted container
// is a new Docker container; one dead one is kept for its log.
//
// All that must outlive the supervisor is on the containers' labels: Observe rebuilds the pods from them.
//
// Volumes: a claim is the named volume <project>_<claim>, never removed here. An emptyDir is a volume that goes with the
// pod (medium Memory: a tmpfs, if only one container uses it). configMap, secret, downwardAPI and projected volumes are
// volumes that go with the pod, filled before the container starts; where the mount has a subPath, the file is copied
// into the container's own layer. A hostPath is the named volume <project>_host_<path>, unless the pod's annotation
// "dev.lyandev/bind" lists it: then it is a bind mount, as Compose means it. Engines before API 1.45 cannot mount a part
// of a volume, so a subPath of a claim, emptyDir or hostPath volume is a volume of its own, <volume>.<subPath>.
package dockerpod

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod"
	"github.com/lyandev/lyandev/supervisor/probe"
)

// Annotations of pods that matter here, beside pod.SandboxAnnotation and pod.BindAnnotation.
const (
	// StopSignalAnnotation, InitAnnotation and UserAnnotation are Compose's stop_signal, init and a user by name; with
	// ".<container>" after them they speak of that one alone.
	StopSignalAnnotation = "dev.lyandev/stop-signal"
	InitAnnotation       = "dev.lyandev/init"
	UserAnnotation       = "dev.lyandev/user"
)

// Config is what pods are made with. Functions may be called from many goroutines.
type Config struct {
	Engine engine.Engine
	// Project is the instance's name; Dir its directory.
	Project, Dir string
	// Profile names the profile that new containers belong to; nil is none.
	Profile func() string
	// Network is the project's Docker network.
	Network string
	// PodIP is the address pinned to a pod name. It must stay the same for the pod's life.
	PodIP func(podName string) (netip.Addr, error)
	// DNS is the address of the stack's name server; nil or an invalid address leaves Docker's.
	DNS func() netip.Addr
	// SandboxImage makes sure of the sandbox image and gives its reference. Its binary's command "sandbox" must sleep
	// until SIGTERM.
	SandboxImage func(ctx context.Context) (string, error)
	// MadeHere says that an image is built by this stack, so no registry has it; nil says that none is.
	MadeHere func(ref string) bool
	// Wrap may change a container before it is created (the init shim); nil changes nothing.
	Wrap func(ctx context.Context, p *corev1.Pod, c *corev1.Container, spec *engine.ContainerSpec) error
	// BeforeStart is called between create and start, so that synced files can be laid; nil does nothing. Its error
	// keeps the container from starting.
	BeforeStart func(ctx context.Context, containerID string, p *corev1.Pod, container string) error
	// Warn is told what the engine leaves out when it makes a container of a pod; nil drops it.
	Warn func(pod, text string)
	// MessageDir is a directory of this host for termination messages below /dev, which Docker cannot copy out of an
	// ended container; "" goes without those. It must be a path that the engine can bind.
	MessageDir string
	Log        *slog.Logger
}

// Runtime is the pod.Runtime on Docker. It is also the probe.Execer.
type Runtime struct {
	cfg Config

	mu sync.Mutex
	// sandboxes are those of pods without a sandbox container, by UID, of which anything is known.
	sandboxes map[string]bareSandbox
	// failed are the containers that could not be started, by ID; Docker says of them only that they were created.
	failed map[string]startFailure
	// stopped are the containers that were stopped from here: an OOM flag of theirs may be that of a child long ago.
	stopped map[string]bool
	// messages are the termination messages already read, by ID.
	messages map[string]string
	// fresh are new volumes whose owner and mode have not been set yet.
	fresh map[string]bool
}

type startFailure struct {
	at   time.Time
	text string
}

var (
	_ pod.Runtime   = (*Runtime)(nil)
	_ pod.Refresher = (*Runtime)(nil)
	_ probe.Execer  = (*Runtime)(nil)
)

// New makes a runtime.
func New(cfg Config) *Runtime {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Runtime{
		cfg: cfg, sandboxes: map[string]bareSandbox{}, failed: map[string]startFailure{}, stopped: map[string]bool{},
		messages: map[string]string{}, fresh: map[string]bool{},
	}
}

// Exec implements probe.Execer.
func (r *Runtime) Exec(ctx context.Context, id string, cmd []string, timeout time.Duration) (int, []byte, error) {
	res, err := r.cfg.Engine.Exec(ctx, id, engine.ExecSpec{Cmd: cmd, Timeout: timeout, OutputLimit: 10 << 10})
	if errors.Is(err, engine.ErrExecTimeout) {
		err = probe.ErrExecTimeout
	}
	return res.ExitCode, res.Output, err
}

// FindImage implements pod.Images.
func (r *Runtime) FindImage(ctx context.Context, ref string) (pod.Image, bool, error) {
	img, err := r.cfg.Engine.InspectImage(ctx, ref)
	if engine.IsNotFound(err) {
		return pod.Image{}, false, nil
	}
	return pod.Image{ID: img.ID, User: img.User}, err == nil, err
}

// PullImage implements pod.Images.
func (r *Runtime) PullImage(ctx context.Context, ref string) error {
	return r.cfg.Engine.PullImage(ctx, ref, nil)
}

// MissingImage implements pod.Images: images made here are built, not pulled.
func (r *Runtime) MissingImage(ref string) string {
	if strings.HasPrefix(ref, "sha256:") || r.cfg.MadeHere != nil && r.cfg.MadeHere(ref) {
		return "Container image \"" + ref + "\" is made by this stack and is not there: run `lyandev build`"
	}
	return ""
}
