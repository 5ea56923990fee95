package explain

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// A container is unstable if it has been restarted at least unstableRestarts times, the last time within unstableFor. That is the
// time after which the kubelet forgets a container's back-off (R72).
const (
	unstableRestarts = 2
	unstableFor      = 10 * time.Minute
)

// unstable describes the ready containers of pods that restart again and again, a sentence each.
func (f Facts) unstable(pods []*corev1.Pod) []string {
	var out []string
	for _, p := range pods {
		if p.DeletionTimestamp != nil || !state.PodReady(p) {
			continue
		}
		for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
			last := s.LastTerminationState.Terminated
			if s.State.Running == nil || last == nil || last.Reason == services.ReasonRestarted || s.RestartCount < unstableRestarts || f.Now.Sub(last.FinishedAt.Time) > unstableFor {
				continue
			}
			out = append(out, fmt.Sprintf("container %s of pod %s is ready now, but restarted %d times in %s; last: %s",
				s.Name, p.Name, s.RestartCount, ui.Age(p.CreationTimestamp.Time, f.Now), f.lastEnd(p, s.Name, last)))
		}
	}
	return out
}

var statusCode = regexp.MustCompile(`statuscode: (\d+)`)

// lastEnd says why a container ended: its liveness or startup probe, or by itself.
func (f Facts) lastEnd(p *corev1.Pod, container string, t *corev1.ContainerStateTerminated) string {
	var last state.Event
	for _, e := range f.events("Pod", p.Name) {
		probe := strings.HasPrefix(e.Message, "Liveness probe failed") || strings.HasPrefix(e.Message, "Startup probe failed")
		if e.Reason == "Unhealthy" && probe && (e.Container == container || e.Container == "") {
			last = e
		}
	}
	killed := slices.ContainsFunc(f.events("Pod", p.Name), func(e state.Event) bool {
		return e.Reason == "Killing" && strings.Contains(e.Message, "failed") && (e.Container == container || e.Container == "") && !e.Last.Before(t.StartedAt.Time)
	})
	if !killed || last.Count == 0 {
		return exitText(t)
	}
	kind, answer, _ := strings.Cut(last.Message, " probe failed")
	text := strings.ToLower(kind) + " failed"
	if code := statusCode.FindStringSubmatch(answer); code != nil {
		return text + " (" + code[1] + ")"
	}
	if answer = lastLine(strings.TrimSpace(strings.TrimPrefix(answer, ":"))); answer != "" {
		text += ": " + answer
	}
	return text
}
