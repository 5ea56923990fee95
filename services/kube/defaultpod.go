package kube

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// defaultPod sets the defaults of a Pod that templates do not get: service links, and requests from limits (R40).
func defaultPod(p *corev1.Pod) {
	set(&p.Spec.EnableServiceLinks, true)
	for _, cs := range [][]corev1.Container{p.Spec.InitContainers, p.Spec.Containers} {
		for i := range cs {
			requestLimits(&cs[i].Resources)
		}
	}
	defaultPodSpec(&p.Spec)
	if p.Spec.HostNetwork {
		defaultHostPorts(&p.Spec)
	}
}

// requestLimits sets missing resource requests to the limits (R40).
func requestLimits(r *corev1.ResourceRequirements) {
	for name, limit := range r.Limits {
		if _, ok := r.Requests[name]; !ok {
			if r.Requests == nil {
				r.Requests = corev1.ResourceList{}
			}
			r.Requests[name] = limit.DeepCopy()
		}
	}
}

func defaultHostPorts(s *corev1.PodSpec) {
	for _, cs := range [][]corev1.Container{s.InitContainers, s.Containers} {
		for i := range cs {
			for k := range cs[i].Ports {
				fill(&cs[i].Ports[k].HostPort, cs[i].Ports[k].ContainerPort)
			}
		}
	}
}

func defaultPodSpec(s *corev1.PodSpec) {
	fill(&s.DNSPolicy, corev1.DNSClusterFirst)
	fill(&s.RestartPolicy, corev1.RestartPolicyAlways)
	set(&s.SecurityContext, corev1.PodSecurityContext{})
	set(&s.TerminationGracePeriodSeconds, corev1.DefaultTerminationGracePeriodSeconds)
	if *s.TerminationGracePeriodSeconds < 0 {
		*s.TerminationGracePeriodSeconds = 1
	}
	fill(&s.SchedulerName, corev1.DefaultSchedulerName)
	for i := range s.Volumes {
		defaultVolume(&s.Volumes[i].VolumeSource)
	}
	for i := range s.InitContainers {
		defaultContainer(&s.InitContainers[i])
	}
	for i := range s.Containers {
		defaultContainer(&s.Containers[i])
	}
	for i := range s.EphemeralContainers {
		c := corev1.Container(s.EphemeralContainers[i].EphemeralContainerCommon)
		defaultContainer(&c)
		s.EphemeralContainers[i].EphemeralContainerCommon = corev1.EphemeralContainerCommon(c)
	}
}

func defaultContainer(c *corev1.Container) {
	if c.ImagePullPolicy == "" {
		c.ImagePullPolicy = PullPolicy(c.Image)
	}
	fill(&c.TerminationMessagePath, corev1.TerminationMessagePathDefault)
	fill(&c.TerminationMessagePolicy, corev1.TerminationMessageReadFile)
	for i := range c.Ports {
		fill(&c.Ports[i].Protocol, corev1.ProtocolTCP)
	}
	for i := range c.Env {
		if f := c.Env[i].ValueFrom; f != nil && f.FieldRef != nil {
			fill(&f.FieldRef.APIVersion, "v1")
		}
	}
	roundUp(c.Resources.Limits)
	roundUp(c.Resources.Requests)
	defaultProbe(c.LivenessProbe)
	defaultProbe(c.ReadinessProbe)
	defaultProbe(c.StartupProbe)
	if c.Lifecycle != nil {
		defaultHook(c.Lifecycle.PostStart)
		defaultHook(c.Lifecycle.PreStop)
	}
}

// roundUp rounds quantities up to thousandths (R151).
func roundUp(list corev1.ResourceList) {
	for name, q := range list {
		q.RoundUp(resource.Milli)
		list[name] = q
	}
}

// PullPolicy is the imagePullPolicy of an image that has none (R40): Always for the tag latest, also beside a digest, or neither
// tag nor digest; else IfNotPresent. So is that of no image at all.
func PullPolicy(image string) corev1.PullPolicy {
	name, _, digested := strings.Cut(image, "@")
	_, tag, tagged := strings.Cut(name[strings.LastIndex(name, "/")+1:], ":")
	if tag == "latest" || !tagged && !digested && strings.TrimSpace(image) == image && image != "" {
		return corev1.PullAlways
	}
	return corev1.PullIfNotPresent
}

// defaultProbe is R30, R35 and R37: 0 means not set.
func defaultProbe(p *corev1.Probe) {
	if p == nil {
		return
	}
	fill(&p.TimeoutSeconds, 1)
	fill(&p.PeriodSeconds, 10)
	fill(&p.SuccessThreshold, 1)
	fill(&p.FailureThreshold, 3)
	defaultHTTP(p.HTTPGet)
	if p.GRPC != nil {
		set(&p.GRPC.Service, "")
	}
}

func defaultHook(h *corev1.LifecycleHandler) {
	if h != nil {
		defaultHTTP(h.HTTPGet)
	}
}

func defaultHTTP(a *corev1.HTTPGetAction) {
	if a != nil {
		fill(&a.Path, "/")
		fill(&a.Scheme, corev1.URISchemeHTTP)
	}
}

const fileMode = int32(0o644)

func defaultVolume(v *corev1.VolumeSource) {
	switch {
	case v.ConfigMap != nil:
		set(&v.ConfigMap.DefaultMode, fileMode)
	case v.Secret != nil:
		set(&v.Secret.DefaultMode, fileMode)
	case v.DownwardAPI != nil:
		set(&v.DownwardAPI.DefaultMode, fileMode)
		defaultFieldRefs(v.DownwardAPI.Items)
	case v.Projected != nil:
		defaultProjected(v.Projected)
	case v.HostPath != nil:
		set(&v.HostPath.Type, corev1.HostPathUnset)
	case *v == (corev1.VolumeSource{}):
		v.EmptyDir = &corev1.EmptyDirVolumeSource{}
	}
}

func defaultProjected(p *corev1.ProjectedVolumeSource) {
	set(&p.DefaultMode, fileMode)
	for i := range p.Sources {
		if d := p.Sources[i].DownwardAPI; d != nil {
			defaultFieldRefs(d.Items)
		}
		if t := p.Sources[i].ServiceAccountToken; t != nil {
			set(&t.ExpirationSeconds, 3600)
		}
	}
}

func defaultFieldRefs(files []corev1.DownwardAPIVolumeFile) {
	for i := range files {
		if files[i].FieldRef != nil {
			fill(&files[i].FieldRef.APIVersion, "v1")
		}
	}
}
