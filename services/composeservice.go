package services

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// ComposeServiceKind is the kind of ComposeService objects.
var ComposeServiceKind = schema.GroupVersionKind{Group: "compose.lyandev.dev", Version: "v1", Kind: "ComposeService"}

// ComposeService is a service of a Compose file without Kubernetes' semantics ("plain"): containers that Docker itself restarts
// and whose health Docker checks. Each of its pods has one container; the pod template's annotation compose.Annotation says what
// Docker is asked for.
type ComposeService struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              ComposeServiceSpec   `json:"spec,omitempty"`
	Status            ComposeServiceStatus `json:"status,omitempty"`
}

// ComposeServiceSpec is what the file asks for.
type ComposeServiceSpec struct {
	// ServiceName is the service's name as the file has it; the object's name is a DNS-safe form of it.
	ServiceName string `json:"serviceName"`
	// Replicas is the number of containers; nil is 1.
	Replicas *int32 `json:"replicas,omitempty"`
	// StartFirst starts the containers of a changed template before the old ones are stopped (update_config.order:
	// start-first). Default: the old ones are stopped first, so that two never use one volume.
	StartFirst bool                   `json:"startFirst,omitempty"`
	Template   corev1.PodTemplateSpec `json:"template"`
}

// ComposeServiceStatus counts the pods.
type ComposeServiceStatus struct {
	Replicas, ReadyReplicas, UpdatedReplicas int32
}

// DeepCopyObject implements runtime.Object.
func (s *ComposeService) DeepCopyObject() runtime.Object { return s.DeepCopy() }

// DeepCopy returns an independent copy.
func (s *ComposeService) DeepCopy() *ComposeService {
	out := *s
	s.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	s.Spec.Template.DeepCopyInto(&out.Spec.Template)
	if s.Spec.Replicas != nil {
		out.Spec.Replicas = new(*s.Spec.Replicas)
	}
	return &out
}

// CheckReplicas returns an error if a workload cannot have a number of containers, because container_name names its only one.
func (w *Workload) CheckReplicas(n int) error {
	if w.FixedName == "" || n <= 1 {
		return nil
	}
	return fmt.Errorf("%s: container_name is the name of one container; remove it to run several", w.FixedName)
}

// Plain reports whether the workload is a Compose service without Kubernetes' semantics.
func (w *Workload) Plain() bool {
	_, plain := w.Object.(*ComposeService)
	return plain
}

// Semantics is "compose" for a plain service and "kubernetes" for every other workload.
func (w *Workload) Semantics() string {
	if w.Plain() {
		return "compose"
	}
	return "kubernetes"
}

// DisplayName is the name that people see: the service's name as the file has it, else the workload's.
func (w *Workload) DisplayName() string {
	if s, plain := w.Object.(*ComposeService); plain && s.Spec.ServiceName != "" {
		return s.Spec.ServiceName
	}
	return w.Name()
}

// Find returns the workload with a name as the file has it, or else with an internal name; nil if there is none.
func (s *Stack) Find(name string) *Workload {
	if i := slices.IndexFunc(s.Workloads, func(w *Workload) bool { return w.DisplayName() == name }); i >= 0 {
		return s.Workloads[i]
	}
	return s.Workload(name)
}
