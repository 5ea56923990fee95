package controller

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
)

// composeState is one look at one ComposeService.
type composeState struct {
	*look
	service *services.ComposeService
	owner   owner
	hash    string
	// updated are the pods made from the present template, by number; outdated those of older ones; ending those being deleted.
	updated, outdated, ending []*corev1.Pod
}

func ownerOfComposeService(s *services.ComposeService) owner {
	return owner{services.ComposeServiceKind.GroupVersion().String(), services.ComposeServiceKind.Kind, &s.ObjectMeta}
}

// composeService keeps the pods SERVICE-1 to SERVICE-N. A pod whose container has ended stays: Docker restarts it as its restart
// policy says, and nobody else does. Pods of an older template are stopped before new ones are made, all of a service at once,
// as Docker Compose does; with StartFirst new ones take free numbers and the old ones go when all new ones are ready.
func (l *look) composeService(s *services.ComposeService) {
	st := &composeState{look: l, service: s, owner: ownerOfComposeService(s), hash: l.Cache.templateHash(&s.Spec.Template, nil)}
	pods := l.podsOf(st.owner)
	for _, p := range pods {
		switch {
		case p.DeletionTimestamp != nil:
			st.ending = append(st.ending, p)
		case p.Labels[appsv1.DefaultDeploymentUniqueLabelKey] == st.hash:
			st.updated = append(st.updated, p)
		default:
			st.outdated = append(st.outdated, p)
		}
	}
	slices.SortFunc(st.updated, func(a, b *corev1.Pod) int { return cmp.Compare(containerNumber(a), containerNumber(b)) })
	if s.DeletionTimestamp == nil {
		st.scale(int(deref(s.Spec.Replicas, 1)))
	}
	st.status(pods)
}

// containerNumber is the number of a pod in its service, 0 if it has none.
func containerNumber(p *corev1.Pod) int {
	n, err := strconv.Atoi(p.Labels[services.NumberLabel])
	if err != nil {
		return 0
	}
	return n
}

func (st *composeState) scale(want int) {
	for len(st.updated) > want {
		last := st.updated[len(st.updated)-1]
		st.updated = st.updated[:len(st.updated)-1]
		st.delete(last, fmt.Sprintf("%s wants %d containers", st.owner.text(), want))
	}
	if !st.service.Spec.StartFirst {
		for _, p := range st.outdated {
			st.delete(p, st.owner.text()+" has changed")
		}
	}
	st.fill(want)
	if !st.service.Spec.StartFirst {
		return
	}
	serving := 0
	for _, p := range st.updated {
		if ready(p) {
			serving++
		}
	}
	if serving >= want {
		for _, p := range st.outdated {
			st.delete(p, st.owner.text()+" has changed, and the new containers are ready")
		}
	}
}

// fill makes the missing pods. Without StartFirst the lowest numbers are used, and one that an old pod still has is waited for.
func (st *composeState) fill(want int) {
	taken := map[int]bool{}
	for _, list := range [][]*corev1.Pod{st.updated, st.outdated, st.ending} {
		for _, p := range list {
			taken[containerNumber(p)] = true
		}
	}
	ours := map[int]bool{}
	for _, p := range st.updated {
		ours[containerNumber(p)] = true
	}
	for n, missing := 1, want-len(st.updated); missing > 0; n++ {
		switch {
		case ours[n]:
		case !taken[n]:
			st.create(n)
			missing--
		case !st.service.Spec.StartFirst:
			missing-- // made when the old one is gone
		}
	}
}

func (st *composeState) create(n int) {
	p := podFromTemplate(st.owner, &st.service.Spec.Template, st.now)
	p.GenerateName = ""
	p.Name = fmt.Sprintf("%s-%d", st.service.Name, n)
	label(p, services.NumberLabel, strconv.Itoa(n))
	p.Annotations = withLabel(p.Annotations, services.ServiceAnnotation, st.service.Spec.ServiceName)
	label(p, appsv1.DefaultDeploymentUniqueLabelKey, st.hash)
	st.add(CreatePod{p, Why(fmt.Sprintf("%s wants container %d", st.owner.text(), n))})
	st.updated = append(st.updated, p)
}

func (st *composeState) delete(p *corev1.Pod, why string) { st.add(DeletePod{p, Why(why)}) }

func (st *composeState) status(pods []*corev1.Pod) {
	var s services.ComposeServiceStatus
	for _, p := range pods {
		if p.DeletionTimestamp != nil {
			continue
		}
		s.Replicas++
		if ready(p) {
			s.ReadyReplicas++
		}
		if p.Labels[appsv1.DefaultDeploymentUniqueLabelKey] == st.hash {
			s.UpdatedReplicas++
		}
	}
	if s == st.service.Status {
		return
	}
	changed := st.service.DeepCopy()
	changed.Status = s
	st.add(UpdateStatus{
		Object: changed, Kind: services.ComposeServiceKind.Kind, Name: st.service.Name, Why: "its pods changed",
		Text: fmt.Sprintf("replicas=%d ready=%d updated=%d", s.Replicas, s.ReadyReplicas, s.UpdatedReplicas),
	})
}
