// Package prepare makes a loaded stack ready for the controllers: namespaces, UIDs, defaults, labels, readiness gates and the IDs of
// built images. It makes no system calls.
package prepare

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/kube"
	"github.com/lyandev/lyandev/supervisor/bootstrap"
	"github.com/lyandev/lyandev/supervisor/pod"
)

// uidSpace is the name space of the UIDs of workloads: they are the same after a restart of the supervisor, so that pods
// are still owned by them.
var uidSpace = uuid.MustParse("6ba7b811-9dad-11d1-80b4-00c04fd430c8")

// Stack makes a loaded stack ready for the controllers: namespaces, UIDs, defaults, the label that says which workload
// a pod belongs to, the gate that operators hold, and the images that were built.
func Stack(stack *services.Stack, project string, images map[string]string) (*services.Stack, error) {
	stack = stack.DeepCopy()
	namespace := cmp.Or(stack.Namespace, metav1.NamespaceDefault)
	for _, x := range stack.Workloads {
		m := x.Meta()
		m.Namespace = cmp.Or(m.Namespace, namespace)
		m.UID = uidOf(project, x)
		if t := x.PodMeta(); t.Labels == nil {
			t.Labels = map[string]string{}
		}
		x.PodMeta().Labels[services.WorkloadLabel] = x.Name()
		if x.Operator != "" {
			gate(x.PodSpec(), services.RightGate)
		}
		if len(x.Bootstrap) > 0 {
			gate(x.PodSpec(), bootstrap.Gate)
		}
		bindHostPaths(x)
		pinImages(x, images)
		kube.Default(x.Object)
	}
	for _, v := range stack.Services {
		v.Namespace = cmp.Or(v.Namespace, namespace)
		kube.Default(v)
	}
	for _, m := range stack.ConfigMaps {
		m.Namespace = cmp.Or(m.Namespace, namespace)
	}
	for _, m := range stack.Secrets {
		m.Namespace = cmp.Or(m.Namespace, namespace)
	}
	for _, i := range stack.Ingresses {
		i.Namespace = cmp.Or(i.Namespace, namespace)
	}
	return Canonical(stack)
}

// uidOf is the UID of a workload: the same for the same project, kind, namespace and name.
func uidOf(project string, x *services.Workload) types.UID {
	name := x.Name()
	if ns := x.Meta().Namespace; ns != metav1.NamespaceDefault {
		name = ns + "/" + name
	}
	return types.UID(uuid.NewSHA1(uidSpace, []byte(project+"/"+x.Kind()+"/"+name)).String())
}

// Canonical is the stack as it is read back from its JSON. Template hashes look at every field, and a quantity or an empty
// list that was read is not quite what it was before it was written: a supervisor that reads its saved stack must come to
// the same hashes as the one that saved it.
func Canonical(stack *services.Stack) (*services.Stack, error) {
	b, err := json.Marshal(stack)
	if err != nil {
		return nil, fmt.Errorf("cannot write the stack: %w", err)
	}
	out := new(services.Stack)
	if err := json.Unmarshal(b, out); err != nil {
		return nil, fmt.Errorf("cannot read the stack: %w", err)
	}
	return out, nil
}

// bindHostPaths says of the host paths that a Compose file names that they are the developer's own directories.
func bindHostPaths(x *services.Workload) {
	var names []string
	for _, v := range x.PodSpec().Volumes {
		if v.HostPath != nil {
			names = append(names, v.Name)
		}
	}
	if len(names) > 0 {
		Annotate(x, pod.BindAnnotation, strings.Join(names, ","))
	}
}

func gate(spec *corev1.PodSpec, t corev1.PodConditionType) {
	for _, g := range spec.ReadinessGates {
		if g.ConditionType == t {
			return
		}
	}
	spec.ReadinessGates = append(spec.ReadinessGates, corev1.PodReadinessGate{ConditionType: t})
}

// pinImages puts the IDs of built images in the place of their references: a build that changed something changes the
// template, and a pod that restarts later gets the image it was made with.
func pinImages(x *services.Workload, images map[string]string) {
	spec := x.PodSpec()
	for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			c := &list[i]
			id, ok := images[c.Image]
			if !ok {
				continue
			}
			Annotate(x, services.ImageAnnotation+c.Name, c.Image)
			c.Image, c.ImagePullPolicy = id, corev1.PullIfNotPresent
		}
	}
}

// Annotate sets an annotation of a workload's pod template.
func Annotate(x *services.Workload, key, value string) {
	m := x.PodMeta()
	if m.Annotations == nil {
		m.Annotations = map[string]string{}
	}
	m.Annotations[key] = value
}

// Pin puts the ID of a newly built image into the containers that were pinned to an older one of the same reference.
func Pin(x *services.Workload, ref, id string) (changed bool) {
	spec := x.PodSpec()
	for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			if c := &list[i]; x.PodMeta().Annotations[services.ImageAnnotation+c.Name] == ref && c.Image != id {
				c.Image, changed = id, true
			}
		}
	}
	return changed
}

// Images are the IDs of built images as a prepared stack has them, by reference.
func Images(s *services.Stack) map[string]string {
	out := map[string]string{}
	for _, x := range s.Workloads {
		annotations := x.PodMeta().Annotations
		spec := x.PodSpec()
		for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
			if ref := annotations[services.ImageAnnotation+c.Name]; ref != "" {
				out[ref] = c.Image
			}
		}
	}
	return out
}
