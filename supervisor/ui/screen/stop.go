package screen

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
)

// stopItems are the lines of the workloads that have not stopped, and one line for those that have.
func (v *View) stopItems() (items []item, folded string) {
	var stopped []string
	for _, w := range v.Status.Workloads {
		if pods := toStop(v.Status.PodsOf(w.Name)); len(pods) > 0 {
			items = append(items, item{mark: v.busy(), name: w.Shown(), text: podsToGo(pods), rank: rankBusy})
		} else {
			stopped = append(stopped, w.Shown())
		}
	}
	column := v.nameColumn(items)
	for i := range items {
		items[i].line = v.row(items[i], column)
	}
	return items, v.fold([]group{{"stopped", stopped}})
}

// toStop are the pods that are being removed, or run: the containers of others that have ended may be kept.
func toStop(pods []*corev1.Pod) (out []*corev1.Pod) {
	for _, p := range pods {
		if p.DeletionTimestamp != nil || p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed {
			out = append(out, p)
		}
	}
	return out
}

// podsToGo describes the pods that are still to be removed.
func podsToGo(pods []*corev1.Pod) string {
	for _, p := range pods {
		if p.DeletionTimestamp != nil {
			return fmt.Sprintf("%d to go, %s is being stopped%s", len(pods), services.ShownPod(p), graceOf(p))
		}
	}
	return fmt.Sprintf("%d to go", len(pods))
}
