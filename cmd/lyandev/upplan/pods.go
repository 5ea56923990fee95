package upplan

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/podchange"
)

// pods says what happens to each pod of a workload, given what happens to the workload.
func (l *Look) pods(w *services.Workload, action Action) []Pod {
	have := l.podsOf(w)
	switch action {
	case Remove:
		return each(have, Remove)
	case Create:
		have = nil // those of another kind of the same name
	}
	stays := Keep
	if action == Recreate {
		stays = l.replaced(w)
	}
	comes := action != Keep && action != Change || l.Adopted || slices.Contains(l.Again, w.Name())
	if w.Kind() == "CronJob" || w.Kind() == "Job" {
		return l.jobPods(w, have, action, stays, comes)
	}
	names := fixedNames(w)
	if names == nil {
		return countedPods(w, have, stays, comes)
	}
	var out []Pod
	for i, name := range names {
		j := slices.IndexFunc(have, func(p *corev1.Pod) bool { return p.Name == name })
		shown := services.ShownName(w.DisplayName(), w.Name(), name)
		switch {
		case j < 0 && comes:
			out = append(out, Pod{shown, Create})
		case j < 0:
		case stays == Recreate && i < partition(w):
			out = append(out, Pod{shown, Keep})
		case stays == Keep && comes && hasStopped(have[j]) && (l.Adopted || slices.Contains(l.Again, w.Name())):
			out = append(out, Pod{shown, Start})
		default:
			out = append(out, Pod{shown, stays})
		}
	}
	gone := slices.DeleteFunc(have, func(p *corev1.Pod) bool { return slices.Contains(names, p.Name) })
	return append(out, each(gone, Remove)...)
}

// hasStopped reports whether the containers of a plain pod have been stopped or have failed.
func hasStopped(p *corev1.Pod) bool {
	return services.PlainPod(p) && (p.Status.Phase == corev1.PodFailed || p.Status.Reason == services.ReasonStopped)
}

// podsOf are a workload's pods that are not being removed, sorted by number or name.
func (l *Look) podsOf(w *services.Workload) []*corev1.Pod {
	var out []*corev1.Pod
	for _, p := range l.Pods {
		if p.Labels[services.WorkloadLabel] == w.Name() && p.DeletionTimestamp == nil {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b *corev1.Pod) int {
		return cmp.Or(cmp.Compare(len(a.Name), len(b.Name)), cmp.Compare(a.Name, b.Name))
	})
	return out
}

func each(pods []*corev1.Pod, action Action) []Pod {
	var out []Pod
	for _, p := range pods {
		out = append(out, Pod{services.ShownPod(p), action})
	}
	return out
}

// replaced is what happens to the pods of a workload whose template has changed.
func (l *Look) replaced(w *services.Workload) Action {
	old := orEmpty(l.Before).Workload(w.Name())
	switch {
	case w.Kind() == "Pod" && old != nil && podchange.InPlace(podchange.Of(w), podchange.Of(old)):
		return Change
	case w.Kind() == "ReplicaSet" || w.Kind() == "CronJob" || !rolls(w):
		return Keep
	}
	return Recreate
}

// fixedNames are the names of the pods of a workload, nil if their names are chosen when they are made.
func fixedNames(w *services.Workload) []string {
	out := []string{}
	switch o := w.Object.(type) {
	case *services.ComposeService:
		for n := range w.Replicas() {
			out = append(out, fmt.Sprintf("%s-%d", w.Name(), n+1))
		}
	case *appsv1.StatefulSet:
		first := int32(0)
		if o.Spec.Ordinals != nil {
			first = o.Spec.Ordinals.Start
		}
		for n := range w.Replicas() {
			out = append(out, fmt.Sprintf("%s-%d", w.Name(), first+n))
		}
	case *corev1.Pod:
		return []string{w.Name()}
	default:
		return nil
	}
	return out
}

// partition is the number of pods of a StatefulSet that keep an older template, those with the lowest numbers.
func partition(w *services.Workload) int {
	s, ok := w.Object.(*appsv1.StatefulSet)
	if !ok || s.Spec.UpdateStrategy.RollingUpdate == nil || s.Spec.UpdateStrategy.RollingUpdate.Partition == nil {
		return 0
	}
	first := int32(0)
	if s.Spec.Ordinals != nil {
		first = s.Spec.Ordinals.Start
	}
	return int(*s.Spec.UpdateStrategy.RollingUpdate.Partition - first)
}

// countedPods is what happens to pods without fixed names. Of pods that are too many the newest go first, as their controller prefers
// among ready ones.
func countedPods(w *services.Workload, have []*corev1.Pod, stays Action, comes bool) []Pod {
	want := int(w.Replicas())
	if w.Kind() == "DaemonSet" {
		want = 1 // one node
	}
	live := slices.DeleteFunc(slices.Clone(have), func(p *corev1.Pod) bool {
		return p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded
	})
	slices.SortStableFunc(live, func(a, b *corev1.Pod) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	n := min(want, len(live))
	out := append(each(live[:n], stays), each(live[n:], Remove)...)
	for range want - len(live) {
		if comes {
			out = append(out, Pod{w.Name() + "-*", Create})
		}
	}
	return out
}

// jobPods is what happens to the pods of a Job or CronJob.
func (l *Look) jobPods(w *services.Workload, have []*corev1.Pod, action, stays Action, comes bool) []Pod {
	switch {
	case w.Kind() == "CronJob" || len(have) > 0:
		return each(have, stays)
	case comes && (action != Keep || slices.Contains(l.Again, w.Name())):
		return []Pod{{w.Name() + "-*", Create}}
	}
	return nil
}

// Number is the count of pods with an action.
func (s Service) Number(a Action) (n int) {
	for _, p := range s.Pods {
		if p.Action == a {
			n++
		}
	}
	return n
}

// PodText says what happens to the pods: "recreate web-1, web-2; create web-3". Pods that are kept are left out.
func (s Service) PodText() string {
	var parts []string
	for _, a := range []Action{Recreate, Change, Start, Create, Remove} {
		var names []string
		for _, p := range s.Pods {
			if p.Action == a {
				names = append(names, p.Name)
			}
		}
		switch same := slices.Compact(slices.Clone(names)); {
		case len(names) == 0:
		case len(same) == 1 && len(names) > 1:
			parts = append(parts, string(a)+" "+strconv.Itoa(len(names))+" of "+same[0])
		default:
			parts = append(parts, string(a)+" "+strings.Join(names, ", "))
		}
	}
	return strings.Join(parts, "; ")
}
