package controller

import (
	"fmt"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// pod is the pod of an ordinal, from the old template below the partition and from the new one otherwise (R175), with its
// identity: name, labels, hostname, subdomain, and its claims as volumes (R177).
func (st *statefulState) pod(n int) *corev1.Pod {
	revision := st.history.update
	if n < st.start+st.keptOld() {
		revision = st.history.current
	}
	t := &st.set.Spec.Template
	if revision != st.history.update {
		t = templateOf(revision, t)
	}
	p := podFromTemplate(st.owner, t, st.now)
	p.GenerateName = ""
	p.Name = fmt.Sprintf("%s-%d", st.set.Name, n)
	label(p, appsv1.StatefulSetPodNameLabel, p.Name)
	label(p, appsv1.PodIndexLabel, strconv.Itoa(n))
	label(p, appsv1.ControllerRevisionHashLabelKey, revision.Name)
	p.Spec.Hostname, p.Spec.Subdomain = p.Name, st.set.Spec.ServiceName
	p.Spec.Volumes = ClaimVolumes(st.set, p)
	return p
}

// keptOld is how many of the lowest ordinals come back in the old version (R175): those below the partition; without a
// rollingUpdate at all, as many as are still of the old version.
func (st *statefulState) keptOld() int {
	u := st.set.Spec.UpdateStrategy
	switch {
	case u.Type == appsv1.OnDeleteStatefulSetStrategyType:
		return 0
	case u.RollingUpdate == nil:
		return int(st.set.Status.CurrentReplicas)
	}
	return st.partition()
}

// ClaimName is the name of the PersistentVolumeClaim of a pod and a claim template.
func ClaimName(template, pod string) string { return template + "-" + pod }

// ClaimVolumes are the pod's volumes with one for each claim template, which replaces a volume of the same name.
func ClaimVolumes(set *appsv1.StatefulSet, p *corev1.Pod) []corev1.Volume {
	var out []corev1.Volume
	claims := map[string]bool{}
	for _, c := range set.Spec.VolumeClaimTemplates {
		claims[c.Name] = true
		out = append(out, corev1.Volume{Name: c.Name, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: ClaimName(c.Name, p.Name)},
		}})
	}
	for _, v := range p.Spec.Volumes {
		if !claims[v.Name] {
			out = append(out, v)
		}
	}
	return out
}

// FirstPod is the name of the pod with the lowest ordinal.
func FirstPod(set *appsv1.StatefulSet) string {
	start := int32(0)
	if o := set.Spec.Ordinals; o != nil {
		start = o.Start
	}
	return fmt.Sprintf("%s-%d", set.Name, start)
}
