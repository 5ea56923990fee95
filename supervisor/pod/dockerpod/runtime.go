package dockerpod

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod"
)

// Labels of containers and volumes, besides those of package services.
const (
	PodLabel       = "dev.lyandev.pod"
	UIDLabel       = "dev.lyandev.pod-uid"
	ContainerLabel = "dev.lyandev.container"
	AttemptLabel   = "dev.lyandev.attempt"
	SandboxLabel   = "dev.lyandev.sandbox-attempt"
	// KindLabel is "container", "init", "sandbox", "volume" or, elsewhere, "agent" and "network".
	KindLabel     = "dev.lyandev.kind"
	BackOffLabel  = "dev.lyandev.back-off"
	ManifestLabel = "dev.lyandev.pod-manifest"
	ProfileLabel  = "dev.lyandev.profile"
	ClaimLabel    = "dev.lyandev.claim"
)

// Kinds of containers.
const (
	kindContainer = "container"
	kindInit      = "init"
	kindSandbox   = "sandbox"
)

// Engine is what is asked of the engine.
type Engine interface {
	engine.Containers
	engine.Images
	engine.Volumes
}

// Config is what a Runtime works with. Engine, Project, Network and PodIP must be set.
type Config struct {
	Engine  Engine
	Project string
	// Dir goes into a label, so that the instance's directory can be told from its volumes.
	Dir string
	// Profile is asked at every creation, for a label.
	Profile func() string
	// Network is the Docker network's name; DNS gives the address of the name server in it.
	Network string
	DNS     func() netip.Addr
	// PodIP is the address of a pod, from the first call until Released.
	PodIP    func(pod string) (netip.Addr, error)
	Released func(pod string)
	// SandboxImage is the image whose command "sandbox" does nothing until it is told to end.
	SandboxImage func() string
	// BeforeStart, if set, is called between creation and start of an instance: live sync lays its files again there.
	BeforeStart func(ctx context.Context, id string, p *corev1.Pod, container string) error
	// Wrap, if set, may change what is created: the init shim goes in there.
	Wrap func(spec *engine.ContainerSpec, p *corev1.Pod, container string, img engine.Image)
	// MissingImage says what to do about an image that is not there; see pod.Images.
	MissingImage func(ref string) string
	// TerminationDir is a directory of this machine for termination messages, "" where the engine is elsewhere.
	TerminationDir string
	Log            *slog.Logger
}

// Runtime makes pods on Docker. It is safe for concurrent use.
type Runtime struct {
	cfg Config

	mu sync.Mutex
	// virtual are the sandboxes of pods that have no sandbox container.
	virtual map[types.UID]*pod.Sandbox
	// stopped are the instances that were told to stop: their exit is no OOM kill whatever the engine's flag says.
	stopped map[string]bool
	// failed are the instances that could not be started, with when and why.
	failed map[string]startFailure
}

type startFailure struct {
	at  time.Time
	err string
}

var _ pod.Runtime = (*Runtime)(nil)

// New makes a runtime.
func New(cfg Config) *Runtime {
	return &Runtime{
		cfg: cfg, virtual: map[types.UID]*pod.Sandbox{}, stopped: map[string]bool{}, failed: map[string]startFailure{},
	}
}

// needsSandbox says whether a pod's network namespace must be held by a container of its own. A pod that may get or lose
// containers while it runs says so by an annotation.
func needsSandbox(p *corev1.Pod) bool {
	if len(p.Spec.Containers) > 1 || p.Annotations[pod.SandboxAnnotation] == "true" {
		return true
	}
	if share := p.Spec.ShareProcessNamespace; share != nil && *share {
		return true
	}
	for _, c := range p.Spec.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			return true
		}
	}
	return false
}

// RunSandbox implements pod.Sandboxes.
func (r *Runtime) RunSandbox(ctx context.Context, p *corev1.Pod, attempt int) error {
	ip, err := r.cfg.PodIP(p.Name)
	if err != nil {
		return err
	}
	if err := r.ensureVolumes(ctx, p); err != nil {
		return err
	}
	if !needsSandbox(p) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.virtual[p.UID] = &pod.Sandbox{Ready: true, Attempt: attempt, IP: ip.String(), Created: time.Now()}
		return nil
	}
	spec := r.sandboxSpec(p, attempt, ip)
	id, err := r.create(ctx, spec, p.UID)
	if err != nil {
		return err
	}
	return r.cfg.Engine.StartContainer(ctx, id)
}

func (r *Runtime) sandboxSpec(p *corev1.Pod, attempt int, ip netip.Addr) engine.ContainerSpec {
	labels := r.labels(p, kindSandbox, "", attempt)
	labels[SandboxLabel] = strconv.Itoa(attempt)
	spec := engine.ContainerSpec{
		Name: fmt.Sprintf("%s-%s-sandbox-%d", r.cfg.Project, p.Name, attempt), Image: r.cfg.SandboxImage(), Labels: labels,
		Cmd: []string{"sandbox"}, MemoryBytes: 0,
	}
	r.network(&spec, p, ip)
	return spec
}

// create creates a container; one of the same name that a crash left half-made is removed first (FAULTS 10, 11).
func (r *Runtime) create(ctx context.Context, spec engine.ContainerSpec, uid types.UID) (string, error) {
	id, err := r.cfg.Engine.CreateContainer(ctx, spec)
	if !engine.IsConflict(err) {
		return id, err
	}
	old, inspectErr := r.cfg.Engine.InspectContainer(ctx, spec.Name)
	if inspectErr != nil {
		return "", errors.Join(err, inspectErr)
	}
	if old.Labels[services.ProjectLabel] != r.cfg.Project {
		return "", fmt.Errorf("%w; the name is taken by a container that is not lyandev's: rename or remove it", err)
	}
	if old.State == engine.StateRunning && old.Labels[UIDLabel] == string(uid) {
		return "", fmt.Errorf("%w; the container runs already", err)
	}
	if err := r.cfg.Engine.RemoveContainer(ctx, old.ID); err != nil {
		return "", err
	}
	return r.cfg.Engine.CreateContainer(ctx, spec)
}

// StopSandbox implements pod.Sandboxes.
func (r *Runtime) StopSandbox(ctx context.Context, p *corev1.Pod) error {
	if !needsSandbox(p) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if s := r.virtual[p.UID]; s != nil {
			s.Ready = false
		} else {
			r.virtual[p.UID] = &pod.Sandbox{}
		}
		return nil
	}
	list, err := r.list(ctx, p.UID)
	if err != nil {
		return err
	}
	for _, c := range list {
		if c.Labels[KindLabel] == kindSandbox && c.State == engine.StateRunning {
			if err := r.cfg.Engine.KillContainer(ctx, c.ID, "SIGKILL"); err != nil {
				return err
			}
		}
	}
	return nil
}

// RemovePod implements pod.Sandboxes.
func (r *Runtime) RemovePod(ctx context.Context, p *corev1.Pod) error {
	list, err := r.list(ctx, p.UID)
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range list {
		errs = append(errs, r.cfg.Engine.RemoveContainer(ctx, c.ID))
		r.forget(c.ID)
	}
	errs = append(errs, r.removeVolumes(ctx, p))
	if err := errors.Join(errs...); err != nil {
		return err
	}
	r.mu.Lock()
	delete(r.virtual, p.UID)
	r.mu.Unlock()
	if r.cfg.Released != nil {
		r.cfg.Released(p.Name)
	}
	return nil
}

func (r *Runtime) forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.stopped, id)
	delete(r.failed, id)
}

func (r *Runtime) list(ctx context.Context, uid types.UID) ([]engine.Container, error) {
	return r.cfg.Engine.ListContainers(ctx, map[string]string{services.ProjectLabel: r.cfg.Project, UIDLabel: string(uid)})
}

// CreateContainer implements pod.Containers.
func (r *Runtime) CreateContainer(ctx context.Context, req pod.CreateRequest) (string, error) {
	spec, err := r.containerSpec(ctx, req)
	if err != nil {
		return "", err
	}
	id, err := r.create(ctx, spec, req.Pod.UID)
	if err != nil {
		return "", err
	}
	if err := r.layFiles(ctx, id, req); err != nil {
		return "", errors.Join(err, r.cfg.Engine.RemoveContainer(context.WithoutCancel(ctx), id))
	}
	return id, nil
}

// StartContainer implements pod.Containers.
func (r *Runtime) StartContainer(ctx context.Context, p *corev1.Pod, id string) error {
	if r.cfg.BeforeStart != nil {
		c, err := r.cfg.Engine.InspectContainer(ctx, id)
		if err != nil {
			return err
		}
		if err := r.cfg.BeforeStart(ctx, id, p, c.Labels[ContainerLabel]); err != nil {
			return err
		}
	}
	err := r.cfg.Engine.StartContainer(ctx, id)
	if err != nil && ctx.Err() == nil {
		r.mu.Lock()
		r.failed[id] = startFailure{at: time.Now(), err: err.Error()}
		r.mu.Unlock()
	}
	return err
}

// StopContainer implements pod.Containers.
func (r *Runtime) StopContainer(ctx context.Context, _ *corev1.Pod, id string, grace time.Duration) error {
	r.mu.Lock()
	r.stopped[id] = true
	r.mu.Unlock()
	return r.cfg.Engine.StopContainer(ctx, id, "", grace)
}

// RemoveContainer implements pod.Containers.
func (r *Runtime) RemoveContainer(ctx context.Context, _ *corev1.Pod, id string) error {
	r.forget(id)
	return r.cfg.Engine.RemoveContainer(ctx, id)
}

// FindImage implements pod.Images.
func (r *Runtime) FindImage(ctx context.Context, ref string) (pod.Image, bool, error) {
	i, err := r.cfg.Engine.InspectImage(ctx, ref)
	if engine.IsNotFound(err) {
		return pod.Image{}, false, nil
	}
	return pod.Image{ID: i.ID, User: i.User}, err == nil, err
}

// PullImage implements pod.Images.
func (r *Runtime) PullImage(ctx context.Context, ref string) error {
	return r.cfg.Engine.PullImage(ctx, ref, nil)
}

// MissingImage implements pod.Images.
func (r *Runtime) MissingImage(ref string) string {
	if r.cfg.MissingImage == nil {
		return ""
	}
	return r.cfg.MissingImage(ref)
}

func (r *Runtime) terminationFile(name string) string {
	return filepath.Join(r.cfg.TerminationDir, name)
}
