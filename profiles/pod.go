package profiles

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/lyandev/lyandev/services"
)

// pod is a pod template under construction.
type pod struct {
	c *converter
	// service is the pod's first service, name the name of its workload.
	service, name string
	kind          string
	meta          metav1.ObjectMeta
	spec          corev1.PodSpec
	// claims are the volume claim templates of a StatefulSet.
	claims []corev1.PersistentVolumeClaim
	// localhost are the ports of the pod's loopback that lead elsewhere.
	localhost services.Localhost
}

func newPod(c *converter, service, kind string) *pod {
	name := c.workloadName(service)
	return &pod{c: c, service: service, name: name, kind: kind, meta: metav1.ObjectMeta{
		Labels: map[string]string{appLabel: name, nameLabel: name}, Annotations: map[string]string{},
	}}
}

// selector returns the labels by which the workload and its default Service select the pods.
func (p *pod) selector() map[string]string {
	return map[string]string{appLabel: p.meta.Labels[appLabel], nameLabel: p.meta.Labels[nameLabel]}
}

// add adds a service's container to the pod. Container fields in Compose that are pod fields in Kubernetes are set on the pod;
// if several containers set one, the first wins, and lists are concatenated.
func (p *pod) add(s types.ServiceConfig, ext serviceExt) {
	at := keyPath{"services", s.Name}
	c := corev1.Container{
		Name: p.c.workloadName(s.Name), Image: p.c.image(s), Command: literals(s.Entrypoint), Args: literals(s.Command),
		WorkingDir: s.WorkingDir, Stdin: s.StdinOpen, TTY: s.Tty, ImagePullPolicy: p.pullPolicy(s),
	}
	if s.Entrypoint != nil && len(s.Entrypoint) == 0 {
		p.c.note(at.with("entrypoint"), "ignored: the image's entrypoint cannot be removed, only replaced")
	}
	c.Env = environment(s, ext)
	c.EnvFrom = ext.EnvFrom
	c.Ports = p.ports(s)
	c.Resources = p.resources(s, ext)
	c.SecurityContext = p.security(s, ext)
	c.Lifecycle = p.lifecycle(s, ext)
	p.probes(&c, s, ext)
	p.volumes(&c, s, ext)
	p.shared(s)
	for k, v := range ext.Labels {
		p.meta.Labels[k] = v
	}
	p.labels(s, ext)
	if ext.Container != nil {
		if err := patch(&c, ext.Container); err != nil {
			p.c.bad(at.with(extensionKey, "container"), "", "cannot patch the container: %v", err)
		}
	}
	p.annotate(s, ext, c.Name)
	p.localhost = p.c.addLocalhost(p.localhost, s.Name)
	p.spec.Containers = append(p.spec.Containers, c)
	p.extras(s, ext, c)
}

// extras adds init containers and sidecars. Their image defaults to the service's image. Their mounts can name any volume of
// the pod.
func (p *pod) extras(s types.ServiceConfig, ext serviceExt, main corev1.Container) {
	fill := func(list []corev1.Container) []corev1.Container {
		out := slices.Clone(list)
		for i := range out {
			if out[i].Image == "" {
				out[i].Image, out[i].ImagePullPolicy = main.Image, main.ImagePullPolicy
			}
			if out[i].ImagePullPolicy == "" {
				out[i].ImagePullPolicy = corev1.PullIfNotPresent
			}
			if out[i].Name == "" {
				out[i].Name = p.c.workloadName(s.Name) + "-" + strconv.Itoa(i)
			}
		}
		return out
	}
	p.spec.InitContainers = append(p.spec.InitContainers, fill(ext.InitContainers)...)
	p.spec.Containers = append(p.spec.Containers, fill(ext.Sidecars)...)
	if ext.Pod != nil {
		if err := patch(&p.spec, ext.Pod); err != nil {
			p.c.bad(keyPath{"services", s.Name, extensionKey, "pod"}, "", "cannot patch the pod: %v", err)
		}
	}
}

// finish sets the fields that depend on the whole pod.
func (p *pod) finish(s types.ServiceConfig, ext serviceExt) {
	if p.spec.RestartPolicy == "" {
		p.spec.RestartPolicy = restartPolicy(s, p.kind)
	}
	if ext.Operator != "" {
		gate := corev1.PodReadinessGate{ConditionType: services.RightGate}
		p.spec.ReadinessGates = appendNew(p.spec.ReadinessGates, gate)
	}
	if len(p.localhost) > 0 {
		p.meta.Annotations[services.LocalhostAnnotation] = p.localhost.String()
	}
	if len(p.meta.Annotations) == 0 {
		p.meta.Annotations = nil
	}
}

// restartPolicy returns Always for workloads that do not run to completion, else the equivalent of Compose's restart.
func restartPolicy(s types.ServiceConfig, kind string) corev1.RestartPolicy {
	condition := s.Restart
	if s.Deploy != nil && s.Deploy.RestartPolicy != nil && s.Deploy.RestartPolicy.Condition != "" {
		condition = s.Deploy.RestartPolicy.Condition
	}
	word, _, _ := strings.Cut(condition, ":")
	switch {
	case kind == "Job" || kind == "CronJob":
		if word == "on-failure" {
			return corev1.RestartPolicyOnFailure
		}
		return corev1.RestartPolicyNever
	case kind != "Pod":
		return corev1.RestartPolicyAlways
	case word == "no" || word == "none":
		return corev1.RestartPolicyNever
	case word == "on-failure":
		return corev1.RestartPolicyOnFailure
	}
	return corev1.RestartPolicyAlways
}

// environment returns Compose's environment in name order, then x-lyandev.env, which takes precedence.
func environment(s types.ServiceConfig, ext serviceExt) []corev1.EnvVar {
	var out []corev1.EnvVar
	for _, k := range slices.Sorted(maps.Keys(s.Environment)) {
		if v := s.Environment[k]; v != nil && !slices.ContainsFunc(ext.Env, func(e corev1.EnvVar) bool { return e.Name == k }) {
			out = append(out, corev1.EnvVar{Name: k, Value: literal(*v)})
		}
	}
	for i, e := range ext.Env {
		last := true
		for _, later := range ext.Env[i+1:] {
			last = last && later.Name != e.Name
		}
		if last {
			out = append(out, e)
		}
	}
	return out
}

// literal escapes $(NAME) in a value from Compose, where it is plain text, so that Kubernetes does not expand it.
func literal(s string) string {
	if strings.Contains(s, "$(") || strings.Contains(s, "$$") {
		return strings.ReplaceAll(s, "$", "$$")
	}
	return s
}

func literals(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = literal(s)
	}
	return out
}

// labels sets Compose's labels on the pod: as labels if they are valid in Kubernetes, else as annotations.
func (p *pod) labels(s types.ServiceConfig, ext serviceExt) {
	for k, v := range s.Labels {
		if _, ours := ext.Labels[k]; ours {
			continue
		}
		if len(validation.IsQualifiedName(k)) == 0 && len(validation.IsValidLabelValue(v)) == 0 {
			p.meta.Labels[k] = v
		} else {
			p.meta.Annotations[k] = v
		}
	}
	for k, v := range s.Annotations {
		p.meta.Annotations[k] = v
	}
	for k, v := range ext.Annotations {
		p.meta.Annotations[k] = v
	}
	if value := p.c.pausesProbes(s, ext); value != "" {
		p.meta.Annotations[services.PauseProbesAnnotation] = value
	}
}

// annotate records a setting without a Kubernetes field. For containers other than the pod's first, it applies to that
// container only.
func (p *pod) annotate(s types.ServiceConfig, ext serviceExt, container string) {
	set := func(key, value string) {
		if s.Name != p.service {
			key += "." + container
		}
		p.meta.Annotations[key] = value
	}
	if s.StopSignal != "" {
		set(StopSignalAnnotation, s.StopSignal)
	}
	if s.Init != nil {
		set(InitAnnotation, strconv.FormatBool(*s.Init))
	}
	if ext.Shim != nil {
		set(ShimAnnotation, strconv.FormatBool(*ext.Shim))
	}
	if s.Platform != "" {
		set(PlatformAnnotation, s.Platform)
	}
	if _, _, numeric := userIDs(s.User); s.User != "" && !numeric {
		set(UserAnnotation, s.User)
	}
}

// shared sets the pod fields that come from container fields in Compose.
func (p *pod) shared(s types.ServiceConfig) {
	at := keyPath{"services", s.Name}
	spec := &p.spec
	if s.StopGracePeriod != nil {
		grace := wholeSeconds(*s.StopGracePeriod)
		if old := spec.TerminationGracePeriodSeconds; old == nil || *old < grace {
			spec.TerminationGracePeriodSeconds = &grace
		}
	}
	if s.Hostname != "" {
		spec.Hostname = s.Hostname
	}
	for _, host := range slices.Sorted(maps.Keys(s.ExtraHosts)) {
		for _, ip := range s.ExtraHosts[host] {
			p.hostAlias(ip, host)
			p.c.extraHosts[host] = true
		}
	}
	if len(s.DNS)+len(s.DNSSearch)+len(s.DNSOpts) > 0 {
		p.dns(s)
	}
	spec.HostPID = spec.HostPID || s.Pid == "host"
	spec.HostIPC = spec.HostIPC || s.Ipc == "host"
	switch {
	case s.NetworkMode == "host":
		spec.HostNetwork = true
	case s.NetworkMode != "" && !strings.HasPrefix(s.NetworkMode, types.ServicePrefix):
		p.c.note(at.with("network_mode"), "ignored: every pod is on the stack's network")
	}
	if len(s.GroupAdd) > 0 || len(s.Sysctls) > 0 {
		p.podSecurity(s)
	}
}

func (p *pod) podSecurity(s types.ServiceConfig) {
	if p.spec.SecurityContext == nil {
		p.spec.SecurityContext = &corev1.PodSecurityContext{}
	}
	sc := p.spec.SecurityContext
	for i, g := range s.GroupAdd {
		n, err := strconv.ParseInt(g, 10, 64)
		if err != nil {
			p.c.note(keyPath{"services", s.Name, "group_add", index(i)}, "ignored: groups must be numeric")
			continue
		}
		sc.SupplementalGroups = appendNew(sc.SupplementalGroups, n)
	}
	for _, k := range slices.Sorted(maps.Keys(s.Sysctls)) {
		sc.Sysctls = appendNew(sc.Sysctls, corev1.Sysctl{Name: k, Value: s.Sysctls[k]})
	}
}

func (p *pod) hostAlias(ip, host string) {
	for i := range p.spec.HostAliases {
		if p.spec.HostAliases[i].IP == ip {
			p.spec.HostAliases[i].Hostnames = appendNew(p.spec.HostAliases[i].Hostnames, host)
			return
		}
	}
	p.spec.HostAliases = append(p.spec.HostAliases, corev1.HostAlias{IP: ip, Hostnames: []string{host}})
}

func (p *pod) dns(s types.ServiceConfig) {
	if p.spec.DNSConfig == nil {
		p.spec.DNSConfig = &corev1.PodDNSConfig{}
	}
	d := p.spec.DNSConfig
	d.Nameservers = appendNew(d.Nameservers, s.DNS...)
	d.Searches = appendNew(d.Searches, s.DNSSearch...)
	for _, o := range s.DNSOpts {
		name, value, ok := strings.Cut(o, ":")
		opt := corev1.PodDNSConfigOption{Name: name}
		if ok {
			opt.Value = &value
		}
		d.Options = append(d.Options, opt)
	}
}

// pullPolicy converts Compose's pull_policy, with Compose's default, which is missing. Images built by the stack are never pulled.
func (p *pod) pullPolicy(s types.ServiceConfig) corev1.PullPolicy {
	if p.c.built(s) {
		return corev1.PullIfNotPresent
	}
	switch s.PullPolicy {
	case types.PullPolicyAlways:
		return corev1.PullAlways
	case types.PullPolicyNever:
		return corev1.PullNever
	case "", types.PullPolicyMissing, types.PullPolicyIfNotPresent, types.PullPolicyBuild:
		return corev1.PullIfNotPresent
	}
	p.c.note(keyPath{"services", s.Name, "pull_policy"}, "approximated: pulled if missing")
	return corev1.PullIfNotPresent
}
