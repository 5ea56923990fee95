package profiles

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
)

// Action is the effect of a change on a running stack.
type Action string

// The actions of a change.
const (
	// Start and Stop: the object is only in the new or only in the old stack.
	Start Action = "start"
	Stop  Action = "stop"
	// Scale: only the number of replicas differs.
	Scale Action = "scale"
	// Replace: the pod template differs, so the pods are replaced.
	Replace Action = "replace"
	// Update: other fields differ; the pods keep running.
	Update Action = "update"
)

// Change is one difference between two stacks.
type Change struct {
	Action Action `json:"action"`
	// Kind is a Kubernetes kind, Build or HostPort. Name is the object's name.
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Reasons name the fields that differ. They never contain values that may be secret.
	Reasons []string `json:"reasons,omitempty"`
	// Fields are the fields that differ, with their values, in the order of Reasons. A reason that is about no field has none.
	Fields []Field `json:"fields,omitempty"`
}

// String is one line: "scale    Deployment/web: replicas 1 -> 3".
func (c Change) String() string {
	line := fmt.Sprintf("%-8s %s/%s", c.Action, c.Kind, c.Name)
	if len(c.Reasons) > 0 {
		line += ": " + strings.Join(c.Reasons, "; ")
	}
	return line
}

// Diff lists the changes to a running stack a when stack b replaces it: workloads first, in the order of the file (those that
// only a has at the end of their kind), then other objects. It is pure; a nil stack is an empty one.
func Diff(a, b *services.Stack) []Change {
	if a == nil {
		a = &services.Stack{}
	}
	if b == nil {
		b = &services.Stack{}
	}
	d := differ{from: a, to: b}
	d.workloads()
	each(&d, "Service", a.Services, b.Services)
	each(&d, "ConfigMap", a.ConfigMaps, b.ConfigMaps)
	each(&d, "Secret", a.Secrets, b.Secrets)
	each(&d, "Ingress", a.Ingresses, b.Ingresses)
	// Networks and volumes that only a has stay.
	each(&d, "Network", common(networksOf(a), networksOf(b)), networksOf(b))
	each(&d, "Volume", common(volumesOf(a), volumesOf(b)), volumesOf(b))
	d.builds()
	d.hostPorts()
	return d.changes
}

type differ struct {
	from, to *services.Stack
	changes  []Change
	// masker masks the secrets of both stacks; nil until the first difference is told.
	masker *stackMasker
}

func (d *differ) add(action Action, kind, name string, reasons ...string) {
	d.changes = append(d.changes, Change{Action: action, Kind: kind, Name: name, Reasons: reasons})
}

// addFields adds a change whose reasons are fields.
func (d *differ) addFields(action Action, kind, name string, list []difference) {
	if d.masker == nil {
		d.masker = newStackMasker(d.from, d.to)
	}
	c := Change{Action: action, Kind: kind, Name: name}
	for _, x := range list {
		c.Reasons = append(c.Reasons, x.reason())
		if f, ok := d.masker.field(kind, x); ok {
			c.Fields = append(c.Fields, f)
		}
	}
	d.changes = append(d.changes, c)
}

// why returns which profile has or lacks an object.
func (d *differ) why(s *services.Stack) string {
	other := d.to
	if s == d.to {
		other = d.from
	}
	switch {
	case s.Profile == other.Profile:
		return "only in the new file"
	case s.Profile == "":
		return "only without a profile"
	}
	return "only in profile " + s.Profile
}

func (d *differ) gone() string {
	switch {
	case d.from.Profile == d.to.Profile:
		return "no longer in the file"
	case d.to.Profile == "":
		return "not in the stack without a profile"
	}
	return "not in profile " + d.to.Profile
}

func (d *differ) workloads() {
	for _, w := range d.to.Workloads {
		old := d.from.Workload(w.Name())
		switch {
		case old == nil:
			d.add(Start, w.Kind(), w.Name(), d.why(d.to))
		case old.Kind() != w.Kind():
			d.add(Stop, old.Kind(), w.Name(), "it becomes a "+w.Kind())
			d.add(Start, w.Kind(), w.Name(), "it was a "+old.Kind())
		default:
			d.workload(old, w)
		}
	}
	for _, w := range d.from.Workloads {
		if d.to.Workload(w.Name()) == nil {
			d.add(Stop, w.Kind(), w.Name(), d.gone())
		}
	}
}

func (d *differ) workload(a, b *services.Workload) {
	if a.Equal(b) {
		return
	}
	var scale, template, rest []difference
	if a.Replicas() != b.Replicas() {
		scale = []difference{{path: "replicas", was: a.Replicas(), is: b.Replicas()}}
	}
	template = append(differences("labels", asJSON(a.PodMeta().Labels), asJSON(b.PodMeta().Labels)),
		differences("annotations", asJSON(withoutContainer(a)), asJSON(withoutContainer(b)))...)
	template = append(template, containerDifferences(a, b)...)
	template = append(template, differences("", asJSON(a.PodSpec()), asJSON(b.PodSpec()))...)
	rest = d.outside(a, b)
	action := Update
	switch {
	case len(template) > 0:
		action = Replace
	case len(scale) > 0 && len(rest) == 0:
		action = Scale
	}
	if all := slices.Concat(scale, template, rest); len(all) > 0 {
		d.addFields(action, b.Kind(), b.Name(), all)
	}
}

// outside returns the differences other than replicas and pod template.
func (d *differ) outside(a, b *services.Workload) []difference {
	strip := func(w *services.Workload) any {
		c := w.DeepCopy()
		c.Source = ""
		c.SetReplicas(0)
		*c.PodSpec() = corev1.PodSpec{}
		c.PodMeta().Labels, c.PodMeta().Annotations = nil, nil
		return asJSON(c)
	}
	return differences("", strip(a), strip(b))
}

type named interface{ GetName() string }

// keyed is an object of Docker under its key in the file.
type keyed struct {
	key    string
	object any
}

func (k keyed) GetName() string { return k.key }

// MarshalJSON implements json.Marshaler: the object alone.
func (k keyed) MarshalJSON() ([]byte, error) { return json.Marshal(k.object) }

// common are the objects of list that are in other too.
func common(list, other []keyed) []keyed {
	return slices.DeleteFunc(list, func(k keyed) bool {
		return !slices.ContainsFunc(other, func(o keyed) bool { return o.key == k.key })
	})
}

func networksOf(s *services.Stack) []keyed {
	var out []keyed
	for _, n := range s.Networks {
		n = n.DeepCopy()
		n.Source = ""
		out = append(out, keyed{n.Key, n})
	}
	return out
}

func volumesOf(s *services.Stack) []keyed {
	var out []keyed
	for _, v := range s.Volumes {
		v = v.DeepCopy()
		v.Source = ""
		out = append(out, keyed{v.Key, v})
	}
	return out
}

// each compares objects other than workloads.
func each[T named](d *differ, kind string, from, to []T) {
	find := func(list []T, name string) (T, bool) {
		for _, o := range list {
			if o.GetName() == name {
				return o, true
			}
		}
		var none T
		return none, false
	}
	for _, o := range to {
		old, ok := find(from, o.GetName())
		if !ok {
			d.add(Start, kind, o.GetName(), d.why(d.to))
		} else if diffs := differences("", asJSON(old), asJSON(o)); len(diffs) > 0 {
			d.addFields(Update, kind, o.GetName(), diffs)
		}
	}
	for _, o := range from {
		if _, ok := find(to, o.GetName()); !ok {
			d.add(Stop, kind, o.GetName(), d.gone())
		}
	}
}

func (d *differ) builds() {
	for _, b := range d.to.Builds {
		old := d.from.Build(b.Name)
		if old == nil {
			d.add(Start, "Build", b.Name, d.why(d.to))
		} else if diffs := differences("", asJSON(old), asJSON(b)); len(diffs) > 0 {
			d.addFields(Update, "Build", b.Name, diffs)
		}
	}
	for _, b := range d.from.Builds {
		if d.to.Build(b.Name) == nil {
			d.add(Stop, "Build", b.Name, d.gone())
		}
	}
}

func (d *differ) hostPorts() {
	key := func(h services.HostPort) services.HostPort { h.Source = ""; return h }
	has := func(list []services.HostPort, h services.HostPort) bool {
		return slices.ContainsFunc(list, func(o services.HostPort) bool { return key(o) == key(h) })
	}
	name := services.HostPort.Address
	to := func(h services.HostPort) string { return fmt.Sprintf("to %s:%d", h.Service, h.Port) }
	for _, h := range d.to.HostPorts {
		if !has(d.from.HostPorts, h) {
			d.add(Start, "HostPort", name(h), to(h))
		}
	}
	for _, h := range d.from.HostPorts {
		if !has(d.to.HostPorts, h) {
			d.add(Stop, "HostPort", name(h), to(h))
		}
	}
}
