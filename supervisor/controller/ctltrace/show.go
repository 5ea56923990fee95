package main

import (
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services/kube"
	"github.com/lyandev/lyandev/supervisor/controller"
)

// show logs what has come of an instant, as the recorder does: the sizes of ReplicaSets, events by their text (each text once
// in a run), what was deleted, conditions, statuses and endpoints. What changed twice within the instant is shown once.
func (r *run) show() {
	for _, rs := range all[*appsv1.ReplicaSet](r.store) {
		r.showNew("scale", "ReplicaSet/"+rs.Name, fmt.Sprintf("ReplicaSet/%s image=%s spec.replicas=%d",
			rs.Name, rs.Spec.Template.Spec.Containers[0].Image, *rs.Spec.Replicas))
	}
	slices.Sort(r.told)
	for _, text := range r.told {
		r.showNew("event", text, text)
	}
	for _, text := range r.deleted {
		r.log("delete", "%s", text)
	}
	r.told, r.deleted = nil, nil
	for _, o := range all[kube.Object](r.store) {
		key := r.store.key(o)
		for _, c := range conditionsOf(o) {
			kind, _, _ := strings.Cut(c, "=")
			r.showNew("condition", key+" "+kind, key+" "+c)
		}
	}
	for _, o := range all[kube.Object](r.store) {
		r.sawStatus(o)
		if key := r.store.key(o); r.changed[key] {
			r.log("status", "%s %s", key, r.status[key])
		}
	}
	clear(r.changed)
	r.showEndpoints()
}

// sawStatus notes that a workload's status changed, if it did: it is shown even if it has changed back when the instant is over.
func (r *run) sawStatus(o kube.Object) {
	key, text := r.store.key(o), statusOf(o)
	if r.status[key] != text {
		r.status[key], r.changed[key] = text, true
	}
}

// showNew logs a text about something unless it was the last one about it.
func (r *run) showNew(kind, about, text string) {
	if key := kind + " " + about; r.shown[key] != text {
		r.shown[key] = text
		r.log(kind, "%s", text)
	}
}

// statusOf is what a trace shows of a workload's status, "" for other objects.
func statusOf(o kube.Object) string {
	switch o := o.(type) {
	case *appsv1.Deployment:
		s := &o.Status
		return fmt.Sprintf("replicas=%d updated=%d ready=%d available=%d unavailable=%d",
			s.Replicas, s.UpdatedReplicas, s.ReadyReplicas, s.AvailableReplicas, s.UnavailableReplicas)
	case *appsv1.StatefulSet:
		s, revisions := &o.Status, "same"
		if s.CurrentRevision != s.UpdateRevision {
			revisions = "differ"
		}
		return fmt.Sprintf("replicas=%d ready=%d available=%d current=%d updated=%d revisions=%s",
			s.Replicas, s.ReadyReplicas, s.AvailableReplicas, s.CurrentReplicas, s.UpdatedReplicas, revisions)
	case *appsv1.DaemonSet:
		s := &o.Status
		return fmt.Sprintf("desired=%d current=%d updated=%d ready=%d available=%d unavailable=%d",
			s.DesiredNumberScheduled, s.CurrentNumberScheduled, s.UpdatedNumberScheduled, s.NumberReady, s.NumberAvailable, s.NumberUnavailable)
	case *batchv1.Job:
		s := &o.Status
		var ready int32
		if s.Ready != nil {
			ready = *s.Ready
		}
		return fmt.Sprintf("active=%d ready=%d succeeded=%d failed=%d", s.Active, ready, s.Succeeded, s.Failed)
	case *batchv1.CronJob:
		var active []string
		for _, ref := range o.Status.Active {
			active = append(active, ref.Name)
		}
		last := ""
		if t := o.Status.LastScheduleTime; t != nil {
			last = t.UTC().Format("15:04:05")
		}
		return fmt.Sprintf("active=%v lastScheduleTime=%s", active, last)
	}
	return ""
}

// conditionsOf are a workload's conditions as a trace shows them: "Type=Status(Reason) message".
func conditionsOf(o kube.Object) []string {
	var out []string
	switch o := o.(type) {
	case *appsv1.Deployment:
		for _, c := range o.Status.Conditions {
			out = append(out, fmt.Sprintf("%s=%s(%s) %s", c.Type, c.Status, c.Reason, c.Message))
		}
	case *batchv1.Job:
		for _, c := range o.Status.Conditions {
			out = append(out, fmt.Sprintf("%s=%s(%s) %s", c.Type, c.Status, c.Reason, c.Message))
		}
	}
	return out
}

// showEndpoints logs the endpoints of Services that changed.
func (r *run) showEndpoints() {
	for _, svc := range all[*corev1.Service](r.store) {
		var parts []string
		for _, e := range controller.Endpoints(svc, all[*corev1.Pod](r.store)) {
			host := ""
			if e.Hostname != "" {
				host = " hostname=" + e.Hostname
			}
			parts = append(parts, fmt.Sprintf("%s(%s ready=%t serving=%t terminating=%t%s)", e.Pod, e.IP, e.Ready, e.Serving, e.Terminating, host))
		}
		key := "endpoints " + svc.Name
		if _, known := r.shown[key]; !known && len(parts) == 0 {
			r.shown[key] = svc.Name + " "
		}
		r.showNew("endpoints", svc.Name, svc.Name+" "+strings.Join(parts, " "))
	}
}
