package simulation

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lyandev/lyandev/services"
)

const (
	// profileA and profileB are the profiles of the drawn stacks.
	profileA, profileB = "a", "b"
	// scripted is the name of the operator.
	scripted = "scripted"
)

// drawStacks draws the stacks of a run: the first one, two changed versions of it, and one of another profile.
func drawStacks(r *rand.Rand) []*services.Stack {
	base := &services.Stack{Name: "s", Profile: profileA}
	for i := range 2 + r.IntN(5) {
		base.Workloads = append(base.Workloads, drawWorkload(r, i, base.Workloads))
	}
	for _, x := range base.Workloads {
		v := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: x.Name()}}
		v.Spec.Selector = map[string]string{"app": x.Name()}
		v.Spec.Ports = []corev1.ServicePort{{Port: 80}}
		base.Services = append(base.Services, v)
	}
	other := changed(r, base)
	other.Profile = profileB
	return []*services.Stack{base, changed(r, base), changed(r, base), other}
}

// drawWorkload draws a workload that may depend on those before it.
func drawWorkload(r *rand.Rand, i int, before []*services.Workload) *services.Workload {
	kind := []string{"Deployment", "Deployment", "StatefulSet", "StatefulSet", "Pod", "Job"}[r.IntN(6)]
	x := newWorkload(kind, fmt.Sprint("w", i), int32(1+r.IntN(3)))
	drawPod(r, kind, x.PodSpec())
	if kind == "StatefulSet" && r.IntN(2) == 0 {
		x.Operator = scripted
	}
	if sts, ok := x.Object.(*appsv1.StatefulSet); ok {
		if r.IntN(3) == 0 {
			sts.Spec.PodManagementPolicy = appsv1.ParallelPodManagement
		}
		if r.IntN(2) == 0 {
			sts.Spec.VolumeClaimTemplates = []corev1.PersistentVolumeClaim{claim("data")}
			c := &x.PodSpec().Containers[0]
			c.VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
		}
	}
	for _, other := range before {
		if r.IntN(3) != 0 {
			continue
		}
		condition := []services.Condition{services.Started, services.Healthy}[r.IntN(2)]
		if other.Kind() == "Job" {
			condition = services.Completed
		}
		x.DependsOn = append(x.DependsOn, services.Dependency{Workload: other.Name(), Condition: condition})
	}
	return x
}

func claim(name string) corev1.PersistentVolumeClaim {
	c := corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: name}}
	c.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	c.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}
	return c
}

// newWorkload is a workload of a kind with an empty pod.
func newWorkload(kind, name string, replicas int32) *services.Workload {
	meta := metav1.ObjectMeta{Name: name}
	labels := map[string]string{"app": name}
	selector := &metav1.LabelSelector{MatchLabels: labels}
	template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}}
	x := &services.Workload{Source: "seed"}
	switch kind {
	case "Deployment":
		x.Object = &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Replicas: &replicas, Selector: selector, Template: template}}
	case "StatefulSet":
		x.Object = &appsv1.StatefulSet{ObjectMeta: meta, Spec: appsv1.StatefulSetSpec{Replicas: &replicas, Selector: selector, Template: template, ServiceName: name}}
	case "Job":
		template.Spec.RestartPolicy = corev1.RestartPolicyOnFailure
		x.Object = &batchv1.Job{ObjectMeta: meta, Spec: batchv1.JobSpec{Template: template, BackoffLimit: new(int32(1000))}}
	default:
		meta.Labels = labels
		x.Object = &corev1.Pod{ObjectMeta: meta}
	}
	return x
}

// drawPod draws containers and probes.
func drawPod(r *rand.Rand, kind string, spec *corev1.PodSpec) {
	spec.TerminationGracePeriodSeconds = new(int64(1 + r.IntN(10)))
	for i := range 1 + r.IntN(5)/4 {
		spec.Containers = append(spec.Containers, corev1.Container{Name: fmt.Sprint("c", i), Image: "img:1", Command: []string{kind}})
	}
	if kind != "Job" && r.IntN(4) == 0 {
		spec.InitContainers = []corev1.Container{{Name: "init", Image: "img:1", Command: []string{"Job"}}}
	}
	if kind == "Job" {
		return
	}
	if r.IntN(3) > 0 {
		spec.Containers[0].ReadinessProbe = probeOf("ready", 1+r.IntN(5))
	}
	if r.IntN(3) == 0 {
		spec.Containers[0].LivenessProbe = probeOf("live", 2+r.IntN(5))
	}
}

func probeOf(what string, period int) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler:  corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{what}}},
		PeriodSeconds: int32(period), FailureThreshold: 3, TimeoutSeconds: 2,
	}
}

// changed is another version of a stack: other images, other numbers of pods, and perhaps a workload less.
func changed(r *rand.Rand, base *services.Stack) *services.Stack {
	s := base.DeepCopy()
	if n := len(s.Workloads); n > 2 && r.IntN(3) == 0 {
		i := r.IntN(n)
		s.Workloads = append(s.Workloads[:i], s.Workloads[i+1:]...)
	}
	for _, x := range s.Workloads {
		if r.IntN(3) == 0 && x.Kind() != "Job" {
			x.PodSpec().Containers[0].Image = "img:2"
		}
		if r.IntN(3) == 0 {
			x.SetReplicas(int32(1 + r.IntN(3)))
		}
	}
	return s
}

// staticBinary is the smallest file that is a static Linux binary by its header.
func staticBinary() []byte {
	var b bytes.Buffer
	b.Write([]byte{0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	for _, v := range []any{
		uint16(2), uint16(62), uint32(1), uint64(0), uint64(0), uint64(0), uint32(0),
		uint16(64), uint16(56), uint16(0), uint16(64), uint16(0), uint16(0),
	} {
		_ = binary.Write(&b, binary.LittleEndian, v)
	}
	return b.Bytes()
}

func portText(port uint16) string { return strconv.Itoa(int(port)) }
