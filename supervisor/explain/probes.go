package explain

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/probe"
)

// ProbeResult is a probe of a container and its latest result.
type ProbeResult struct {
	Container string `json:"container"`
	// Type is Startup, Readiness or Liveness. Spec is the probe's configuration in one line.
	Type string `json:"type"`
	Spec string `json:"spec"`
	// Result is "success", "failure" (the failure threshold was reached, or the probe has never succeeded) or "unknown" (the
	// container is not running, or the startup probe has not succeeded yet).
	Result string `json:"result"`
	// Last is the last try, nil if there was none or it is not known.
	Last *probe.Answer `json:"last,omitempty"`
	// Answer is the last answer from this instance of the container that was not a success, with its time and count.
	Answer      string    `json:"answer,omitempty"`
	AnswerAt    time.Time `json:"answerAt,omitzero"`
	AnswerCount int       `json:"answerCount,omitempty"`
}

// probes returns the probes of a pod with their results, in the container order of the spec.
func (f Facts) probes(p *corev1.Pod) []ProbeResult {
	out := []ProbeResult{}
	for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
		s := statusOf(p, c.Name)
		for _, typ := range []probe.Type{probe.Liveness, probe.Readiness, probe.Startup} {
			spec := typ.Of(&c)
			if spec == nil {
				continue
			}
			r := ProbeResult{Container: c.Name, Type: string(typ), Spec: probeLine(spec), Result: resultOf(typ, c, s)}
			if tries := f.tries(p.Name, c.Name, typ); len(tries) > 0 {
				r.Last = &tries[len(tries)-1]
			}
			if e, ok := f.answer(p, c.Name, typ); ok && s.State.Running != nil && !e.Last.Before(s.State.Running.StartedAt.Time) {
				r.Answer, r.AnswerAt, r.AnswerCount = e.Message, e.Last, e.Count
			}
			out = append(out, r)
		}
	}
	return out
}

func statusOf(p *corev1.Pod, container string) corev1.ContainerStatus {
	for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if s.Name == container {
			return s
		}
	}
	return corev1.ContainerStatus{}
}

// resultOf derives a probe's result from the container status: readiness from ready, startup from started. A container that
// failed its liveness probe was killed (R80), so liveness of a running container is a success.
func resultOf(typ probe.Type, c corev1.Container, s corev1.ContainerStatus) string {
	started := s.Started != nil && *s.Started
	switch {
	case s.State.Running == nil, typ != probe.Startup && c.StartupProbe != nil && !started:
		return "unknown"
	case typ == probe.Readiness && !s.Ready, typ == probe.Startup && !started:
		return "failure"
	}
	return "success"
}

// probeLine formats a probe as `kubectl describe` does: the handler, then the five numbers (R30).
func probeLine(x *corev1.Probe) string {
	or := func(v, def int32) int32 { return cmp.Or(v, def) }
	return fmt.Sprintf("%s delay=%ds timeout=%ds period=%ds #success=%d #failure=%d", handlerText(x.ProbeHandler),
		x.InitialDelaySeconds, or(x.TimeoutSeconds, 1), or(x.PeriodSeconds, 10), or(x.SuccessThreshold, 1), or(x.FailureThreshold, 3))
}

func handlerText(h corev1.ProbeHandler) string {
	switch {
	case h.Exec != nil:
		return fmt.Sprintf("exec %q", h.Exec.Command)
	case h.HTTPGet != nil:
		u := url.URL{
			Scheme: strings.ToLower(string(cmp.Or(h.HTTPGet.Scheme, corev1.URISchemeHTTP))),
			Host:   h.HTTPGet.Host + ":" + h.HTTPGet.Port.String(),
		}
		return "http-get " + u.String() + h.HTTPGet.Path
	case h.TCPSocket != nil:
		return "tcp-socket " + h.TCPSocket.Host + ":" + h.TCPSocket.Port.String()
	case h.GRPC != nil:
		text := fmt.Sprintf("grpc <pod>:%d", h.GRPC.Port)
		if h.GRPC.Service != nil && *h.GRPC.Service != "" {
			text += " " + *h.GRPC.Service
		}
		return text
	}
	return "unknown"
}

func (d PodDescription) probeRows(f Facts, out *page, c corev1.Container) {
	for _, r := range d.Probes {
		if r.Container != c.Name {
			continue
		}
		out.row(2, r.Type, r.Spec)
		if r.Result == "" {
			continue
		}
		text := r.Result
		if r.Last != nil {
			text += fmt.Sprintf("; last try %s ago: %s in %s", f.ago(r.Last.At), r.Last.Verdict, r.Last.Took.Round(100*time.Microsecond))
		}
		if r.Answer != "" {
			text += fmt.Sprintf("; last failure %s ago (%d times): %s", f.ago(r.AnswerAt), r.AnswerCount, strings.TrimRight(r.Answer, "\n"))
		}
		out.row(3, "Result", text)
	}
}
