package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// hopelessRestarts is the number of crashes of a container after which --wait gives up.
const hopelessRestarts = 3

// started reports whether no workload is held back, all desired pods exist and none of them is pending.
func started(s *state.Status) bool {
	for _, w := range s.Workloads {
		if w.Right {
			continue
		}
		if w.Hold != nil || w.Have < w.Want {
			return false
		}
		for _, p := range s.PodsOf(w.Name) {
			if p.Status.Phase == corev1.PodPending || p.Status.Phase == "" {
				return false
			}
		}
	}
	return true
}

// A container without a readiness probe is ready as soon as it runs, even if it exits right afterwards. If such a container
// is younger than young, readiness is checked again after moment. (Kubernetes' times have a resolution of one second.)
const (
	young  = 1500 * time.Millisecond
	moment = 400 * time.Millisecond
)

// unproved reports whether a container without a readiness probe started less than young ago.
func unproved(s *state.Status) bool {
	for _, p := range s.Pods {
		for _, c := range p.Spec.Containers {
			for _, have := range p.Status.ContainerStatuses {
				r := have.State.Running
				if have.Name == c.Name && r != nil && c.ReadinessProbe == nil && time.Since(r.StartedAt.Time) < young {
					return true
				}
			}
		}
	}
	return false
}

// unfinished returns a check whether a one-shot has not succeeded yet that a workload of the stack depends on with
// service_completed_successfully. `docker compose up --wait` waits for these to succeed, and for all other services only to run: a
// plain one-shot counts as ready while it runs, and what depends on it may be running since a former up.
func unfinished(stack *services.Stack) func(*state.Status) bool {
	return func(s *state.Status) bool {
		for _, x := range stack.Workloads {
			if _, runs := s.Workload(x.Name()); !runs {
				continue // not part of this up
			}
			for _, d := range x.DependsOn {
				if d.Condition == services.Completed && !succeeded(s, d.Workload) {
					return true
				}
			}
		}
		return false
	}
}

// succeeded reports whether all pods of a plain service have ended with success. It is true for workloads of other kinds, whose
// readiness says it.
func succeeded(s *state.Status, workload string) bool {
	w, ok := s.Workload(workload)
	if !ok || w.Kind != services.ComposeServiceKind.Kind {
		return true
	}
	done := int32(0)
	for _, p := range s.PodsOf(workload) {
		if w.Wanted(p) && p.Status.Phase == corev1.PodSucceeded {
			done++
		}
	}
	return done >= w.Want
}

// hopeless returns why the stack cannot become ready without intervention, "" if it still may.
func hopeless(s *state.Status) string {
	for _, w := range s.Workloads {
		if w.Failed != "" && !w.Leaving {
			return w.Name + " has failed and is not tried again: " + w.Failed
		}
	}
	for _, p := range s.Pods {
		if !counts(s, p) {
			continue
		}
		for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
			if why := hopelessContainer(p, c); why != "" {
				return why
			}
		}
		if is, said := state.Health(p); is == services.HealthUnhealthy {
			return strings.TrimSuffix(fmt.Sprintf("pod %s is unhealthy: %s", p.Name, said), ": ")
		}
		if p.Status.Reason == services.ReasonPostStart {
			return fmt.Sprintf("pod %s: %s", p.Name, p.Status.Message)
		}
		if w, _ := s.Workload(p.Labels[services.WorkloadLabel]); p.Status.Phase == corev1.PodFailed && (len(p.OwnerReferences) == 0 || w.Kind == "ComposeService") {
			return fmt.Sprintf("pod %s has failed (%s); see `lyandev logs %s`", p.Name, ui.PodStatus(p), p.Name)
		}
	}
	return ""
}

// counts reports whether a pod matters to the applied stack: it is not being deleted or replaced, nor a run that nothing waits for.
func counts(s *state.Status, p *corev1.Pod) bool {
	w, ok := s.Workload(p.Labels[services.WorkloadLabel])
	return p.DeletionTimestamp == nil && (!ok || w.Wanted(p) && w.Kind != "CronJob")
}

// blocked returns why something of the stack will not start without intervention, "" if it still may: what it depends on has failed
// for good, or its container cannot be made.
func blocked(s *state.Status) string {
	for _, w := range s.Workloads {
		if w.Hold != nil && w.Hold.Never != "" && !w.Leaving {
			return w.Hold.Never
		}
	}
	for _, p := range s.Pods {
		if p.Status.Phase != corev1.PodPending || !counts(s, p) {
			continue
		}
		for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
			if why := hopelessContainer(p, c); why != "" {
				return why
			}
		}
	}
	return ""
}

// hopelessContainer returns why a container will not run without intervention, "" if it still may.
func hopelessContainer(p *corev1.Pod, c corev1.ContainerStatus) string {
	w := c.State.Waiting
	if w == nil {
		return ""
	}
	switch w.Reason {
	case "CrashLoopBackOff":
		if t := c.LastTerminationState.Terminated; c.RestartCount >= hopelessRestarts-1 && t != nil {
			return fmt.Sprintf("container %s of pod %s exits with %d again and again%s; see `lyandev logs %s`",
				c.Name, p.Name, t.ExitCode, lastWords(t), p.Name)
		}
	case services.ReasonInvalid:
		return fmt.Sprintf("pod %s cannot start: %s", p.Name, w.Message)
	case "ErrImageNeverPull", "InvalidImageName", "ImagePullBackOff":
		return fmt.Sprintf("container %s of pod %s: %s: %s", c.Name, p.Name, w.Reason, w.Message)
	}
	return ""
}

func lastWords(t *corev1.ContainerStateTerminated) string {
	if t.Message == "" {
		return ""
	}
	return ":\n" + t.Message + "\n"
}
