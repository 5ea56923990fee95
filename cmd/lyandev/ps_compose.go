package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/services/compose"
	"github.com/lyandev/lyandev/supervisor/engine"
	"github.com/lyandev/lyandev/supervisor/pod/dockerpod"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// composeStates are the states of containers that --status knows, as in docker compose ps.
var composeStates = []string{"created", "dead", "exited", "paused", "removing", "restarting", "running"}

// psContainerLine is a container as docker compose ps --format json prints it (Docker Compose 2.21 and later), without the fields
// that lyandev does not know.
type psContainerLine struct {
	CreatedAt  string
	ExitCode   int32
	Health     string
	ID         string
	Image      string
	Name       string
	Names      string
	Networks   string
	Ports      string
	Project    string
	Publishers []psPublisher
	RunningFor string
	Service    string
	State      string
	Status     string
}

type psPublisher struct {
	URL           string
	TargetPort    int32
	PublishedPort int32
	Protocol      string
}

// String is the port as docker ps prints it.
func (p psPublisher) String() string {
	return fmt.Sprintf("%s->%d/%s", services.HostPort{HostIP: p.URL, HostPort: p.PublishedPort}.Address(), p.TargetPort, p.Protocol)
}

// wants reports whether a pod is among those that the command line names.
func (o psOptions) wants(snap *state.Status, p *corev1.Pod) bool {
	if w, in := snap.Workload(p.Labels[services.WorkloadLabel]); !o.orphans && (!in || w.Leaving) {
		return false
	}
	return len(o.names) == 0 || slices.ContainsFunc(o.names, func(n string) bool { return isPod(snap, p, n) })
}

// statusWanted reports whether a state is one of those of --status; without --status all are.
func (o psOptions) statusWanted(is string) bool {
	return len(o.status) == 0 || slices.Contains(o.status, is)
}

// hasState reports whether one of the pod's containers is in a state of --status.
func (o psOptions) hasState(p *corev1.Pod) bool {
	return len(o.status) == 0 || slices.ContainsFunc(p.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool {
		return o.statusWanted(composeState(p, s))
	})
}

// ended reports whether all containers of a pod have ended.
func ended(p *corev1.Pod) bool {
	return len(p.Status.ContainerStatuses) > 0 && !slices.ContainsFunc(p.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool {
		return s.State.Terminated == nil
	})
}

// composeState is the state of a pod's container as Docker names it.
func composeState(p *corev1.Pod, s corev1.ContainerStatus) string {
	switch w := s.State.Waiting; {
	case s.State.Running != nil && isPaused(p):
		return "paused"
	case s.State.Running != nil:
		return "running"
	case s.State.Terminated != nil:
		return "exited"
	case w != nil && w.Reason == "CrashLoopBackOff":
		return "restarting"
	}
	return "created"
}

func isPaused(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == services.Paused && c.Status == corev1.ConditionTrue
	})
}

// printContainers prints the containers of pods and of run, for --quiet, --services and --format.
func printContainers(st *ui.Streams, snap *state.Status, runs []engine.Container, o psOptions) error {
	var lines []psContainerLine
	for _, p := range snap.Pods {
		if !o.wants(snap, p) {
			continue
		}
		for _, s := range p.Status.ContainerStatuses {
			lines = append(lines, containerLine(snap, p, s))
		}
	}
	for _, c := range runs {
		lines = append(lines, oneOffLine(snap, c))
	}
	lines = slices.DeleteFunc(lines, func(l psContainerLine) bool {
		return !o.statusWanted(l.State) || len(o.status) == 0 && !o.all && l.State == "exited"
	})
	var names []string
	var rows []any
	for _, l := range lines {
		switch {
		case o.services:
			names = append(names, l.Service)
		case o.quiet && l.ID != "":
			fmt.Fprintln(st.Out, l.ID)
		case !o.quiet:
			if !o.whole {
				l.ID = l.ID[:min(12, len(l.ID))]
			}
			rows = append(rows, l)
		}
	}
	slices.Sort(names)
	for _, n := range slices.Compact(names) {
		fmt.Fprintln(st.Out, n)
	}
	if o.format == nil || o.quiet || o.services {
		return nil
	}
	return o.format.print(st.Out, rows)
}

// containerLine describes a pod's container. The container of a plain service has the name that Docker knows; in other pods it is
// that of the pod and, if there are several, the container's.
func containerLine(snap *state.Status, p *corev1.Pod, s corev1.ContainerStatus) psContainerLine {
	l := psContainerLine{
		ID: strings.TrimPrefix(s.ContainerID, "docker://"), Name: p.Name, Project: snap.Project, Service: services.ShownService(p), Image: imageOf(p, s),
		State: composeState(p, s), Health: healthOf(p, s), Publishers: []psPublisher{},
	}
	if len(p.Status.ContainerStatuses) > 1 {
		l.Name += "/" + s.Name
	}
	end := s.State.Terminated
	if l.State == "restarting" {
		end = s.LastTerminationState.Terminated
	}
	if end != nil {
		l.ExitCode = end.ExitCode
	}
	if want, err := compose.Decode(p.Annotations[compose.Annotation], snap.Project); services.PlainPod(p) && err == nil {
		l.Name = cmp.Or(want.Name, fmt.Sprintf("%s-%s-%s", snap.Project, want.Service, p.Labels[services.NumberLabel]))
		l.Publishers = append(l.Publishers, bindingsOf(want)...)
		var networks []string
		for _, a := range want.Networks {
			networks = append(networks, a.Network)
		}
		l.Networks = strings.Join(networks, ",")
	}
	for _, h := range snap.Bound {
		if leadsTo(snap, h, p) {
			l.Publishers = append(l.Publishers, psPublisher{h.HostIP, targetOf(snap, h, p), h.HostPort, strings.ToLower(string(h.Protocol))})
		}
	}
	var began, ended time.Time
	if s.State.Running != nil {
		began = s.State.Running.StartedAt.Time
	}
	if end != nil {
		ended = end.FinishedAt.Time
	}
	l.Status = cmp.Or(dockerStatus(l, began, ended, time.Now()), ui.PodStatus(p))
	return l.completed(p.CreationTimestamp.Time)
}

// completed fills in the fields that follow from others.
func (l psContainerLine) completed(created time.Time) psContainerLine {
	l.Names, l.CreatedAt, l.RunningFor = l.Name, created.UTC().Format("2006-01-02 15:04:05 -0700 MST"), ago(created, time.Now())
	var ports []string
	for _, p := range l.Publishers {
		ports = append(ports, p.String())
	}
	l.Ports = strings.Join(ports, ", ")
	return l
}

// dockerStatus is a container's status in the words of docker ps: "Up 5 seconds (healthy)". It is "" if the container has never run.
func dockerStatus(l psContainerLine, began, ended, now time.Time) string {
	switch l.State {
	case "running", "paused":
		text := "Up " + units.HumanDuration(max(now.Sub(began), 0))
		switch {
		case l.State == "paused":
			text += " (Paused)"
		case l.Health == services.HealthStarting:
			text += " (health: starting)"
		case l.Health != "":
			text += " (" + l.Health + ")"
		}
		return text
	case "restarting":
		return fmt.Sprintf("Restarting (%d) %s", l.ExitCode, ago(ended, now))
	case "exited":
		return fmt.Sprintf("Exited (%d) %s", l.ExitCode, ago(ended, now))
	}
	return ""
}

func ago(at, now time.Time) string { return units.HumanDuration(max(now.Sub(at), 0)) + " ago" }

// leadsTo reports whether a host port leads to a pod: it names the pod's service or a Service that selects the pod.
func leadsTo(snap *state.Status, h services.HostPort, p *corev1.Pod) bool {
	if h.Service == "" {
		return false // an ingress
	}
	if h.Service == p.Labels[services.WorkloadLabel] || h.Service == services.ShownService(p) {
		return true
	}
	v := serviceOfPort(snap, h)
	return v != nil && selects(v.Spec.Selector, p.Labels)
}

func selects(selector, labels map[string]string) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return len(selector) > 0
}

func serviceOfPort(snap *state.Status, h services.HostPort) *corev1.Service {
	i := slices.IndexFunc(snap.Services, func(v *corev1.Service) bool {
		return v.Name == h.Service && cmp.Or(v.Namespace, "default") == cmp.Or(h.Namespace, "default")
	})
	if i < 0 {
		return nil
	}
	return snap.Services[i]
}

// targetOf is the port of the pod that a host port leads to.
func targetOf(snap *state.Status, h services.HostPort, p *corev1.Pod) int32 {
	v := serviceOfPort(snap, h)
	if v == nil {
		return h.Port
	}
	for _, port := range v.Spec.Ports {
		if port.Port != h.Port {
			continue
		}
		if n := port.TargetPort.IntVal; n != 0 {
			return n
		}
		for _, c := range p.Spec.Containers {
			for _, named := range c.Ports {
				if named.Name != "" && named.Name == port.TargetPort.StrVal {
					return named.ContainerPort
				}
			}
		}
	}
	return h.Port
}

// bindingsOf are the ports that the container publishes itself, those with a number in the file.
func bindingsOf(want *compose.Container) []psPublisher {
	var out []psPublisher
	for _, port := range slices.Sorted(maps.Keys(want.Host.PortBindings)) {
		for _, b := range want.Host.PortBindings[port] {
			if n, err := strconv.ParseInt(b.HostPort, 10, 32); err == nil {
				out = append(out, psPublisher{b.HostIP, int32(port.Int()), int32(n), port.Proto()})
			}
		}
	}
	return out
}

// healthOf is the health of a running container in Docker's words: what the health check of a plain service says, or the readiness
// probe of a pod. It is "" for a container without either.
func healthOf(p *corev1.Pod, s corev1.ContainerStatus) string {
	if s.State.Running == nil {
		return ""
	}
	if services.PlainPod(p) {
		if is, _ := state.Health(p); is != services.HealthNone {
			return is
		}
		return ""
	}
	i := slices.IndexFunc(p.Spec.Containers, func(c corev1.Container) bool { return c.Name == s.Name })
	switch {
	case i < 0 || p.Spec.Containers[i].ReadinessProbe == nil:
		return ""
	case s.Ready:
		return services.HealthHealthy
	case s.Started == nil || !*s.Started:
		return services.HealthStarting
	}
	return services.HealthUnhealthy
}

// oneOffsOf are the containers of `lyandev run` of some services, of all if none is named, the oldest first.
func oneOffsOf(ctx context.Context, t *target, names []string) ([]engine.Container, error) {
	eng, err := connect(ctx)
	if err != nil {
		return nil, err
	}
	defer eng.Close()
	list, err := eng.ListContainers(ctx, map[string]string{services.ProjectLabel: t.instance.Name, services.KindLabel: dockerpod.KindOneOff})
	list = slices.DeleteFunc(list, func(c engine.Container) bool {
		return len(names) > 0 && !slices.Contains(names, serviceOf(c)) && !slices.Contains(names, c.Name)
	})
	slices.SortFunc(list, func(a, b engine.Container) int { return a.Created.Compare(b.Created) })
	return list, err
}

// oneOffLine describes a container of `lyandev run`.
func oneOffLine(snap *state.Status, c engine.Container) psContainerLine {
	l := psContainerLine{
		ID: c.ID, Name: c.Name, Project: snap.Project, Service: serviceOf(c), Image: c.Image, State: c.State, Publishers: []psPublisher{},
		Networks: strings.Join(slices.Sorted(maps.Keys(c.Networks)), ","),
	}
	if c.State == engine.StateExited {
		l.ExitCode = int32(c.ExitCode)
	}
	if c.Health != nil && c.Health.Status != services.HealthNone && c.State == engine.StateRunning {
		l.Health = c.Health.Status
	}
	l.Status = cmp.Or(dockerStatus(l, c.Started, c.Exited, time.Now()), "Created")
	return l.completed(c.Created)
}
