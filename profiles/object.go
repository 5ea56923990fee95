package profiles

import (
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// object creates the Kubernetes object of a workload and patches its spec with x-lyandev.spec.
func (c *converter) object(s types.ServiceConfig, ext serviceExt, kind string, meta metav1.ObjectMeta, p *pod) runtime.Object {
	template := corev1.PodTemplateSpec{ObjectMeta: p.meta, Spec: p.spec}
	selector := &metav1.LabelSelector{MatchLabels: p.selector()}
	replicas := c.replicas(s, kind)
	typ := func(version string) metav1.TypeMeta { return metav1.TypeMeta{APIVersion: version, Kind: kind} }
	switch kind {
	case "StatefulSet":
		o := &appsv1.StatefulSet{TypeMeta: typ("apps/v1"), ObjectMeta: meta, Spec: appsv1.StatefulSetSpec{
			Replicas: replicas, Selector: selector, Template: template, ServiceName: c.governing(s.Name, meta.Name), VolumeClaimTemplates: p.claims,
		}}
		patchSpec(c, s, ext, &o.Spec)
		return o
	case "DaemonSet":
		o := &appsv1.DaemonSet{TypeMeta: typ("apps/v1"), ObjectMeta: meta, Spec: appsv1.DaemonSetSpec{Selector: selector, Template: template}}
		patchSpec(c, s, ext, &o.Spec)
		return o
	case "ReplicaSet":
		o := &appsv1.ReplicaSet{TypeMeta: typ("apps/v1"), ObjectMeta: meta, Spec: appsv1.ReplicaSetSpec{Replicas: replicas, Selector: selector, Template: template}}
		patchSpec(c, s, ext, &o.Spec)
		return o
	case "Pod":
		o := &corev1.Pod{TypeMeta: typ("v1"), ObjectMeta: meta, Spec: p.spec}
		o.Labels, o.Annotations = p.meta.Labels, p.meta.Annotations
		patchSpec(c, s, ext, &o.Spec)
		return o
	case "Job":
		o := &batchv1.Job{TypeMeta: typ("batch/v1"), ObjectMeta: meta, Spec: jobSpec(s, template, replicas)}
		patchSpec(c, s, ext, &o.Spec)
		return o
	case "CronJob":
		o := &batchv1.CronJob{TypeMeta: typ("batch/v1"), ObjectMeta: meta, Spec: batchv1.CronJobSpec{
			Schedule: ext.Schedule, JobTemplate: batchv1.JobTemplateSpec{Spec: jobSpec(s, template, nil)},
		}}
		patchSpec(c, s, ext, &o.Spec)
		return o
	}
	o := &appsv1.Deployment{TypeMeta: typ("apps/v1"), ObjectMeta: meta, Spec: appsv1.DeploymentSpec{
		Replicas: replicas, Selector: selector, Template: template, Strategy: strategy(s, ext, replicas, &template.Spec),
	}}
	patchSpec(c, s, ext, &o.Spec)
	return o
}

func patchSpec[T any](c *converter, s types.ServiceConfig, ext serviceExt, spec *T) {
	if ext.Spec == nil {
		return
	}
	if err := patch(spec, ext.Spec); err != nil {
		c.bad(keyPath{"services", s.Name, extensionKey, "spec"}, "", "cannot patch the spec: %v", err)
	}
}

// replicas returns Compose's scale, nil for kinds without replicas.
func (c *converter) replicas(s types.ServiceConfig, kind string) *int32 {
	declared := s.Scale != nil || (s.Deploy != nil && s.Deploy.Replicas != nil)
	n := int32(min(s.GetScale(), 1<<31-1))
	switch kind {
	case "Pod", "DaemonSet", "CronJob":
		if declared && n != 1 {
			c.note(keyPath{"services", s.Name, "deploy", "replicas"}, "ignored: a %s has no replicas", kind)
		}
		return nil
	}
	return &n
}

// governing returns the name of a StatefulSet's governing Service: its first headless one.
func (c *converter) governing(service, workload string) string {
	for _, m := range c.ext[service].Service.list {
		meta, _ := splitMeta(m)
		if meta.Name == "" {
			meta.Name = workload
		}
		if svc := c.stack.Service(meta.Name); svc != nil && svc.Spec.ClusterIP == corev1.ClusterIPNone {
			return svc.Name
		}
	}
	return workload
}

// jobSpec converts Compose's restart to backoffLimit: N for on-failure:N, 0 for "no", Kubernetes' default of 6 for on-failure.
func jobSpec(s types.ServiceConfig, template corev1.PodTemplateSpec, replicas *int32) batchv1.JobSpec {
	spec := batchv1.JobSpec{Template: template}
	if replicas != nil && *replicas != 1 {
		spec.Parallelism, spec.Completions = replicas, replicas
	}
	limit := int32(0)
	word, times, _ := strings.Cut(s.Restart, ":")
	if n, err := strconv.ParseInt(times, 10, 32); err == nil {
		limit = int32(n)
	} else if word == "on-failure" {
		limit = 6
	}
	if s.Deploy != nil && s.Deploy.RestartPolicy != nil && s.Deploy.RestartPolicy.MaxAttempts != nil {
		limit = int32(min(*s.Deploy.RestartPolicy.MaxAttempts, 1<<31-1))
	}
	spec.BackoffLimit = &limit
	return spec
}

// strategy converts Compose's update_config if there is one. Without it a single pod that writes into a volume ends before the next one
// starts, as under Compose, unless the file's spec has a strategy: two processes must not use one volume by accident. All others have
// Kubernetes' default, which corresponds to start-first.
func strategy(s types.ServiceConfig, ext serviceExt, replicas *int32, spec *corev1.PodSpec) appsv1.DeploymentStrategy {
	if s.Deploy == nil || s.Deploy.UpdateConfig == nil {
		own, _ := ext.Spec.(map[string]any)
		if own["strategy"] == nil && replicas != nil && *replicas <= 1 && writesVolume(spec) {
			return appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}
		}
		return appsv1.DeploymentStrategy{}
	}
	u := s.Deploy.UpdateConfig
	n, none := intstr.FromInt32(1), intstr.FromInt32(0)
	if u.Parallelism != nil && *u.Parallelism > 0 {
		n = intstr.FromInt32(int32(min(*u.Parallelism, 1<<31-1)))
	}
	rolling := &appsv1.RollingUpdateDeployment{MaxSurge: &none, MaxUnavailable: &n}
	if u.Order == "start-first" {
		rolling = &appsv1.RollingUpdateDeployment{MaxSurge: &n, MaxUnavailable: &none}
	}
	return appsv1.DeploymentStrategy{Type: appsv1.RollingUpdateDeploymentStrategyType, RollingUpdate: rolling}
}

// writesVolume reports whether a container of a pod can write into a claim.
func writesVolume(spec *corev1.PodSpec) bool {
	for _, v := range spec.Volumes {
		if v.PersistentVolumeClaim == nil || v.PersistentVolumeClaim.ReadOnly {
			continue
		}
		for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
			if slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == v.Name && !m.ReadOnly }) {
				return true
			}
		}
	}
	return false
}
