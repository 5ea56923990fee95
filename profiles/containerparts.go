package profiles

import (
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// wholeSeconds rounds a duration up to seconds, the resolution of Kubernetes' fields.
func wholeSeconds(d types.Duration) int64 {
	return int64((time.Duration(d) + time.Second - 1) / time.Second)
}

// userIDs parses Compose's user ("1001", "1001:1001"). It returns false for names, which Kubernetes does not support.
func userIDs(user string) (uid, gid *int64, numeric bool) {
	u, g, hasGroup := strings.Cut(user, ":")
	id, err := strconv.ParseInt(u, 10, 64)
	if err != nil {
		return nil, nil, false
	}
	uid = &id
	if hasGroup {
		group, err := strconv.ParseInt(g, 10, 64)
		if err != nil {
			return nil, nil, false
		}
		gid = &group
	}
	return uid, gid, true
}

// security returns the container's security context: Compose's fields, overridden by x-lyandev.securityContext.
func (p *pod) security(s types.ServiceConfig, ext serviceExt) *corev1.SecurityContext {
	sc := &corev1.SecurityContext{}
	set := false
	if uid, gid, ok := userIDs(s.User); ok {
		sc.RunAsUser, sc.RunAsGroup, set = uid, gid, true
	}
	yes, no := true, false
	if s.Privileged {
		sc.Privileged, set = &yes, true
	}
	if s.ReadOnly {
		sc.ReadOnlyRootFilesystem, set = &yes, true
	}
	if len(s.CapAdd)+len(s.CapDrop) > 0 {
		sc.Capabilities, set = &corev1.Capabilities{Add: capabilities(s.CapAdd), Drop: capabilities(s.CapDrop)}, true
	}
	for i, opt := range s.SecurityOpt {
		at := keyPath{"services", s.Name, "security_opt", index(i)}
		key, value, _ := strings.Cut(strings.Replace(opt, "=", ":", 1), ":")
		switch {
		case key == "no-new-privileges" && value != "false":
			sc.AllowPrivilegeEscalation, set = &no, true
		case key == "seccomp" && value == "unconfined":
			sc.SeccompProfile, set = &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeUnconfined}, true
		default:
			p.c.note(at, "ignored: only no-new-privileges and seccomp:unconfined are supported")
		}
	}
	if ext.SecurityContext != nil {
		merged := *sc
		if err := patch(&merged, asJSON(ext.SecurityContext)); err == nil {
			return &merged
		}
	}
	if !set {
		return nil
	}
	return sc
}

func capabilities(list []string) []corev1.Capability {
	var out []corev1.Capability
	for _, c := range list {
		out = append(out, corev1.Capability(strings.TrimPrefix(strings.ToUpper(c), "CAP_")))
	}
	return out
}

// resources returns limits and requests from deploy.resources or Compose's older fields, overridden by x-lyandev.resources.
func (p *pod) resources(s types.ServiceConfig, ext serviceExt) corev1.ResourceRequirements {
	limits, requests := corev1.ResourceList{}, corev1.ResourceList{}
	cpu := func(list corev1.ResourceList, cores float32) {
		if cores > 0 {
			list[corev1.ResourceCPU] = *resource.NewMilliQuantity(int64(cores*1000+0.5), resource.DecimalSI)
		}
	}
	memory := func(list corev1.ResourceList, b types.UnitBytes) {
		if b > 0 {
			list[corev1.ResourceMemory] = *resource.NewQuantity(int64(b), resource.BinarySI)
		}
	}
	cpu(limits, s.CPUS)
	cpu(limits, float32(s.CPUCount))
	memory(limits, s.MemLimit)
	memory(requests, s.MemReservation)
	if s.Deploy != nil {
		if l := s.Deploy.Resources.Limits; l != nil {
			cpu(limits, l.NanoCPUs.Value())
			memory(limits, l.MemoryBytes)
		}
		if r := s.Deploy.Resources.Reservations; r != nil {
			cpu(requests, r.NanoCPUs.Value())
			memory(requests, r.MemoryBytes)
		}
	}
	var out corev1.ResourceRequirements
	if len(limits) > 0 {
		out.Limits = limits
	}
	if len(requests) > 0 {
		out.Requests = requests
	}
	if ext.Resources != nil {
		merged := out
		if err := patch(&merged, asJSON(ext.Resources)); err == nil {
			return merged
		}
	}
	return out
}

// lifecycle converts Compose's post_start and pre_stop hooks. Kubernetes has one of each per container.
func (p *pod) lifecycle(s types.ServiceConfig, ext serviceExt) *corev1.Lifecycle {
	hook := func(hooks []types.ServiceHook, field string) *corev1.LifecycleHandler {
		if len(hooks) == 0 {
			return nil
		}
		if len(hooks) > 1 {
			p.c.note(keyPath{"services", s.Name, field, index(1)}, "ignored: Kubernetes allows one such hook per container")
		}
		return &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: hooks[0].Command}}
	}
	l := &corev1.Lifecycle{PostStart: hook(s.PostStart, "post_start"), PreStop: hook(s.PreStop, "pre_stop")}
	if ext.Lifecycle != nil {
		if ext.Lifecycle.PostStart != nil {
			l.PostStart = ext.Lifecycle.PostStart
		}
		if ext.Lifecycle.PreStop != nil {
			l.PreStop = ext.Lifecycle.PreStop
		}
		l.StopSignal = ext.Lifecycle.StopSignal
	}
	if l.PostStart == nil && l.PreStop == nil && l.StopSignal == nil {
		return nil
	}
	return l
}

// Defaults of a Compose healthcheck.
const (
	checkInterval = 30
	checkTimeout  = 30
	checkRetries  = 3
)

// probes sets the probes of x-lyandev.probes. If there is no readiness probe, Compose's healthcheck becomes one; it does not
// become a liveness probe, because Compose does not restart unhealthy containers. start_period is dropped: failures before
// the first success have no effect on readiness. start_interval is dropped: fast timing probes that often anyway.
func (p *pod) probes(c *corev1.Container, s types.ServiceConfig, ext serviceExt) {
	c.LivenessProbe, c.ReadinessProbe, c.StartupProbe = ext.Probes.Liveness, ext.Probes.Readiness, ext.Probes.Startup
	h := s.HealthCheck
	if h == nil || h.Disable || len(h.Test) == 0 || h.Test[0] == "NONE" || c.ReadinessProbe != nil {
		return
	}
	var cmd []string
	switch h.Test[0] {
	case "CMD":
		cmd = h.Test[1:]
	case "CMD-SHELL":
		cmd = shell(strings.Join(h.Test[1:], " "))
	}
	if len(cmd) == 0 {
		p.c.bad(keyPath{"services", s.Name, "healthcheck", "test"}, `write [CMD, program, argument...] or a string`, "the command is missing")
		return
	}
	seconds := func(d *types.Duration, fallback int32, field string) int32 {
		if d == nil || *d == 0 {
			return fallback
		}
		if time.Duration(*d)%time.Second != 0 {
			p.c.note(keyPath{"services", s.Name, "healthcheck", field}, "approximated: rounded up to %d s", wholeSeconds(*d))
		}
		return int32(min(wholeSeconds(*d), 1<<31-1))
	}
	probe := &corev1.Probe{
		ProbeHandler:     corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: cmd}},
		PeriodSeconds:    seconds(h.Interval, checkInterval, "interval"),
		TimeoutSeconds:   seconds(h.Timeout, checkTimeout, "timeout"),
		FailureThreshold: checkRetries, SuccessThreshold: 1,
	}
	if h.Retries != nil && *h.Retries > 0 {
		probe.FailureThreshold = int32(min(*h.Retries, 1<<31-1))
	}
	c.ReadinessProbe = probe
}
