// Package dockerpod implements pod.Runtime with Docker containers, over an engine.Engine.
//
// A pod of one container is one Docker container with the pod's fixed address; its init containers use the same address one
// after the other. A pod of several containers, with sidecars, or with the annotation "dev.lyandev/sandbox: true" has a sandbox
// container, whose network namespace the others join. A restarted container is a new Docker container; the last dead one is
// kept for its log.
//
// All state that must survive the supervisor is in the containers' labels: Observe rebuilds the pods from them.
//
// Volumes: a claim is the volume of the Compose file that it stands for, else the named volume <project>_<claim>; it is never removed
// here, and all that is in it is given to the pod's fsGroup at every start of the pod. An emptyDir is a volume that is removed with the
// pod (medium Memory: a tmpfs, if only one container uses it). configMap, secret, downwardAPI and projected volumes are volumes
// that are removed with the pod and filled before the container starts; if the mount has a subPath, the file is copied into the
// container's own layer. A hostPath is the named volume <project>_host_<path>, unless the pod's annotation "dev.lyandev/bind"
// lists it: then it is a bind mount, as in Compose. Engines before API 1.45 cannot mount a part of a volume, so a subPath of a
// claim, emptyDir or hostPath volume is a separate volume, <volume>.<subPath>.
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

	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod"
	"github.com/lyandev/lyandev/supervisor/probe"
)

// Annotations of pods, beside pod.SandboxAnnotation and pod.BindAnnotation.
const (
	// StopSignalAnnotation, InitAnnotation and UserAnnotation are Compose's stop_signal, init and user by name. With the suffix
	// ".<container>" they apply to that container only.
	StopSignalAnnotation = "dev.lyandev/stop-signal"
	InitAnnotation       = "dev.lyandev/init"
	UserAnnotation       = "dev.lyandev/user"
)

// Config configures a Runtime. Its functions may be called concurrently.
type Config struct {
	Engine engine.Engine
	// Project is the instance's name; Dir its directory.
	Project, Dir string
	// Profile returns the profile of new containers; nil is none.
	Profile func() string
	// Network is the project's Docker network.
	Network string
	// PodIP returns the address of a pod name. It must not change during the pod's life.
	PodIP func(podName string) (netip.Addr, error)
	// DNS returns the address of the stack's name server; with nil or an invalid address Docker's is used.
	DNS func() netip.Addr
	// SandboxImage returns the reference of the sandbox image, and creates the image if it is missing. Its command "sandbox" must
	// sleep until SIGTERM; with an argument, a services.Localhost as text, it must serve these ports of the loopback meanwhile. Its
	// command fsgroup.Command must be fsgroup.Main.
	SandboxImage func(ctx context.Context) (string, error)
	// Volume returns the volume of the Compose file that a claim stands for, whose existence was looked at; nil, and a nil function,
	// is none.
	Volume func(claim string) *compose.Volume
	// SameHost reports whether the engine is known to keep its volumes on this host; nil means that it is not.
	SameHost func() bool
	// MadeHere reports whether an image is built by this stack and thus in no registry; nil means that none is.
	MadeHere func(ref string) bool
	// Wrap may change a container before it is created (the init shim); nil changes nothing.
	Wrap func(ctx context.Context, p *corev1.Pod, c *corev1.Container, spec *engine.ContainerSpec) error
	// BeforeStart is called between create and start, to write synced files; nil does nothing. Its error prevents the start.
	BeforeStart func(ctx context.Context, containerID string, p *corev1.Pod, container string) error
	// Warn receives the engine's warnings about ignored settings of a pod's container; nil discards them.
	Warn func(pod, text string)
	// MessageDir is a host directory for termination messages below /dev, which Docker cannot copy from an ended container; ""
	// means that they are not supported. The engine must be able to bind-mount it.
	MessageDir string
	Log        *slog.Logger
}

// Runtime implements pod.Runtime and probe.Execer on Docker.
type Runtime struct {
	cfg Config

	mu sync.Mutex
	// sandboxes holds state about pods without a sandbox container, by UID.
	sandboxes map[string]bareSandbox
	// failed are the containers that could not be started, by ID; Docker reports them only as created.
	failed map[string]startFailure
	// stopped are the containers that this runtime stopped: their OOM flag may be from an earlier OOM kill of a child process.
	stopped map[string]bool
	// messages are the termination messages already read, by ID.
	messages map[string]string
	// fresh are new volumes whose owner and mode have not been set yet.
	fresh map[string]bool
	// owned are the Docker volumes that were given to the fsGroup of a pod since its sandbox was made, by podKey.
	owned map[string]map[string]bool
	// processes are the first processes of containers, by ID, as far as Listening was asked for them.
	processes map[string]int
	// making are the names of one-off containers that are being made.
	making map[string]bool
}

type startFailure struct {
	at   time.Time
	text string
}

var (
	_ pod.Runtime   = (*Runtime)(nil)
	_ pod.Refresher = (*Runtime)(nil)
	_ probe.Execer  = (*Runtime)(nil)
	_ probe.Ports   = (*Runtime)(nil)
)

// New returns a Runtime.
func New(cfg Config) *Runtime {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Runtime{
		cfg: cfg, sandboxes: map[string]bareSandbox{}, failed: map[string]startFailure{}, stopped: map[string]bool{}, processes: map[string]int{},
		messages: map[string]string{}, fresh: map[string]bool{}, owned: map[string]map[string]bool{}, making: map[string]bool{},
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

// Listening implements probe.Ports.
func (r *Runtime) Listening(ctx context.Context, id string, ports []int) (open, known bool) {
	r.mu.Lock()
	pid := r.processes[id]
	r.mu.Unlock()
	if pid == 0 {
		c, err := r.cfg.Engine.InspectContainer(ctx, id)
		if err != nil || c.PID == 0 {
			return false, false
		}
		pid = c.PID
		r.mu.Lock()
		r.processes[id] = pid
		r.mu.Unlock()
	}
	return engine.Listening(pid, id, ports)
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
	return r.cfg.Engine.PullImage(ctx, ref, engine.PullOptions{})
}

// MissingImage implements pod.Images: images made here are built, not pulled.
func (r *Runtime) MissingImage(ref string) string {
	if strings.HasPrefix(ref, "sha256:") || r.cfg.MadeHere != nil && r.cfg.MadeHere(ref) {
		return "Container image \"" + ref + "\" is built by this stack and does not exist: run `lyandev build`"
	}
	return ""
}
