package screen

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/explain"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// explain completes the item of a workload that is not done: what it waits for, and since when.
func (v *View) explain(i *item, w state.Workload) {
	if at, stopped := v.stopped(w); stopped {
		i.mark, i.rank, i.text, i.since = held, rankWaiting, "stopped", at
		return
	}
	links := v.Chains[w.Name].Links
	if w.Right || len(links) == 0 {
		i.text, i.since = v.underWay(w)
		return
	}
	if w.Hold == nil || w.Hold.Kind != "dependency" || len(links) > 1 && links[1].Kind != "workload" {
		i.text, i.since = v.cause(w, links[len(links)-1])
		if w.Failed != "" {
			i.text = "failed, not tried again: " + i.text
		}
		return
	}
	names := v.waitsFor(w)
	i.since = w.Hold.Since
	last, _ := v.Status.Workload(names[len(names)-1])
	i.text = "waits for " + strings.Join(names, ", which waits for ")
	i.shorter = []string{i.text}
	if why := v.because(last); why != "" {
		i.text += " (" + why + ")"
	}
	if len(names) > 2 { // the first and the last say most
		i.shorter = append(i.shorter, fmt.Sprintf("waits for %s … %s", names[0], names[len(names)-1]))
	}
}

// stopped reports whether somebody stopped the pods of a workload that is not held, and when the first one ended.
func (v *View) stopped(w state.Workload) (at time.Time, stopped bool) {
	if w.Right || w.Hold != nil {
		return at, false
	}
	for _, p := range v.Status.PodsOf(w.Name) {
		if p.Status.Reason != services.ReasonStopped {
			return at, false
		}
		for _, c := range p.Status.ContainerStatuses {
			if t := c.State.Terminated; t != nil && at.IsZero() {
				at = t.FinishedAt.Time
			}
		}
		stopped = true
	}
	return at, stopped
}

// waitsFor are the names of what a held workload waits for, of what that waits for, and so on.
func (v *View) waitsFor(w state.Workload) (names []string) {
	for range v.Status.Workloads { // a cycle ends too
		if w.Right || w.Hold == nil || w.Hold.Kind != "dependency" {
			break
		}
		next, ok := v.Status.Workload(w.Hold.For)
		if !ok {
			return append(names, w.Hold.For)
		}
		names = append(names, next.Shown())
		w = next
	}
	return names
}

// because says in a few words why a workload that others wait for is not done, with the age of that.
func (v *View) because(w state.Workload) string {
	if w.Name == "" {
		return ""
	}
	i := item{}
	v.explain(&i, w)
	if !i.since.IsZero() && v.Now.Sub(i.since) >= time.Second {
		i.text += ", " + ui.Age(i.since, v.Now)
	}
	return i.text
}

// underWay describes a workload that needs only time.
func (v *View) underWay(w state.Workload) (text string, since time.Time) {
	if !w.Right {
		return podsReady(w) + "starting", since
	}
	for _, p := range v.Status.PodsOf(w.Name) {
		for _, c := range p.Status.ContainerStatuses {
			if r := c.State.Running; r != nil {
				return "running", r.StartedAt.Time
			}
		}
	}
	return "running", since
}

// podsReady counts the ready pods of a workload with several.
func podsReady(w state.Workload) string {
	if w.Want > 1 {
		return fmt.Sprintf("%d/%d ready, ", w.Ready, w.Want)
	}
	return ""
}

// cause describes the last link of a chain.
func (v *View) cause(w state.Workload, l explain.Link) (text string, since time.Time) {
	text = strings.TrimPrefix(strings.TrimPrefix(l.Text, "is "), "runs, but its ")
	if l.Kind == "workload" {
		return text, firstTime(l.Since, holdSince(w))
	}
	if found := crashLoop.FindStringSubmatch(l.Text); found != nil {
		text = fmt.Sprintf("%s, restarted %s times", found[2], found[1])
	}
	if l.Answer != "" {
		text = "not ready: " + probeAnswer(l.Answer)
	}
	if !l.Restart.IsZero() {
		text += "; " + nextStart(l.Restart, v.Now)
	}
	return podsReady(w) + text, l.Since
}

func holdSince(w state.Workload) time.Time {
	if w.Hold != nil {
		return w.Hold.Since
	}
	return time.Time{}
}

func firstTime(times ...time.Time) time.Time {
	for _, t := range times {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

func nextStart(at, now time.Time) string {
	if at.After(now) {
		return "next start in " + ui.Age(now, at)
	}
	return "next start now"
}

var (
	probePrefix = regexp.MustCompile(`^(Readiness|Liveness|Startup) probe (failed|errored)(: )?`)
	// crashLoop is what package explain says of a container that crashes again and again.
	crashLoop = regexp.MustCompile(`^is in CrashLoopBackOff after (\d+) restarts: it (.+)$`)
	dialError = regexp.MustCompile(`dial (?:tcp|udp) \S+: (?:connect: )?(.+)$`)
)

// probeAnswer is what a failing probe says, without what does not help: its kind, and the addresses of an error of the network.
func probeAnswer(text string) string {
	text = oneLine(probePrefix.ReplaceAllString(text, ""))
	if found := dialError.FindStringSubmatch(text); found != nil {
		return found[1]
	}
	return text
}

// readyPods counts what is right and what is wanted, in pods. A finished one-shot counts.
func readyPods(s *state.Status) (right, wanted int32) {
	for _, w := range s.Workloads {
		wanted += w.Want
		if w.Right {
			right += w.Want
		} else {
			right += min(w.Ready, w.Want)
		}
	}
	return right, wanted
}

// firstURL is the address of the first host port that browsers may open, else of the first one, without a scheme; "" without host ports.
func firstURL(s *state.Status) string {
	first := ""
	for _, h := range s.Bound {
		switch {
		case h.Protocol == corev1.ProtocolUDP:
		case !otherProtocols[h.Port]:
			return "http://" + h.Address()
		case first == "":
			first = h.Address()
		}
	}
	return first
}

// otherProtocols are ports of databases and brokers, which do not speak HTTP.
var otherProtocols = map[int32]bool{
	1433: true, 2181: true, 3306: true, 4222: true, 5432: true, 5672: true, 6379: true, 9042: true, 9092: true, 11211: true, 26379: true, 27017: true,
}
