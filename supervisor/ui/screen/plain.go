package screen

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// plain prints one line per change, with the seconds since the start or the stop began.
type plain struct {
	st    *ui.Streams
	quiet bool
	// endsTold: see Options.
	endsTold bool

	mu    sync.Mutex
	began time.Time
	seen  map[string]string
	// settled: only the stop is shown from now on, and what happens.
	settled bool
	// steps holds the last printed step of each workload, since when it, or a reminder of it, was printed.
	steps map[string]string
	since map[string]time.Time
	// answers is when the last answer of a failing probe was printed, by pod.
	answers map[string]time.Time
}

func newPlain(st *ui.Streams, quiet bool) *plain {
	return &plain{
		st: st, quiet: quiet, began: time.Now(), seen: map[string]string{}, steps: map[string]string{}, since: map[string]time.Time{}, answers: map[string]time.Time{},
	}
}

// line prints a text unless it was the last one of its key. mu is held.
func (p *plain) line(key, text string) {
	if p.seen[key] == text {
		return
	}
	p.seen[key] = text
	if !p.quiet && text != "" {
		fmt.Fprintf(p.st.Err, "%6.1fs  %s\n", time.Since(p.began).Seconds(), text)
	}
}

func (p *plain) Show(s *state.Status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	stopping := s.Phase == state.Stopping || s.Phase == state.Stopped
	if p.settled {
		if !stopping {
			return
		}
		p.settled, p.began = false, time.Now()
	}
	for _, b := range s.Builds {
		verb := buildVerb(b)
		text := verb + " " + b.Name + ": " + b.State
		if b.State == "done" || b.State == "current" {
			text += " (" + round(b.Took) + ")"
		}
		if b.State != "waiting" {
			p.line("build/"+b.Name, text)
		}
		if b.State == "running" && b.Step != "" {
			p.line("step/"+b.Name, verb+" "+b.Name+": "+b.Step)
		}
	}
	if stopping {
		p.showStopping(s)
		return
	}
	for _, w := range s.Workloads {
		p.showWorkload(s, w)
	}
	for _, w := range s.Warnings {
		p.line("warning/"+w, "warning: "+w)
	}
	p.line("engine", s.Engine)
}

func buildVerb(b state.Build) string {
	if b.Pull {
		return "pull"
	}
	return "build"
}

// patience is how long a workload may make no progress before a line says what it is waiting for.
const patience = 5 * time.Second

// showWorkload prints a line when a workload's step changes (another dependency, another number of ready pods, a problem) and,
// if it has not changed for a while, what the workload is waiting for.
func (p *plain) showWorkload(s *state.Status, w state.Workload) {
	if w.Have == 0 && w.Hold == nil && !w.Right {
		return
	}
	step := fmt.Sprint(w.Right, w.Ready, w.Want)
	text := fmt.Sprintf("%d/%d ready", w.Ready, w.Want)
	switch {
	case w.Right:
		text = describe(s, w)
		step += text
	case w.Hold != nil:
		step += w.Hold.For
		text = "waits for " + w.Hold.For
		if w.Hold.For == w.Name { // it waits for no other workload
			text = w.Hold.Reason
		}
	default:
		for _, pod := range s.PodsOf(w.Name) {
			word := ui.PodStatus(pod)
			if word == "Error" && p.endsTold {
				continue
			}
			if troubled[strings.TrimPrefix(word, "Init:")] {
				step, text = step+word, text+", "+services.ShownPod(pod)+" "+word
			}
		}
	}
	key := "workload/" + w.Name
	if p.steps[key] != step {
		p.steps[key], p.since[key] = step, time.Now()
		p.line(key, w.Shown()+": "+text)
		return
	}
	if !w.Right && time.Since(p.since[key]) > patience {
		p.since[key] = time.Now()
		p.line(key, w.Shown()+": "+describe(s, w))
	}
}

// troubled are the pod statuses that are printed at once.
var troubled = map[string]bool{
	"CrashLoopBackOff": true, "Error": true, "OOMKilled": true, "ImagePullBackOff": true, "ErrImagePull": true,
	"ErrImageNeverPull": true, "InvalidImageName": true, "CreateContainerConfigError": true, "CreateContainerError": true,
	"RunContainerError": true, "PostStartHookError": true, "StartError": true,
}

func (p *plain) showStopping(s *state.Status) {
	alive := map[string]bool{}
	for _, pod := range s.Pods {
		name := services.ShownPod(pod)
		alive[name] = true
		switch {
		case pod.DeletionTimestamp != nil:
			p.line("pod/"+name, "stopping "+name+graceOf(pod))
		case pod.Status.Reason == services.ReasonStopped:
			p.line("kept/"+name, name+" is stopped")
		}
	}
	for key := range p.seen {
		if name, ok := strings.CutPrefix(key, "pod/"); ok && !alive[name] {
			p.line(key, name+" is gone")
		}
	}
}

// graceOf formats the grace period of a pod that is being stopped.
func graceOf(p *corev1.Pod) string {
	if g := p.DeletionGracePeriodSeconds; g != nil && *g > 1 {
		return fmt.Sprintf(" (grace %ds)", *g)
	}
	return ""
}

func (p *plain) Event(e state.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.settled && e.Type == corev1.EventTypeWarning && p.worthTelling(e) {
		p.line(fmt.Sprint("event/", e.Kind, e.Name, e.Reason), eventText(e))
	}
}

func (p *plain) Note(text string) {
	if !p.quiet {
		fmt.Fprintln(p.st.Err, text)
	}
}

func (p *plain) Warn(text string) {
	fmt.Fprintf(p.st.Err, "%s %s\n", p.st.Paint(ui.Yellow, "warning:"), text)
}

// Happened implements Progress.
func (p *plain) Happened(h Happening) {
	if !p.quiet {
		fmt.Fprintln(p.st.Err, happened(p.st, h))
	}
}

// Logs implements Progress.
func (p *plain) Logs() io.Writer { return LogsTo(p.st) }

// Settle implements Progress.
func (p *plain) Settle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settled = true
}

// Close implements Progress.
func (p *plain) Close() {}

// answerPause is the least time between two answers of the failing probes of one pod.
const answerPause = 10 * time.Second

// worthTelling leaves out events of a normal start, ends of containers, which the line of the workload tells, and answers of failing
// probes that come soon after the last one. mu is held.
func (p *plain) worthTelling(e state.Event) bool {
	switch e.Reason {
	case "Exited":
		return false
	case "Unhealthy":
		last, told := p.answers[e.Name]
		early := e.Count < 3 && time.Since(p.began) < patience
		if p.seen[fmt.Sprint("event/", e.Kind, e.Name, e.Reason)] == eventText(e) || early || told && time.Since(last) < answerPause {
			return false
		}
		p.answers[e.Name] = time.Now()
	}
	return true
}

func eventText(e state.Event) string {
	return fmt.Sprintf("%s: %s: %s", e.Name, e.Reason, oneLine(e.Message))
}

// describe describes the state of a workload in a few words.
func describe(s *state.Status, w state.Workload) string {
	switch {
	case w.Right && w.Runs != nil:
		return ui.Runs(*w.Runs, time.Now())
	case w.Right && finished(s, w):
		return "finished"
	case awaited(s, w):
		return "running"
	case w.Right:
		return fmt.Sprintf("ready (%d/%d)", w.Ready, w.Want)
	case w.Hold != nil:
		return w.Hold.Reason
	}
	text := fmt.Sprintf("%d/%d ready", w.Ready, w.Want)
	for _, p := range s.PodsOf(w.Name) {
		if why := ui.PodStatus(p); why != "Running" || !state.PodReady(p) {
			text += ", " + services.ShownPod(p) + " " + why
			if m := state.NotRight(p); m != "" {
				text += " (" + oneLine(m) + ")"
			}
			break
		}
	}
	return text
}

func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 300 {
		s = strings.ToValidUTF8(s[:300], "") + "..."
	}
	return s
}

// firstLine is the first line of a text that is not empty.
func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return strings.TrimSpace(s)
}

func round(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
