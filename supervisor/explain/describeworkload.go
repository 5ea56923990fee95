package explain

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// WorkloadDescription is the JSON form of `describe SERVICE`. Secrets are masked.
type WorkloadDescription struct {
	Workload *services.Workload `json:"workload"`
	State    state.Workload     `json:"state"`
	// Operator is the verdict of the workload's operator, nil if it has none.
	Operator *services.Verdict `json:"operator,omitempty"`
	Pods     []PodLine         `json:"pods"`
	Events   []state.Event     `json:"events"`
}

// PodLine is one row of the pod table.
type PodLine struct {
	Name     string `json:"name"`
	Ready    string `json:"ready"`
	Status   string `json:"status"`
	Restarts int32  `json:"restarts"`
	Role     string `json:"role,omitempty"`
	Age      string `json:"age"`
}

// Workload describes w, which must be the supervisor's copy with the status filled in.
func Workload(f Facts, w *services.Workload) WorkloadDescription {
	w = w.DeepCopy()
	m := Masker(f.Snapshot)
	maskSpec(m, w.PodSpec())
	d := WorkloadDescription{Workload: w, Events: f.events(w.Kind(), w.Name()), Pods: []PodLine{}}
	d.State, _ = f.Snapshot.Workload(w.Name())
	if v, ok := f.Snapshot.Operators[w.Operator]; ok {
		d.Operator = &v
	}
	for _, p := range f.Snapshot.PodsOf(w.Name()) {
		d.Pods = append(d.Pods, PodLine{
			Name: p.Name, Ready: ui.ReadyContainers(p), Status: ui.PodStatus(p), Restarts: ui.Restarts(p),
			Role: p.Labels[services.RoleLabel], Age: f.ago(p.CreationTimestamp.Time),
		})
	}
	return d
}

// Text renders the description in the layout of `kubectl describe`.
func (d WorkloadDescription) Text(f Facts) string {
	w, out := d.Workload, newPage()
	out.row(0, "Name", w.Name())
	out.row(0, "Kind", w.Kind())
	out.row(0, "Declared At", orNone(w.Source))
	out.row(0, "Labels", labelLines(w.Meta().Labels))
	if a := w.Meta().Annotations; len(a) > 0 {
		out.row(0, "Annotations", labelLines(a))
	}
	out.rowf(0, "Pods", "%d desired, %d total, %d ready, %d updated", d.State.Want, d.State.Have, d.State.Ready, d.State.Updated)
	out.row(0, "Right", title(d.State.Right))
	if r := d.State.Runs; r != nil {
		out.row(0, "Runs", ui.Runs(*r, f.Now))
	}
	if h := d.State.Hold; h != nil {
		out.rowf(0, "Held", "%s (%s, for %s)", h.Reason, h.Kind, f.ago(h.Since))
	}
	strategy(f, out, w)
	dependencies(out, w)
	if d.Operator != nil {
		out.rowf(0, "Operator", "%s: %s", w.Operator, d.Operator.Message)
	} else if w.Operator != "" {
		out.row(0, "Operator", w.Operator)
	}
	if len(w.RestartOn) > 0 {
		out.row(0, "Restart On", strings.Join(w.RestartOn, ", "))
	}
	bootstrapRows(out, w)
	d.template(out)
	d.conditions(out)
	d.pods(out)
	events(f, out, d.Events)
	return out.String()
}

func strategy(f Facts, out *page, w *services.Workload) {
	switch o := w.Object.(type) {
	case *appsv1.Deployment:
		out.row(0, "Strategy", string(o.Spec.Strategy.Type))
		if r := o.Spec.Strategy.RollingUpdate; r != nil {
			out.rowf(1, "Rolling Update", "%s max unavailable, %s max surge", r.MaxUnavailable, r.MaxSurge)
		}
		out.rowf(0, "Min Ready", "%ds", o.Spec.MinReadySeconds)
	case *appsv1.StatefulSet:
		out.row(0, "Update Strategy", string(o.Spec.UpdateStrategy.Type))
		if r := o.Spec.UpdateStrategy.RollingUpdate; r != nil && r.Partition != nil && *r.Partition > 0 {
			out.rowf(1, "Partition", "%d", *r.Partition)
		}
		out.row(0, "Pod Management", string(o.Spec.PodManagementPolicy))
	case *appsv1.DaemonSet:
		out.row(0, "Update Strategy", string(o.Spec.UpdateStrategy.Type))
	case *batchv1.Job:
		out.rowf(0, "Result", "%d succeeded, %d failed, %d active", o.Status.Succeeded, o.Status.Failed, o.Status.Active)
	case *batchv1.CronJob:
		out.row(0, "Schedule", o.Spec.Schedule)
		out.row(0, "Time Zone", zoneOf(o, f.Now))
		out.row(0, "Concurrency Policy", string(o.Spec.ConcurrencyPolicy))
		if o.Status.LastScheduleTime != nil {
			out.row(0, "Last Schedule", o.Status.LastScheduleTime.UTC().Format("15:04:05Z"))
		}
	}
}

// zoneOf is the time zone of a CronJob's schedule.
func zoneOf(o *batchv1.CronJob, now time.Time) string {
	if o.Spec.TimeZone != nil {
		return *o.Spec.TimeZone
	}
	name, _ := now.Zone()
	return name + " (this machine's; spec.timeZone sets another)"
}

func dependencies(out *page, w *services.Workload) {
	if len(w.DependsOn) == 0 {
		return
	}
	table := [][]string{{"Service", "Condition", "Reason"}}
	for _, d := range w.DependsOn {
		table = append(table, []string{d.Workload, string(d.Condition), cmp.Or(d.Reason, "-")})
	}
	out.head(0, "Depends On")
	out.rows(1, table)
}

func bootstrapRows(out *page, w *services.Workload) {
	if len(w.Bootstrap) == 0 {
		return
	}
	table := [][]string{{"Step", "When", "Pod", "Check"}}
	for _, b := range w.Bootstrap {
		table = append(table, []string{b.Name, cmp.Or(b.When, "always"), cmp.Or(b.Pod, "first pod"), cmp.Or(strings.Join(b.Check, " "), "-")})
	}
	out.head(0, "Bootstrap")
	out.rows(1, table)
}

// template writes the pod template like a pod that has not started.
func (d WorkloadDescription) template(out *page) {
	w := d.Workload
	t := PodDescription{Pod: &corev1.Pod{ObjectMeta: *w.PodMeta(), Spec: *w.PodSpec()}}
	var f Facts
	for _, r := range f.probes(t.Pod) {
		r.Result = ""
		t.Probes = append(t.Probes, r)
	}
	out.head(0, "Pod Template")
	t.containers(f, out, "Init Containers", t.Pod.Spec.InitContainers, nil)
	t.containers(f, out, "Containers", t.Pod.Spec.Containers, nil)
	volumes(out, t.Pod)
}

func (d WorkloadDescription) conditions(out *page) {
	var table [][]string
	add := func(t, status, reason, message string) {
		table = append(table, []string{t, status, strings.TrimPrefix(reason+": "+message, ": ")})
	}
	switch o := d.Workload.Object.(type) {
	case *appsv1.Deployment:
		for _, c := range o.Status.Conditions {
			add(string(c.Type), string(c.Status), c.Reason, c.Message)
		}
	case *batchv1.Job:
		for _, c := range o.Status.Conditions {
			add(string(c.Type), string(c.Status), c.Reason, c.Message)
		}
	}
	if len(table) > 0 {
		out.head(0, "Conditions")
		out.rows(1, append([][]string{{"Type", "Status", "Reason"}}, table...))
	}
}

func (d WorkloadDescription) pods(out *page) {
	if len(d.Pods) == 0 {
		out.row(0, "Current Pods", "<none>")
		return
	}
	table := [][]string{{"Name", "Ready", "Status", "Restarts", "Age", "Role"}}
	for _, p := range d.Pods {
		table = append(table, []string{p.Name, p.Ready, p.Status, fmt.Sprint(p.Restarts), p.Age, cmp.Or(p.Role, "-")})
	}
	out.head(0, "Current Pods")
	out.rows(1, table)
}
