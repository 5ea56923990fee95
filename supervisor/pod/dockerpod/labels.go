package dockerpod

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/backoff"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod"
)

// Labels of containers and volumes. Everything also carries services.ProjectLabel.
const (
	// AttemptLabel is the restart count, SandboxLabel the attempt of the pod's sandbox.
	AttemptLabel  = "dev.lyandev.attempt"
	SandboxLabel  = "dev.lyandev.sandbox-attempt"
	SpecHashLabel = "dev.lyandev.spec-hash"
	ProfileLabel  = "dev.lyandev.profile"
	// ManifestLabel is the pod's metadata and spec in JSON; BackOffLabel the restart back-off at the container's start.
	ManifestLabel = "dev.lyandev.pod-manifest"
	BackOffLabel  = "dev.lyandev.back-off"
	// ClaimLabel names the claim of a volume, HostPathLabel the path that it stands for.
	ClaimLabel    = "dev.lyandev.claim"
	HostPathLabel = "dev.lyandev.host-path"
	// OneOffLabel names the one-off container that something belongs to.
	OneOffLabel = "dev.lyandev.one-off"
)

// Kinds of containers and volumes.
const (
	KindContainer = "container"
	// KindOneOff is a container of `lyandev run`: it belongs to no pod.
	KindOneOff = "one-off"
	// KindOneOffPart is a sandbox, an init container or a volume of a one-off container of a pod template.
	KindOneOffPart = "one-off-part"
	// KindLoopback is a container that serves ports of the loopback of another one, which LoopbackOfLabel names by ID. StartLabel is
	// the start of that container which it belongs to.
	KindLoopback    = "loopback"
	LoopbackOfLabel = "dev.lyandev.loopback-of"
	StartLabel      = "dev.lyandev.start"
	// KindOwner is a container that gives volumes to a pod's fsGroup.
	KindOwner     = "owner"
	KindInit      = "init"
	KindSandbox   = "sandbox"
	KindClaim     = "claim"
	KindPodVolume = "pod-volume"
	KindHostPath  = "host-path"
)

// podLabels are the labels common to all containers of a pod.
func (r *Runtime) podLabels(p *corev1.Pod, kind string) map[string]string {
	l := map[string]string{
		services.ProjectLabel: r.cfg.Project, services.DirLabel: r.cfg.Dir, services.KindLabel: kind,
		services.WorkloadLabel: workload(p), services.PodLabel: p.Name, services.PodUIDLabel: string(p.UID),
		ManifestLabel:                            manifest(p),
		"com.docker.compose.project":             r.cfg.Project,
		"com.docker.compose.project.working_dir": r.cfg.Dir,
		"com.docker.compose.service":             workload(p),
		"com.docker.compose.container-number":    strconv.Itoa(ordinal(p.Name) + 1),
		"com.docker.compose.oneoff":              "False",
	}
	if kind != KindContainer {
		l["com.docker.compose.oneoff"] = "True"
	}
	if r.cfg.Profile != nil {
		l[ProfileLabel] = r.cfg.Profile()
	}
	return l
}

// PlainLabels are the labels of the container of a pod of a plain Compose service.
func (r *Runtime) PlainLabels(p *corev1.Pod) map[string]string {
	l := r.podLabels(p, KindContainer)
	l[services.ContainerLabel] = p.Spec.Containers[0].Name
	l[services.NumberLabel], l["com.docker.compose.container-number"] = p.Labels[services.NumberLabel], p.Labels[services.NumberLabel]
	if c, err := compose.Decode(p.Annotations[compose.Annotation], r.cfg.Project); err == nil {
		l["com.docker.compose.service"] = c.Service
		if c.Localhost != "" {
			l[services.LocalhostLabel] = c.Localhost
		}
	}
	return l
}

// containerLabels are the labels of one instance.
func (r *Runtime) containerLabels(q pod.CreateRequest) map[string]string {
	kind := KindContainer
	if q.Init {
		kind = KindInit
	}
	l := r.podLabels(q.Pod, kind)
	l[services.ContainerLabel], l[AttemptLabel] = q.Container.Name, strconv.Itoa(q.Attempt)
	l[SandboxLabel], l[SpecHashLabel] = strconv.Itoa(q.Sandbox), hash(q.Container)
	if q.BackOff != nil {
		l[BackOffLabel] = toJSON(q.BackOff)
	}
	return l
}

func workload(p *corev1.Pod) string {
	if w := p.Labels[services.WorkloadLabel]; w != "" {
		return w
	}
	return p.Name
}

// ordinal is the number at the end of a StatefulSet's pod name, else 0.
func ordinal(name string) int {
	n, err := strconv.Atoi(name[strings.LastIndexByte(name, '-')+1:])
	if err != nil || n < 0 || n > 9999 {
		return 0
	}
	return n
}

// manifest is the pod without its status.
func manifest(p *corev1.Pod) string {
	p = p.DeepCopy()
	p.Status = corev1.PodStatus{}
	p.ManagedFields = nil
	p.DeletionTimestamp, p.DeletionGracePeriodSeconds = nil, nil
	return toJSON(p)
}

func toJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}

// hash is a short hash of anything that marshals.
func hash(v any) string {
	sum := sha256.Sum256([]byte(toJSON(v)))
	return hex.EncodeToString(sum[:8])
}

func backOffOf(c *engine.Container) *backoff.Entry {
	var e backoff.Entry
	if json.Unmarshal([]byte(c.Labels[BackOffLabel]), &e) != nil {
		return nil
	}
	return &e
}

// Event is what an engine event means to the worker of a pod, whose UID it gives; ok is false if it means nothing to any.
func Event(e engine.Event) (podUID string, ev pod.ContainerEvent, ok bool) {
	podUID = e.Labels[services.PodUIDLabel]
	t := pod.EventType(e.Type)
	switch t {
	case pod.ContainerStarted, pod.ContainerDied, pod.ContainerRemoved, pod.ContainerPaused, pod.ContainerUnpaused:
		return podUID, pod.ContainerEvent{Type: t, ID: e.ID}, podUID != ""
	}
	return podUID, pod.ContainerEvent{}, false
}

var unfit = regexp.MustCompile(`[^a-zA-Z0-9_.-]+`)

// fit makes text fit for the name of a Docker object.
func fit(text string) string { return strings.Trim(unfit.ReplaceAllString(text, "_"), "_.-") }

// containerName is what people see in `docker ps`: <project>-<pod>-<attempt> for a pod of one container, else with the
// container's name.
func (r *Runtime) containerName(q pod.CreateRequest) string {
	name := r.cfg.Project + "-" + q.Pod.Name
	if len(q.Pod.Spec.Containers) > 1 || q.Init || pod.NeedsSandbox(q.Pod) {
		name += "-" + q.Container.Name
	}
	return fit(name + "-" + strconv.Itoa(q.Attempt))
}
