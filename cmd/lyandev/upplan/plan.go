// Package upplan says what `up` does to what runs: what happens to each service and each of its pods, which fields differ, and what else
// changes. `diff` and `up --dry-run` print it before anything moves, `up` afterwards; the words are the same. It is pure.
package upplan

import (
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/cmd/lyandev/output"
	"github.com/lyandev/lyandev/profiles"
	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/podchange"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// Action is what happens to a service, a pod or another object.
type Action string

// The actions. Those of a service are the strongest of its pods.
const (
	Create Action = "create"
	// Recreate: a pod is removed and another one takes its place.
	Recreate Action = "recreate"
	// Change: without a restart of the containers that both have.
	Change Action = "change"
	// Start: a pod that has ended is started again.
	Start  Action = "start"
	Scale  Action = "scale"
	Keep   Action = "keep"
	Remove Action = "remove"
	// Build and Pull are for images.
	Build Action = "build"
	Pull  Action = "pull"
)

// Plan is what `up` does.
type Plan struct {
	// Services are all services, in the order of the file, then those that are removed.
	Services []Service `json:"services"`
	// Objects are the other objects that change: Service, ConfigMap, Secret, Ingress, Network, Volume, HostPort.
	Objects []Object `json:"objects,omitempty"`
	// Images are those that are built or pulled. Images whose state could not be found out are missing.
	Images []Image `json:"images,omitempty"`
	// Providers are services that a program on the host provides, Models the models that the Docker Model plugin makes ready. Both are
	// not run to find out what they would change.
	Providers []string `json:"providers,omitempty"`
	Models    []string `json:"models,omitempty"`
}

// Service is what happens to one service.
type Service struct {
	// Name is the name in the file.
	Name   string `json:"name"`
	Kind   string `json:"kind"`
	Action Action `json:"action"`
	// Change says what happens and why, "" for nothing: "made anew: image a:1 -> a:2".
	Change string           `json:"change,omitempty"`
	Fields []profiles.Field `json:"fields,omitempty"`
	Pods   []Pod            `json:"pods,omitempty"`

	workload string // its internal name
}

// Pod is what happens to one pod.
type Pod struct {
	// Name ends with -* if it is chosen when the pod is made.
	Name   string `json:"name"`
	Action Action `json:"action"`
}

// Object is what happens to an object that is no service.
type Object struct {
	Kind   string           `json:"kind"`
	Name   string           `json:"name"`
	Action Action           `json:"action"`
	Fields []profiles.Field `json:"fields,omitempty"`
	// Text is a line for people, "" if a line about a service says it.
	Text string `json:"text,omitempty"`
}

// Image is an image that is built or pulled, and why.
type Image struct {
	Image   string   `json:"image"`
	Action  Action   `json:"action"`
	Because []string `json:"because,omitempty"`
}

// Look is what a plan is made of.
type Look struct {
	// Before is the prepared stack that runs, nil for none; After takes its place.
	Before, After *services.Stack
	// Pods are those that there are before.
	Pods []*corev1.Pod
	// Again are the names of workloads that are started again though nothing of them changed.
	Again []string
	// Adopted is true if no supervisor had looked after the pods: what is missing of them is then made.
	Adopted bool
}

// New returns the plan, without images, providers and models.
func New(l Look) Plan {
	p := Plan{Services: []Service{}}
	before, after := orEmpty(l.Before), orEmpty(l.After)
	changes := map[string][]profiles.Change{}
	var objects []profiles.Change
	for _, c := range profiles.Diff(before, after) {
		switch {
		case c.Kind == "HostPort" || c.Kind == "Build": // below; and a build that matters makes another image
		case isObject(c.Kind):
			objects = append(objects, c)
		default:
			changes[c.Name] = append(changes[c.Name], c)
		}
	}
	for _, list := range [][]*services.Workload{after.Workloads, before.Workloads} {
		for _, w := range list {
			if p.has(w) {
				continue
			}
			p.Services = append(p.Services, l.service(w, changes[w.Name()]))
		}
	}
	told, text := p.told()
	for _, c := range objects {
		p.Objects = append(p.Objects, object(c, told, text))
	}
	name := func(service string) string { return displayIn(service, after, before) }
	p.Objects = append(p.Objects, hostPorts(before.HostPorts, after.HostPorts, name)...)
	return p
}

func orEmpty(s *services.Stack) *services.Stack {
	if s == nil {
		return &services.Stack{}
	}
	return s
}

func (p *Plan) has(w *services.Workload) bool {
	return slices.ContainsFunc(p.Services, func(s Service) bool { return s.workload == w.Name() && s.Kind == w.Kind() })
}

// told are the names of the services that have a line, and text all of these lines.
func (p *Plan) told() (told map[string]bool, text string) {
	told = map[string]bool{}
	for _, s := range p.Services {
		if s.Change != "" {
			told[s.workload] = true
			text += s.Change + "\n"
		}
	}
	return told, text
}

// service is what happens to a workload, of which the changes are those with its name.
func (l *Look) service(w *services.Workload, changes []profiles.Change) Service {
	s := Service{Name: displayIn(w.Name(), orEmpty(l.After), orEmpty(l.Before)), Kind: w.Kind(), Action: Keep, workload: w.Name()}
	old, is := orEmpty(l.Before).Workload(w.Name()), orEmpty(l.After).Workload(w.Name())
	for _, c := range changes {
		if c.Kind == w.Kind() {
			s.Change, s.Fields = l.words(c, old, is), named(c.Fields, old, is)
			s.Action = map[profiles.Action]Action{
				profiles.Start: Create, profiles.Stop: Remove, profiles.Scale: Scale, profiles.Replace: Recreate, profiles.Update: Change,
			}[c.Action]
		}
	}
	s.Pods = l.pods(w, s.Action)
	if s.Action == Recreate && s.Number(Recreate) == 0 && s.Number(Create) == 0 && s.Kind != "Job" {
		s.Action = Change
	}
	if s.Action == Keep {
		l.again(&s, w)
	}
	return s
}

// again says that a workload of which nothing has changed is started again.
func (l *Look) again(s *Service, w *services.Workload) {
	comes := func(p Pod) bool { return p.Action == Create || p.Action == Start }
	switch {
	case slices.Contains(l.Again, w.Name()):
		s.Action, s.Change = Start, "started again: it had been stopped or had failed"
	case slices.ContainsFunc(s.Pods, comes) && !slices.ContainsFunc(s.Pods, func(p Pod) bool { return p.Action == Keep }):
		s.Action, s.Change = Start, "started: none of its pods runs"
	case slices.ContainsFunc(s.Pods, comes):
		s.Action, s.Change = Start, "started: some of its pods do not run"
	}
}

// words say what happens to a workload.
func (l *Look) words(c profiles.Change, old, is *services.Workload) string {
	why := strings.Join(topics(c.Reasons), ", ")
	if old != nil && is != nil {
		why = strings.Join(topics(builtAnew(c.Reasons, old, is)), ", ")
	}
	switch kindChanged := old != nil && is != nil && old.Kind() != is.Kind(); {
	case kindChanged && c.Action == profiles.Start:
		return fmt.Sprintf("made anew: it was a %s and becomes a %s", ui.Kind(old.Kind()), ui.Kind(is.Kind()))
	case kindChanged && c.Action == profiles.Stop:
		return "" // its other line says it
	}
	switch c.Action {
	case profiles.Start:
		return "added"
	case profiles.Stop:
		return "removed: " + strings.Join(c.Reasons, "; ")
	case profiles.Scale:
		return "scaled: " + why
	case profiles.Update:
		return "changed without a restart: " + why
	}
	switch c.Kind {
	case "Pod":
		if podchange.InPlace(podchange.Of(is), podchange.Of(old)) {
			return "changed in place: " + podchange.Describe(podchange.Of(is), podchange.Of(old))
		}
		return "made anew: " + why
	case "ComposeService":
		return "made anew: " + why
	case "Job":
		return "runs again: " + why
	case "CronJob":
		return "changed for its next runs: " + why
	case "ReplicaSet":
		return "changed for its next pods: " + why
	case "StatefulSet", "DaemonSet", "Deployment":
		if !rolls(is) {
			return "changed for its next pods: " + why
		}
	}
	return "rolled out: " + why
}

// rolls reports whether the controller of a workload replaces pods of an older template by itself.
func rolls(w *services.Workload) bool {
	switch o := w.Object.(type) {
	case *appsv1.Deployment:
		return !o.Spec.Paused
	case *appsv1.StatefulSet:
		return o.Spec.UpdateStrategy.Type != appsv1.OnDeleteStatefulSetStrategyType
	case *appsv1.DaemonSet:
		return o.Spec.UpdateStrategy.Type != appsv1.OnDeleteDaemonSetStrategyType
	}
	return w.Plain() || w.Kind() == "Job" || w.Kind() == "Pod"
}

// newBuild begins the reason of an image that was or will be built again.
const newBuild = "new build of image "

// builtAnew replaces the reasons of images that are built here by one that names the image: their IDs say nothing to people.
func builtAnew(reasons []string, old, is *services.Workload) []string {
	out := slices.Clone(reasons)
	for i, r := range out {
		path, _, _ := strings.Cut(r, " ")
		parts := strings.Split(path, ".")
		if len(parts) != 3 || parts[2] != "image" {
			continue
		}
		was, ref := old.PodMeta().Annotations[services.ImageAnnotation+parts[1]], is.PodMeta().Annotations[services.ImageAnnotation+parts[1]]
		if ref != "" && ref == was {
			out[i] = newBuild + ref
		}
	}
	return out
}

// named puts the names of images that are built here in the place of their IDs.
func named(fields []profiles.Field, old, is *services.Workload) []profiles.Field {
	if old == nil || is == nil {
		return fields
	}
	out := slices.Clone(fields)
	for i, f := range out {
		parts := strings.Split(f.Path, ".")
		if len(parts) != 3 || parts[2] != "image" {
			continue
		}
		if ref := old.PodMeta().Annotations[services.ImageAnnotation+parts[1]]; ref != "" && f.From != nil {
			out[i].From = new(ref + " (" + output.Digest(*f.From) + ")")
		}
		if ref := is.PodMeta().Annotations[services.ImageAnnotation+parts[1]]; ref != "" && f.To != nil {
			id := output.Digest(*f.To)
			if *f.To == NewImageID(ref) {
				id = "a new build"
			}
			out[i].To = new(ref + " (" + id + ")")
		}
	}
	return out
}

// displayIn is the name that the file has for a workload of the first of the stacks that has it.
func displayIn(name string, stacks ...*services.Stack) string {
	for _, s := range stacks {
		if x := s.Workload(name); x != nil {
			return x.DisplayName()
		}
	}
	return name
}

// Lines is a line for each service and other object to which something happens: "web: made anew: image a:1 -> a:2". No line at all
// means that nothing changes. Images, providers and models have none.
func (p *Plan) Lines() []string {
	var out, again []string
	for _, s := range p.Services {
		switch {
		case s.Change == "":
		case s.Action == Start:
			again = append(again, s.Name+": "+s.Change)
		default:
			out = append(out, s.Name+": "+s.Change)
		}
	}
	var ports []string
	for _, o := range p.Objects {
		switch {
		case o.Text == "":
		case o.Kind == "HostPort":
			ports = append(ports, o.Text)
		default:
			out = append(out, o.Text)
		}
	}
	return slices.Concat(out, again, ports)
}

// Empty reports whether nothing happens.
func (p *Plan) Empty() bool { return len(p.Lines())+len(p.Images) == 0 }
