package profiles

import (
	"encoding/json"
	"fmt"
	"maps"
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
	d.builds()
	d.hostPorts()
	return d.changes
}

type differ struct {
	from, to *services.Stack
	changes  []Change
}

func (d *differ) add(action Action, kind, name string, reasons ...string) {
	d.changes = append(d.changes, Change{Action: action, Kind: kind, Name: name, Reasons: reasons})
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
	var scale, template, rest []string
	if a.Replicas() != b.Replicas() {
		scale = []string{fmt.Sprintf("replicas %d -> %d", a.Replicas(), b.Replicas())}
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
	if reasons := slices.Concat(scale, template, rest); len(reasons) > 0 {
		d.add(action, b.Kind(), b.Name(), reasons...)
	}
}

// outside returns the differences other than replicas and pod template.
func (d *differ) outside(a, b *services.Workload) []string {
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

// differences compares two JSON values. Lists of objects with a name are compared by name.
func differences(path string, a, b any) []string {
	am, aok := a.(map[string]any)
	bm, bok := b.(map[string]any)
	if (aok || a == nil) && (bok || b == nil) && (aok || bok) {
		return mapDifferences(path, am, bm)
	}
	al, aIsList := a.([]any)
	bl, bIsList := b.([]any)
	if aIsList && bIsList {
		if x, y := byName(al), byName(bl); x != nil && y != nil {
			return mapDifferences(path, x, y)
		}
	}
	if equalJSON(a, b) {
		return nil
	}
	return []string{describeChange(path, a, b)}
}

func mapDifferences(path string, a, b map[string]any) []string {
	var out []string
	keys := slices.Sorted(maps.Keys(a))
	for _, k := range slices.Sorted(maps.Keys(b)) {
		if _, ok := a[k]; !ok {
			keys = append(keys, k)
		}
	}
	for _, k := range keys {
		x, inA := a[k]
		y, inB := b[k]
		at := strings.TrimPrefix(path+"."+k, ".")
		switch {
		case !inA:
			out = append(out, at+" added")
		case !inB:
			out = append(out, at+" removed")
		default:
			out = append(out, differences(at, x, y)...)
		}
	}
	return out
}

// byName converts a list of objects with a name to a map, nil if it is not such a list.
func byName(list []any) map[string]any {
	out := map[string]any{}
	for _, e := range list {
		m, ok := e.(map[string]any)
		if !ok {
			return nil
		}
		name, ok := m["name"].(string)
		if !ok {
			name, ok = m["workload"].(string)
		}
		if !ok || out[name] != nil {
			return nil
		}
		out[name] = e
	}
	return out
}

// describeChange describes a changed field, with its values if they are short and cannot be secret.
func describeChange(path string, a, b any) string {
	x, xok := shortScalar(a)
	y, yok := shortScalar(b)
	if xok && yok && !strings.Contains(path, "env.") && !strings.Contains(path, "ata.") {
		return fmt.Sprintf("%s %s -> %s", path, x, y)
	}
	return path + " changed"
}

func shortScalar(v any) (string, bool) {
	switch v.(type) {
	case map[string]any, []any:
		return "", false
	}
	s := fmt.Sprint(v)
	return s, len(s) <= 60
}

func asJSON(v any) any {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	var out any
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil
	}
	return out
}

func equalJSON(a, b any) bool {
	x, errA := json.Marshal(a)
	y, errB := json.Marshal(b)
	return errA == nil && errB == nil && string(x) == string(y)
}

type named interface{ GetName() string }

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
			d.add(Update, kind, o.GetName(), diffs...)
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
			d.add(Update, "Build", b.Name, diffs...)
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
