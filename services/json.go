package services

import (
	"encoding/json"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// newObject returns an empty object of a workload kind, nil for other kinds.
func newObject(kind string) runtime.Object {
	switch kind {
	case "Deployment":
		return &appsv1.Deployment{}
	case "StatefulSet":
		return &appsv1.StatefulSet{}
	case "DaemonSet":
		return &appsv1.DaemonSet{}
	case "ReplicaSet":
		return &appsv1.ReplicaSet{}
	case "Pod":
		return &corev1.Pod{}
	case "Job":
		return &batchv1.Job{}
	case "CronJob":
		return &batchv1.CronJob{}
	case ComposeServiceKind.Kind:
		return &ComposeService{}
	}
	return nil
}

// plainWorkload has Workload's fields without its methods.
type plainWorkload Workload

// MarshalJSON encodes the workload with its kind next to the object, so that it can be decoded.
func (w *Workload) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Kind string `json:"kind"`
		*plainWorkload
	}{w.Kind(), (*plainWorkload)(w)})
}

// UnmarshalJSON decodes the output of MarshalJSON.
func (w *Workload) UnmarshalJSON(b []byte) error {
	var head struct {
		Kind   string          `json:"kind"`
		Object json.RawMessage `json:"object"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return fmt.Errorf("cannot decode workload: %w", err)
	}
	o := newObject(head.Kind)
	if o == nil {
		return fmt.Errorf("cannot decode workload: unknown kind %q", head.Kind)
	}
	if err := json.Unmarshal(head.Object, o); err != nil {
		return fmt.Errorf("cannot decode %s: %w", head.Kind, err)
	}
	p := (*plainWorkload)(w)
	p.Object = o // decode into the concrete type that the interface holds
	if err := json.Unmarshal(b, p); err != nil {
		return fmt.Errorf("cannot decode workload: %w", err)
	}
	return nil
}
