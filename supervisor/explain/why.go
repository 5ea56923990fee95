package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lyandev/lyandev/supervisor/state"
)

// Answer says what something waits for.
type Answer struct {
	// Subject is what was asked about: a workload, a pod, or "" for the stack.
	Subject string `json:"subject,omitempty"`
	// Waits is false when there is nothing to wait for.
	Waits bool `json:"waits"`
	// Summary is the answer in one sentence, without a full stop.
	Summary string `json:"summary"`
	// Chain leads from the subject to the cause, which is the last link. Empty when nothing waits.
	Chain []Link `json:"chain,omitempty"`
	// Next says what a person can do.
	Next string `json:"next,omitempty"`
	// Advice is what may go wrong with the subject though nothing is wrong now; see Advise.
	Advice []string `json:"advice,omitempty"`
}

// Link is one step of the way to the cause.
type Link struct {
	// Kind is "engine", "build", "workload", "pod", "container", "operator"; Name the object's.
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Text says what it waits for or what is wrong with it, as the end of a sentence that begins with the name.
	Text string `json:"text"`
	// Since is when that began; zero if unknown.
	Since time.Time `json:"since,omitzero"`
	// Answer is the last answer of the probe concerned, with AnswerAt and AnswerCount.
	Answer      string    `json:"answer,omitempty"`
	AnswerAt    time.Time `json:"answerAt,omitzero"`
	AnswerCount int       `json:"answerCount,omitempty"`
	// Restart is when the container is started again; zero if it is not waiting for that.
	Restart time.Time `json:"restart,omitzero"`
}

// Why says what a workload or pod waits for, or with name "" what keeps the stack from being ready. Secrets that programs
// said are masked. An unknown name is an *UnknownError.
func Why(f Facts, name string) (Answer, error) {
	a, err := f.why(name)
	for _, line := range f.Snapshot.Advice {
		if subject := cmp.Or(f.workloadName(name), name); subject == "" || strings.HasPrefix(line, subject+" ") {
			a.Advice = append(a.Advice, line)
		}
	}
	m := Masker(f.Snapshot)
	a.Summary = m.String(a.Summary)
	for i := range a.Chain {
		a.Chain[i].Text, a.Chain[i].Answer = m.String(a.Chain[i].Text), m.String(a.Chain[i].Answer)
	}
	return a, err
}

// workloadName is the workload of a pod of that name, "" if it is none.
func (f Facts) workloadName(pod string) string {
	if p := f.Snapshot.Pod(pod); p != nil {
		return workloadOf(p)
	}
	return ""
}

func (f Facts) why(name string) (Answer, error) {
	if name == "" {
		return f.stack(), nil
	}
	a := Answer{Subject: name}
	if w, ok := f.Snapshot.Workload(name); ok {
		a.Chain = f.workload(w, nil)
	} else if p := f.Snapshot.Pod(name); p != nil {
		a.Chain = f.pod(p)
		if w, ok := f.Snapshot.Workload(workloadOf(p)); ok && len(a.Chain) > 0 && w.Hold != nil {
			a.Chain = append(a.Chain, f.workload(w, nil)...)
		}
	} else {
		return a, &UnknownError{Verb: "say why", Name: name, Known: f.names()}
	}
	if l, away := f.engineAway(); away {
		a.Chain = append([]Link{l}, a.Chain...)
	}
	f.conclude(&a)
	return a, nil
}

// conclude writes the summary of a chain.
func (f Facts) conclude(a *Answer) {
	if len(a.Chain) == 0 {
		a.Summary = a.Subject + " waits for nothing: it is " + f.rightWord(a.Subject)
		return
	}
	a.Waits = true
	first := a.Chain[0]
	a.Summary = first.Name + " " + first.Text + f.since(first)
	a.Next = f.advice(a.Chain)
}

// rightWord is how a workload or pod that waits for nothing is.
func (f Facts) rightWord(name string) string {
	w, ok := f.Snapshot.Workload(name)
	switch {
	case ok && w.Want == 0:
		return "wanted with no pods"
	case ok && w.Ready == 0:
		return "done"
	case ok:
		return fmt.Sprintf("right, with %d of %d pods ready", w.Ready, w.Want)
	}
	if p := f.Snapshot.Pod(name); p != nil && !state.PodReady(p) {
		return "done"
	}
	return "ready"
}

// stack answers for the whole: the first thing that is not right, and the cause behind it.
func (f Facts) stack() Answer {
	s := f.Snapshot
	a := Answer{Chain: f.stackChain()}
	switch {
	case len(a.Chain) == 0 && s.Phase == state.Stopped:
		a.Summary = "nothing runs"
	case len(a.Chain) == 0 && s.Phase == state.Ready:
		a.Summary = fmt.Sprintf("nothing waits: %s is ready, with %d workloads right", s.Project, len(s.Workloads))
	case len(a.Chain) == 0:
		a.Waits = true
		a.Summary = fmt.Sprintf("%s is %s: %s", s.Project, s.Phase, cmp.Or(s.Message, "the supervisor has only begun to look"))
	default:
		f.conclude(&a)
		cause := a.Chain[len(a.Chain)-1]
		a.Summary = fmt.Sprintf("%s is %s, because %s %s%s", s.Project, s.Phase, cause.Name, cause.Text, f.since(cause))
	}
	return a
}

func (f Facts) stackChain() []Link {
	s := f.Snapshot
	if l, away := f.engineAway(); away {
		return []Link{l}
	}
	if s.Phase == state.Stopping || s.Phase == state.Stopped {
		return nil
	}
	for _, b := range s.Builds {
		if b.State == "running" || b.State == "waiting" || b.State == "failed" {
			if l := buildLink(b); b.State == "failed" || len(s.Workloads) == 0 {
				return []Link{l}
			}
		}
	}
	for _, w := range s.Workloads {
		if !w.Right {
			if chain := f.workload(w, nil); len(chain) > 0 {
				return chain
			}
		}
	}
	for _, name := range sortedKeys(s.Operators) {
		if v := s.Operators[name]; !v.Right {
			return []Link{{Kind: "operator", Name: "operator " + name, Text: "is not content: " + v.Message}}
		}
	}
	for _, text := range s.Warnings {
		if strings.HasPrefix(text, state.ConnectionsWait) {
			return []Link{{Kind: "agent", Name: "the agent", Text: "has no room: " + text}}
		}
	}
	return f.pausedPod(s.Pods)
}

// engineAway is that the engine does not answer, which comes before everything else: nothing can be done, and what is known
// is of before.
func (f Facts) engineAway() (l Link, away bool) {
	const engine = "the Docker engine"
	s := f.Snapshot
	return Link{Kind: "engine", Name: engine, Text: strings.TrimPrefix(s.Engine, engine+" ")}, s.Engine != ""
}

func buildLink(b state.Build) Link {
	l := Link{Kind: "build", Name: "image " + b.Name, Since: b.Started}
	switch b.State {
	case "failed":
		l.Text = "could not be built: " + cmp.Or(b.Error, b.Step)
	case "waiting":
		l.Text = "waits to be built"
	default:
		l.Text = "is being built"
		if b.Step != "" {
			l.Text += " (" + b.Step + ")"
		}
	}
	return l
}

// workload follows what a workload waits for; seen are the workloads on the way, against cycles.
func (f Facts) workload(w state.Workload, seen []string) []Link {
	if slices.Contains(seen, w.Name) {
		return nil
	}
	if w.Right {
		return f.pausedPod(f.Snapshot.PodsOf(w.Name))
	}
	seen = append(seen, w.Name)
	if w.Hold != nil && w.Hold.Kind != "dependency" {
		return f.held(w, seen)
	}
	var chain []Link
	for _, p := range f.Snapshot.PodsOf(w.Name) {
		if w.Hold != nil && isHeld(p) {
			continue // it waits for the same
		}
		if pod := f.pod(p); len(pod) > 0 && (p.DeletionTimestamp == nil || len(chain) == 0) {
			chain = pod
			if p.DeletionTimestamp == nil {
				break
			}
		}
	}
	if w.Hold != nil && len(chain) == 0 { // pods that run in spite of it are wrong for reasons of their own
		return f.held(w, seen)
	}
	l := Link{Kind: "workload", Name: w.Name, Text: counted(w)}
	for _, s := range f.Snapshot.Warnings {
		if strings.HasPrefix(s, "rollout of "+w.Name+" ") {
			l.Text += "; " + s
		}
	}
	return append([]Link{l}, chain...)
}

// held is a workload with a Hold: what it waits for, and why that is not there yet.
func (f Facts) held(w state.Workload, seen []string) []Link {
	h := w.Hold
	text, _, _ := strings.Cut(h.Reason, ", which ") // the rest is the next link's
	chain := []Link{{Kind: "workload", Name: w.Name, Text: text, Since: h.Since}}
	if h.Kind != "dependency" {
		return chain
	}
	if other, ok := f.Snapshot.Workload(h.For); ok {
		return append(chain, f.workload(other, seen)...)
	}
	return chain
}

// counted says what of a workload's pods is missing.
func counted(w state.Workload) string {
	switch {
	case w.Have > w.Want:
		return fmt.Sprintf("has %d pods and wants %d: the others are still ending", w.Have, w.Want)
	case w.Have < w.Want && w.Ready == w.Have:
		return fmt.Sprintf("has %d of %d pods, and the next one is being made", w.Have, w.Want)
	case w.Ready >= w.Want && w.Updated < w.Want:
		return fmt.Sprintf("is being rolled out: %d of %d pods are of the current version", w.Updated, w.Want)
	}
	return fmt.Sprintf("has %d of %d pods ready", w.Ready, w.Want)
}

// since is " for 12s", "" if that is not known.
func (f Facts) since(l Link) string {
	if l.Since.IsZero() || f.Now.Sub(l.Since) < time.Second {
		return ""
	}
	return ", for " + f.ago(l.Since)
}

// Text is the answer for people, with a full stop and a line a link.
func (a Answer) Text(now time.Time) string {
	f := Facts{Now: now}
	var b strings.Builder
	fmt.Fprintf(&b, "%s.\n", a.Summary)
	for n, l := range a.Chain {
		if n > 0 || a.Subject == "" {
			fmt.Fprintf(&b, "  %s %s%s\n", l.Name, l.Text, f.since(l))
		}
		if l.Answer != "" {
			fmt.Fprintf(&b, "    the probe's last answer (%s):\n", f.times(state.Event{Last: l.AnswerAt, Count: l.AnswerCount, First: l.Since}))
			for line := range strings.Lines(strings.TrimRight(l.Answer, "\n")) {
				fmt.Fprintf(&b, "      %s\n", strings.TrimRight(line, "\n"))
			}
		}
		if !l.Restart.IsZero() {
			fmt.Fprintf(&b, "    %s\n", f.restart(l.Restart))
		}
	}
	if a.Next != "" {
		fmt.Fprintf(&b, "See: %s\n", a.Next)
	}
	for _, line := range a.Advice {
		fmt.Fprintf(&b, "Advice: %s\n", line)
	}
	return b.String()
}

func (f Facts) restart(at time.Time) string {
	if wait := at.Sub(f.Now); wait >= time.Second {
		return fmt.Sprintf("next start in %ds, at %s", int(wait.Round(time.Second).Seconds()), f.clock(at))
	}
	return "the next start is due now"
}
