package main

import (
	"encoding/json"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/lyandev/lyandev/services/kube"
	"github.com/lyandev/lyandev/supervisor/backoff"
	"github.com/lyandev/lyandev/supervisor/controller"
)

func expand(data []byte) (any, error) {
	var q struct {
		Vars   map[string]string `json:"vars"`
		Inputs []string          `json:"inputs"`
	}
	if err := json.Unmarshal(data, &q); err != nil {
		return nil, err
	}
	type line struct {
		In  string `json:"in"`
		Out string `json:"out"`
	}
	out := []line{}
	for _, in := range q.Inputs {
		out = append(out, line{in, kube.Expand(in, kube.MapLookup(q.Vars))})
	}
	return out, nil
}

// backOff lets something run for the given times, starting it each time as soon as it may.
func backOff(data []byte) (any, error) {
	var q struct {
		Initial, Max float64
		Runs         []float64
	}
	if err := json.Unmarshal(data, &q); err != nil {
		return nil, err
	}
	type line struct {
		Start float64 `json:"start"`
		Exit  float64 `json:"exit"`
		Delay float64 `json:"delayBeforeNextStart"`
		After float64 `json:"backoffAfterThat"`
	}
	span := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	zero := time.Unix(0, 0)
	tracker := backoff.New(backoff.Config{Initial: span(q.Initial), Max: span(q.Max)})
	out, start := []line{}, zero
	for _, run := range q.Runs {
		exit := start.Add(span(run))
		now := exit
		d := tracker.Attempt("k", exit, now)
		if !d.Start {
			now = d.Until
			d = tracker.Attempt("k", exit, now)
		}
		out = append(out, line{start.Sub(zero).Seconds(), exit.Sub(zero).Seconds(), now.Sub(exit).Seconds(), d.Wait.Seconds()})
		start = now
	}
	return out, nil
}

func fenceposts(data []byte) (any, error) {
	var q []struct {
		Replicas       int32              `json:"replicas"`
		MaxSurge       intstr.IntOrString `json:"maxSurge"`
		MaxUnavailable intstr.IntOrString `json:"maxUnavailable"`
	}
	if err := json.Unmarshal(data, &q); err != nil {
		return nil, err
	}
	out := []map[string]any{}
	for _, in := range q {
		line := map[string]any{"replicas": in.Replicas, "maxSurge": in.MaxSurge, "maxUnavailable": in.MaxUnavailable}
		out = append(out, line)
		surge, unavailable, err := controller.Fenceposts(&in.MaxSurge, &in.MaxUnavailable, in.Replicas)
		if err != nil {
			line["error"] = err.Error()
			continue
		}
		d := &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Replicas: &in.Replicas, Strategy: appsv1.DeploymentStrategy{
			Type:          appsv1.RollingUpdateDeploymentStrategyType,
			RollingUpdate: &appsv1.RollingUpdateDeployment{MaxSurge: &in.MaxSurge, MaxUnavailable: &in.MaxUnavailable},
		}}}
		line["surge"], line["unavailable"] = surge, unavailable
		line["effectiveUnavailable"], line["minAvailable"] = controller.MaxUnavailable(d), controller.MinAvailable(d)
	}
	return out, nil
}

func resources(data []byte) (any, error) {
	var q []map[string]string
	if err := json.Unmarshal(data, &q); err != nil {
		return nil, err
	}
	out := []map[string]any{}
	for _, in := range q {
		line := map[string]any{"in": in}
		out = append(out, line)
		r, err := requirements(in)
		if err != nil {
			line["error"] = err.Error()
			continue
		}
		line["cpuShares"], line["cpuQuota"] = kube.CPUShares(r), kube.CPUQuota(r)
		line["cpuPeriod"], line["memoryBytes"] = kube.CPUPeriod, kube.MemoryLimit(r)
	}
	return out, nil
}

func requirements(in map[string]string) (corev1.ResourceRequirements, error) {
	r := corev1.ResourceRequirements{Requests: corev1.ResourceList{}, Limits: corev1.ResourceList{}}
	for _, f := range []struct {
		key  string
		list corev1.ResourceList
		name corev1.ResourceName
	}{
		{"cpuRequest", r.Requests, corev1.ResourceCPU},
		{"cpuLimit", r.Limits, corev1.ResourceCPU},
		{"memoryRequest", r.Requests, corev1.ResourceMemory},
		{"memoryLimit", r.Limits, corev1.ResourceMemory},
	} {
		text, ok := in[f.key]
		if !ok {
			continue
		}
		q, err := resource.ParseQuantity(text)
		if err != nil {
			return r, err
		}
		f.list[f.name] = q
	}
	return r, nil
}

func serviceEnv(data []byte) (any, error) {
	var services []*corev1.Service
	if err := json.Unmarshal(data, &services); err != nil {
		return nil, err
	}
	for _, s := range services {
		if s.Namespace == "" {
			s.Namespace = corev1.NamespaceDefault
		}
	}
	out := []string{}
	for _, e := range kube.ServiceEnv(services, corev1.NamespaceDefault, true) {
		out = append(out, e.Name+"="+e.Value)
	}
	slices.Sort(out)
	return out, nil
}
