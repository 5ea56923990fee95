package profiles

import (
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
)

// defaultStopGrace is Docker's time between the stop signal and SIGKILL.
const defaultStopGrace = 10 * time.Second

// plain is the container of a plain service under construction. Its rules are those of Docker Compose v5.5 (pkg/compose), so
// that Docker is asked for the same container.
type plain struct {
	c   *converter
	s   types.ServiceConfig
	at  keyPath
	out *compose.Container
	// fileMounts are the host's files behind configs and secrets.
	fileMounts []string
}

// plainService converts a service with Compose's semantics into a workload, or records it as a provider.
func (c *converter) plainService(s types.ServiceConfig) {
	if s.Provider != nil {
		c.provider(s)
		return
	}
	p := &plain{c: c, s: s, at: keyPath{"services", s.Name}, out: &compose.Container{Service: s.Name, Name: s.ContainerName}}
	p.s.Environment = p.modelEnvironment()
	p.apiSocket()
	p.container()
	encoded, err := p.out.Encode()
	if err != nil {
		c.bad(p.at, "", "%v", err)
		return
	}
	fixed := p.fixedName()
	name, ext := c.workloadName(s.Name), c.ext[s.Name]
	labels := map[string]string{appLabel: name, nameLabel: name}
	replicas := int32(min(s.GetScale(), 1<<31-1))
	w := &services.Workload{
		Source: c.source(s.Name), FixedName: fixed, Reload: ext.Reload, Watch: append(c.watch(s), p.reload(ext.Reload, name)...),
		Object: &services.ComposeService{
			TypeMeta:   metav1.TypeMeta{APIVersion: services.ComposeServiceKind.GroupVersion().String(), Kind: services.ComposeServiceKind.Kind},
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: metav1.NamespaceDefault, Labels: labels, Annotations: deployLabels(s)},
			Spec: services.ComposeServiceSpec{
				ServiceName: s.Name, Replicas: &replicas, StartFirst: startFirst(s),
				Template: corev1.PodTemplateSpec{
					ObjectMeta: metav1.ObjectMeta{Labels: maps.Clone(labels), Annotations: p.annotations(encoded)},
					Spec:       p.podSpec(name),
				},
			},
		},
	}
	if ext.Test != nil {
		w.Test = &ext.Test.TestCommand
	}
	c.stack.Workloads = append(c.stack.Workloads, w)
	p.publish(w)
}

// fixedName is file:line of container_name, "" for none.
func (p *plain) fixedName() string {
	if p.s.ContainerName == "" {
		return ""
	}
	pos, _ := p.c.l.loc.find(p.at.with("container_name")...)
	return pos.String()
}

// apiSocket gives a service with use_api_socket the engine's socket, and says where the credentials of the Docker CLI are.
func (p *plain) apiSocket() {
	if !p.s.UseAPISocket {
		return
	}
	const socket = "/var/run/docker.sock"
	p.s.Volumes = append(slices.Clone(p.s.Volumes), types.ServiceVolumeConfig{Type: types.VolumeTypeBind, Source: socket, Target: socket})
	p.out.Credentials = true
	if _, set := p.s.Environment["DOCKER_CONFIG"]; set {
		return
	}
	env := types.MappingWithEquals{"DOCKER_CONFIG": new(path.Dir(compose.CredentialsFile))}
	p.s.Environment = env.OverrideBy(p.s.Environment)
}

func startFirst(s types.ServiceConfig) bool {
	return s.Deploy != nil && s.Deploy.UpdateConfig != nil && s.Deploy.UpdateConfig.Order == "start-first"
}

// container fills in what Docker is asked for.
func (p *plain) container() {
	p.config()
	p.host()
	p.resources()
	p.network()
	p.namespaces()
	p.mounts()
	p.files()
	p.bindings()
	p.hooks()
	p.localhost()
	p.out.Platform = p.s.Platform
	if p.out.Platform == "" {
		p.out.Platform = p.c.project.Environment["DOCKER_DEFAULT_PLATFORM"]
	}
	if p.s.StopGracePeriod != nil {
		p.out.StopGrace = new(time.Duration(*p.s.StopGracePeriod))
	}
	p.out.Quiet = p.s.Attach != nil && !*p.s.Attach
}

// podSpec describes the container in Kubernetes' terms: the image to run, and the rest for display.
func (p *plain) podSpec(name string) corev1.PodSpec {
	grace := int64(defaultStopGrace / time.Second)
	if p.s.StopGracePeriod != nil {
		grace = wholeSeconds(*p.s.StopGracePeriod)
	}
	return corev1.PodSpec{
		RestartPolicy: podRestart(p.out.Host.RestartPolicy.Name), TerminationGracePeriodSeconds: &grace,
		Containers: []corev1.Container{{
			Name: name, Image: p.c.image(p.s), ImagePullPolicy: p.pullPolicy(),
			Command: literals(p.s.Entrypoint), Args: literals(p.s.Command), WorkingDir: p.s.WorkingDir,
			Stdin: p.s.StdinOpen, TTY: p.s.Tty, Env: environment(p.s, serviceExt{}), Ports: p.containerPorts(),
		}},
	}
}

func podRestart[T ~string](policy T) corev1.RestartPolicy {
	switch policy {
	case "always", "unless-stopped":
		return corev1.RestartPolicyAlways
	case "on-failure":
		return corev1.RestartPolicyOnFailure
	}
	return corev1.RestartPolicyNever
}

func (p *plain) annotations(encoded string) map[string]string {
	out := map[string]string{compose.Annotation: encoded}
	if p.s.PullPolicy != "" && !p.c.built(p.s) {
		out[PullPolicyAnnotation] = p.s.PullPolicy
	}
	if value := p.c.pausesProbes(p.s, p.c.ext[p.s.Name]); value != "" {
		out[services.PauseProbesAnnotation] = value
	}
	return out
}

// pullPolicy is the nearest of Kubernetes' words; the annotation has Compose's own. Built images are never pulled.
func (p *plain) pullPolicy() corev1.PullPolicy {
	word, _, err := p.s.GetPullPolicy()
	if err != nil {
		p.c.bad(p.at.with("pull_policy"), "always, never, missing, if_not_present, build, daily, weekly or every_DURATION", "%v", err)
	}
	switch {
	case p.c.built(p.s):
	case word == types.PullPolicyAlways:
		return corev1.PullAlways
	case word == types.PullPolicyNever:
		return corev1.PullNever
	}
	return corev1.PullIfNotPresent
}

// hooks converts pre_start, post_start and pre_stop.
func (p *plain) hooks() {
	for i, h := range p.s.PreStart {
		if h.PerReplica {
			p.c.bad(p.at.with("pre_start", index(i), "per_replica"), "remove it or set it to false", "per_replica is not supported, as in Docker Compose")
		}
		image := h.Image
		if image == p.s.Image {
			image = ""
		}
		p.out.PreStart = append(p.out.PreStart, compose.PreStart{
			Image: image, Command: h.Command, User: h.User, Privileged: h.Privileged, WorkingDir: h.WorkingDir, Env: dockerEnv(h.Environment),
		})
	}
	list := func(hooks []types.ServiceHook) []compose.Hook {
		var out []compose.Hook
		for _, h := range hooks {
			out = append(out, hook(h))
		}
		return out
	}
	p.out.PostStart, p.out.PreStop = list(p.s.PostStart), list(p.s.PreStop)
}

func hook(h types.ServiceHook) compose.Hook {
	return compose.Hook{Command: h.Command, User: h.User, Privileged: h.Privileged, WorkingDir: h.WorkingDir, Env: dockerEnv(h.Environment)}
}

// dockerEnv is an environment in Docker's form, in name order. A name without a value removes the image's variable.
func dockerEnv(m types.MappingWithEquals) []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if v := m[k]; v == nil {
			out = append(out, k)
		} else {
			out = append(out, k+"="+*v)
		}
	}
	return out
}

// joined returns the name of the service whose namespace a mode joins ("service:NAME"), "" for other modes. A service with
// Kubernetes' semantics cannot be joined: its pods have no single container.
func (p *plain) joined(mode, field string) string {
	on, ok := strings.CutPrefix(mode, types.ServicePrefix)
	switch {
	case !ok:
		return ""
	case p.c.unknown(on):
		p.c.bad(p.at.with(field), didYouMean(on, known(p.c.project.Services)), "there is no service %q", on)
		return ""
	case !p.c.plain[on]:
		p.c.bad(p.at.with(field), "give both services the same semantics", "%s has Kubernetes' semantics, so its containers' namespaces cannot be joined", on)
		return ""
	}
	return p.c.workloadName(on)
}

func (c *converter) unknown(service string) bool {
	_, ok := c.project.Services[service]
	return !ok
}

// namespaces are those that are shared with the host or with other containers.
func (p *plain) namespaces() {
	p.out.NetworkOf = p.joined(p.s.NetworkMode, "network_mode")
	p.out.PIDOf = p.joined(p.s.Pid, "pid")
	p.out.IPCOf = p.joined(p.s.Ipc, "ipc")
	for i, from := range p.s.VolumesFrom {
		parts := strings.Split(from, ":")
		on := parts[0]
		if parts[len(parts)-1] == "ro" {
			p.c.note(p.at.with("volumes_from", index(i)), "approximated: the volumes are writable, as under Docker Compose, which ignores ro")
		}
		switch {
		case on == "container" && len(parts) > 1:
			p.out.Host.VolumesFrom = append(p.out.Host.VolumesFrom, parts[1])
		case p.c.unknown(on):
			p.c.bad(p.at.with("volumes_from", index(i)), didYouMean(on, known(p.c.project.Services)), "there is no service %q", on)
		case !p.c.plain[on]:
			p.c.bad(p.at.with("volumes_from", index(i)), "give both services the same semantics", "%s has Kubernetes' semantics, so its volumes cannot be mounted", on)
		default:
			p.out.VolumesFrom = append(p.out.VolumesFrom, compose.VolumesFrom{Workload: p.c.workloadName(on)})
		}
	}
}
