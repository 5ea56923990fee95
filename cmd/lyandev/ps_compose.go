package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// composeStates are the states of containers that --status knows, as in docker compose ps.
var composeStates = []string{"created", "dead", "exited", "paused", "removing", "restarting", "running"}

// psContainerLine is a container as docker compose ps --format json prints it (Docker Compose 2.21 and later), without the fields
// that lyandev does not know.
type psContainerLine struct {
	ID         string
	Name       string
	Project    string
	Service    string
	Image      string
	State      string
	Health     string
	Status     string
	ExitCode   int32
	CreatedAt  time.Time
	Publishers []psPublisher
}

type psPublisher struct {
	URL           string
	TargetPort    int32
	PublishedPort int32
	Protocol      string
}

// wants reports whether a pod is among those that the command line names.
func (o psOptions) wants(p *corev1.Pod) bool {
	return len(o.names) == 0 || slices.ContainsFunc(o.names, func(n string) bool { return isPod(p, n) })
}

// hasState reports whether a container is in one of the states of --status.
func (o psOptions) hasState(s corev1.ContainerStatus) bool {
	return slices.Contains(o.status, composeState(s))
}

// composeState is a container's state as Docker names it.
func composeState(s corev1.ContainerStatus) string {
	switch w := s.State.Waiting; {
	case s.State.Running != nil:
		return "running"
	case s.State.Terminated != nil:
		return "exited"
	case w != nil && w.Reason == "CrashLoopBackOff":
		return "restarting"
	}
	return "created"
}

// printContainers prints the containers for --quiet, --services or --format json.
func printContainers(st *ui.Streams, snap *state.Status, o psOptions) error {
	var names []string
	enc := json.NewEncoder(st.Out)
	for _, p := range snap.Pods {
		if !o.wants(p) {
			continue
		}
		for _, s := range p.Status.ContainerStatuses {
			is := composeState(s)
			if len(o.status) > 0 && !o.hasState(s) || len(o.status) == 0 && !o.all && is == "exited" {
				continue
			}
			switch id := containerID(s); {
			case o.services:
				names = append(names, displayName(p))
			case o.quiet && id != "":
				fmt.Fprintln(st.Out, id)
			case !o.quiet:
				if err := enc.Encode(containerLine(snap, p, s)); err != nil {
					return err
				}
			}
		}
	}
	slices.Sort(names)
	for _, n := range slices.Compact(names) {
		fmt.Fprintln(st.Out, n)
	}
	return nil
}

// containerID is the engine's ID of a container, "" if it has none.
func containerID(s corev1.ContainerStatus) string {
	return strings.TrimPrefix(s.ContainerID, "docker://")
}

func containerLine(snap *state.Status, p *corev1.Pod, s corev1.ContainerStatus) psContainerLine {
	l := psContainerLine{
		ID: containerID(s), Name: p.Name, Project: snap.Project, Service: displayName(p), Image: imageOf(p, s), State: composeState(s),
		Health: healthOf(p, s), Status: ui.PodStatus(p), CreatedAt: p.CreationTimestamp.Time, Publishers: []psPublisher{},
	}
	if len(p.Status.ContainerStatuses) > 1 {
		l.Name += "/" + s.Name
	}
	if t := s.State.Terminated; t != nil {
		l.ExitCode = t.ExitCode
	}
	for _, h := range snap.Bound {
		if h.Service == p.Labels[services.WorkloadLabel] || h.Service == l.Service {
			l.Publishers = append(l.Publishers, psPublisher{h.HostIP, h.Port, h.HostPort, strings.ToLower(string(h.Protocol))})
		}
	}
	return l
}

// healthOf is the health of a running container that has a health check or a readiness probe, in Docker's words; "" for others.
func healthOf(p *corev1.Pod, s corev1.ContainerStatus) string {
	if is, _ := state.Health(p); is != "" && is != services.HealthNone {
		return is
	}
	i := slices.IndexFunc(p.Spec.Containers, func(c corev1.Container) bool { return c.Name == s.Name })
	switch {
	case i < 0 || p.Spec.Containers[i].ReadinessProbe == nil || s.State.Running == nil:
		return ""
	case s.Ready:
		return "healthy"
	case s.Started == nil || !*s.Started:
		return "starting"
	}
	return "unhealthy"
}
