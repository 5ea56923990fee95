package supervisor

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/uuid"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/kube"
	"github.com/lyandev/lyandev/supervisor/bootstrap"
	"github.com/lyandev/lyandev/supervisor/pod/dockerpod"
)

// uidSpace is the name space of the UIDs of workloads: they are the same after a restart of the supervisor, so that pods
// are still owned by them.
var uidSpace = uuid.MustParse("6ba7b811-9dad-11d1-80b4-00c04fd430c8")

// prepare makes a loaded stack ready for the controllers: namespaces, UIDs, defaults, the label that says which workload
// a pod belongs to, the gate that operators hold, and the images that were built.
func prepare(stack *services.Stack, project string, images map[string]string) (*services.Stack, error) {
	stack = stack.DeepCopy()
	for _, x := range stack.Workloads {
		m := x.Meta()
		m.Namespace = services.Namespace
		m.UID = types.UID(uuid.NewSHA1(uidSpace, []byte(project+"/"+x.Kind()+"/"+m.Name)).String())
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
		v.Namespace = services.Namespace
		kube.Default(v)
	}
	for _, m := range stack.ConfigMaps {
		m.Namespace = services.Namespace
	}
	for _, m := range stack.Secrets {
		m.Namespace = services.Namespace
	}
	return canonical(stack)
}

// canonical is the stack as it is read back from its JSON. Template hashes look at every field, and a quantity or an empty
// list that was read is not quite what it was before it was written: a supervisor that reads its saved stack must come to
// the same hashes as the one that saved it.
func canonical(stack *services.Stack) (*services.Stack, error) {
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
		annotate(x, dockerpod.BindAnnotation, strings.Join(names, ","))
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

// imageAnnotation keeps the reference of a container whose image is pinned to the ID of what was built.
const imageAnnotation = "dev.lyandev.image/"

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
			annotate(x, imageAnnotation+c.Name, c.Image)
			c.Image, c.ImagePullPolicy = id, corev1.PullIfNotPresent
		}
	}
}

// sameWorkload says that two versions of a workload are the same to the controllers.
func sameWorkload(a, b *services.Workload) bool {
	return equality.Semantic.DeepEqual(withoutStatus(a.Object), withoutStatus(b.Object))
}

func withoutStatus(o runtime.Object) runtime.Object {
	o = o.DeepCopyObject()
	switch o := o.(type) {
	case *appsv1.Deployment:
		o.Status, o.Annotations = appsv1.DeploymentStatus{}, nil
	case *appsv1.StatefulSet:
		o.Status = appsv1.StatefulSetStatus{}
	case *appsv1.DaemonSet:
		o.Status, o.Annotations = appsv1.DaemonSetStatus{}, nil
	case *appsv1.ReplicaSet:
		o.Status = appsv1.ReplicaSetStatus{}
	case *batchv1.Job:
		o.Status = batchv1.JobStatus{}
	case *batchv1.CronJob:
		o.Status = batchv1.CronJobStatus{}
	case *corev1.Pod:
		o.Status = corev1.PodStatus{}
	}
	if m, ok := o.(metav1.Object); ok {
		m.SetGeneration(0)
		m.SetCreationTimestamp(metav1.Time{})
	}
	return o
}

// carryStatus is the new version with the old one's status, age and annotations of the controllers. Generation grows.
func carryStatus(old, next *services.Workload) *services.Workload {
	next = next.DeepCopy()
	m := next.Meta()
	if old == nil || old.Kind() != next.Kind() {
		m.CreationTimestamp, m.Generation = metav1.Now(), 1
		return next
	}
	was := old.Meta()
	m.CreationTimestamp, m.Generation = was.CreationTimestamp, was.Generation+1
	switch o := next.Object.(type) {
	case *appsv1.Deployment:
		o.Status, o.Annotations = old.Object.(*appsv1.Deployment).Status, was.Annotations
	case *appsv1.StatefulSet:
		o.Status = old.Object.(*appsv1.StatefulSet).Status
	case *appsv1.DaemonSet:
		o.Status, o.Annotations = old.Object.(*appsv1.DaemonSet).Status, was.Annotations
	case *appsv1.ReplicaSet:
		o.Status = old.Object.(*appsv1.ReplicaSet).Status
	case *batchv1.Job:
		o.Status = old.Object.(*batchv1.Job).Status
	case *batchv1.CronJob:
		o.Status = old.Object.(*batchv1.CronJob).Status
	}
	return next
}
