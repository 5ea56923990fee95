package explain

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/mask"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// PodDescription is the JSON form of `describe POD`. Secrets are masked.
type PodDescription struct {
	Pod *corev1.Pod `json:"pod"`
	// Status is the STATUS column of `ps`.
	Status string        `json:"status"`
	Probes []ProbeResult `json:"probes"`
	Events []state.Event `json:"events"`
}

// Pod describes a pod. An unknown name is an *UnknownError.
func Pod(f Facts, name string) (PodDescription, error) {
	p := f.Snapshot.Pod(name)
	if p == nil {
		return PodDescription{}, &UnknownError{Verb: "describe", Name: name, Known: f.names()}
	}
	d := PodDescription{Pod: maskPod(f.Snapshot, p), Status: ui.PodStatus(p), Probes: f.probes(p), Events: f.events("Pod", name)}
	m := Masker(f.Snapshot)
	for i := range d.Events {
		d.Events[i].Message = m.String(d.Events[i].Message)
	}
	return d, nil
}

// Masker returns a masker for the secrets in the environment of all pods of s.
func Masker(s *state.Status) *mask.Masker {
	stack := &services.Stack{}
	for _, p := range s.Pods {
		stack.Workloads = append(stack.Workloads, &services.Workload{Object: p})
	}
	return mask.New(stack)
}

// maskPod returns a copy of p with the secrets in its environment, commands, annotations and status masked.
func maskPod(s *state.Status, p *corev1.Pod) *corev1.Pod {
	p = p.DeepCopy()
	m := Masker(s)
	maskSpec(m, &p.Spec)
	for k, v := range p.Annotations {
		p.Annotations[k] = m.String(v)
	}
	m.PodStatus(&p.Status)
	return p
}

func maskSpec(m *mask.Masker, spec *corev1.PodSpec) {
	for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			c := &list[i]
			for j := range c.Env {
				e := &c.Env[j]
				if e.Value = m.String(e.Value); e.Value != "" && mask.SecretName(e.Name) {
					e.Value = mask.Mask
				}
			}
			for j := range c.Command {
				c.Command[j] = m.String(c.Command[j])
			}
			for j := range c.Args {
				c.Args[j] = m.String(c.Args[j])
			}
		}
	}
}

// Text renders the description in the layout of `kubectl describe pod`.
func (d PodDescription) Text(f Facts) string {
	p, out := d.Pod, newPage()
	out.row(0, "Name", p.Name)
	out.row(0, "Service", orNone(workloadOf(p)))
	out.row(0, "Node", orNone(p.Spec.NodeName))
	out.row(0, "Start Time", f.date(startOf(p)))
	out.row(0, "Labels", labelLines(p.Labels))
	out.row(0, "Annotations", labelLines(p.Annotations))
	if p.DeletionTimestamp != nil {
		out.rowf(0, "Status", "Terminating (lasts %s)", f.ago(p.DeletionTimestamp.Time))
		if g := p.DeletionGracePeriodSeconds; g != nil {
			out.rowf(0, "Termination Grace Period", "%ds", *g)
		}
	} else {
		out.row(0, "Status", cmp.Or(string(p.Status.Phase), "Pending"))
	}
	if isPaused(p) {
		out.row(0, "Paused", condition(p, services.Paused).Message)
	}
	if c := services.PausedProbes(p); c != nil {
		out.row(0, "Probes", whichProbes(c)+" "+f.pausedFor(c))
	}
	if p.Status.Reason != "" {
		out.row(0, "Reason", p.Status.Reason)
	}
	if p.Status.Message != "" {
		out.row(0, "Message", p.Status.Message)
	}
	out.row(0, "IP", orNone(p.Status.PodIP))
	for _, r := range p.OwnerReferences {
		if r.Controller != nil && *r.Controller {
			out.row(0, "Controlled By", r.Kind+"/"+r.Name)
		}
	}
	d.containers(f, out, "Init Containers", p.Spec.InitContainers, p.Status.InitContainerStatuses)
	d.containers(f, out, "Containers", p.Spec.Containers, p.Status.ContainerStatuses)
	gates(out, p)
	conditions(f, out, p)
	volumes(out, p)
	if p.Status.QOSClass != "" {
		out.row(0, "QoS Class", string(p.Status.QOSClass))
	}
	events(f, out, d.Events)
	return out.String()
}

func startOf(p *corev1.Pod) time.Time {
	if p.Status.StartTime != nil {
		return p.Status.StartTime.Time
	}
	return p.CreationTimestamp.Time
}

func gates(out *page, p *corev1.Pod) {
	if len(p.Spec.ReadinessGates) == 0 {
		return
	}
	table := [][]string{{"Type", "Status"}}
	for _, g := range p.Spec.ReadinessGates {
		table = append(table, []string{string(g.ConditionType), string(condition(p, g.ConditionType).Status)})
	}
	out.head(0, "Readiness Gates")
	out.rows(1, table)
}

func conditions(f Facts, out *page, p *corev1.Pod) {
	if len(p.Status.Conditions) == 0 {
		return
	}
	table := [][]string{{"Type", "Status", "Since", "Reason"}}
	for _, c := range p.Status.Conditions {
		why := c.Reason
		if c.Message != "" {
			why = strings.TrimPrefix(why+": "+c.Message, ": ")
		}
		table = append(table, []string{string(c.Type), string(c.Status), f.ago(c.LastTransitionTime.Time), why})
	}
	out.head(0, "Conditions")
	out.rows(1, table)
}

func events(f Facts, out *page, list []state.Event) {
	if len(list) == 0 {
		out.row(0, "Events", "<none>")
		return
	}
	table := [][]string{{"Type", "Reason", "Age", "Container", "Message"}}
	for _, e := range list {
		age := f.ago(e.Last)
		if e.Count > 1 {
			age += fmt.Sprintf(" (x%d over %s)", e.Count, f.ago(e.First))
		}
		table = append(table, []string{e.Type, e.Reason, age, cmp.Or(e.Container, "-"), strings.ReplaceAll(e.Message, "\n", `\n`)})
	}
	out.head(0, "Events")
	out.rows(1, table)
}
