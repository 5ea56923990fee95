package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// Answer is the answer to `why`: what the subject is waiting for.
type Answer struct {
	// Subject is the name of a workload or pod, or "" for the whole stack.
	Subject string `json:"subject,omitempty"`
	// Waits is true if the subject is waiting for something.
	Waits bool `json:"waits"`
	// Summary is the answer in one sentence, without a full stop.
	Summary string `json:"summary"`
	// Chain leads from the subject to the cause, which is the last link. It is empty if Waits is false.
	Chain []Link `json:"chain,omitempty"`
	// Next is a command that shows more about the cause, or "".
	Next string `json:"next,omitempty"`
	// Others are the other services that are not right, if Subject is "", the worst first.
	Others []Cause `json:"others,omitempty"`
	// Unstable describes containers that are ready now but restart again and again.
	Unstable []string `json:"unstable,omitempty"`
	// Deaf says of published ports that nothing listens behind them.
	Deaf []string `json:"deaf,omitempty"`
	// Advice holds the warnings of Advise about the subject.
	Advice []string `json:"advice,omitempty"`
}

// Link is one step on the way to the cause.
type Link struct {
	// Kind is "engine", "build", "workload", "pod", "container", "operator" or "agent". Name is the object's display name.
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Text is what the object is waiting for or what is wrong with it: a predicate whose subject is Name.
	Text string `json:"text"`
	// Since is when this state began; zero if unknown.
	Since time.Time `json:"since,omitzero"`
	// Asks is what the probe concerned asks, Answer its last answer, with AnswerAt and AnswerCount.
	Asks        string    `json:"asks,omitempty"`
	Answer      string    `json:"answer,omitempty"`
	AnswerAt    time.Time `json:"answerAt,omitzero"`
	AnswerCount int       `json:"answerCount,omitempty"`
	// Restart is when the container is restarted; zero if it is not in back-off.
	Restart time.Time `json:"restart,omitzero"`
	// LastLines are the last lines of the log of a container that ended.
	LastLines []string `json:"lastLines,omitempty"`

	// pod and container are those of a link of kind container. ended: it has exited, and Since is when. bad: more than time is
	// needed. final: it does not get right without somebody.
	pod, container    string
	ended, bad, final bool
}

// Why returns what a workload or pod is waiting for, or with name "" what keeps the stack from being ready. Secrets in
// program output are masked. The error is an *UnknownError if nothing has that name.
func Why(f Facts, name string) (Answer, error) {
	a, err := f.why(name)
	for _, line := range f.Snapshot.Advice {
		if subject := cmp.Or(f.workloadName(name), name); subject == "" || strings.HasPrefix(line, subject+" ") {
			a.Advice = append(a.Advice, line)
		}
	}
	for _, text := range f.Deaf {
		if subject := cmp.Or(f.workloadName(name), name); subject == "" || strings.HasSuffix(strings.TrimSuffix(text, " yet"), " in "+subject) {
			a.Deaf = append(a.Deaf, text)
		}
	}
	a.Advice = append(a.Advice, f.localhostAdvice()...)
	a.Advice = append(a.Advice, f.pausedProbes(f.podsOf(name))...)
	m := Masker(f.Snapshot)
	for _, text := range f.unstable(f.podsOf(name)) {
		a.Unstable = append(a.Unstable, m.String(text))
	}
	if len(a.Unstable) > 0 && !a.Waits {
		a.Summary += ", but restarts again and again"
	}
	a.Summary = m.String(a.Summary)
	for i := range a.Chain {
		a.Chain[i].Text, a.Chain[i].Answer = m.String(a.Chain[i].Text), m.String(a.Chain[i].Answer)
		for k, line := range a.Chain[i].LastLines {
			a.Chain[i].LastLines[k] = m.String(line)
		}
	}
	return a, err
}

// podsOf returns the pods of a workload, or the pod, of a name; all with "".
func (f Facts) podsOf(name string) []*corev1.Pod {
	if name == "" {
		return f.Snapshot.Pods
	}
	if p := f.Snapshot.Pod(name); p != nil {
		return []*corev1.Pod{p}
	}
	return f.Snapshot.PodsOf(name)
}

// workloadName returns the workload of a pod, "" if there is no pod of that name.
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
		return a, &UnknownError{Verb: "explain", Name: name, Known: f.names()}
	}
	if len(a.Chain) == 0 {
		a.Chain = f.edit(cmp.Or(f.workloadName(name), name))
	}
	if l, away := f.engineAway(); away {
		a.Chain = append([]Link{l}, a.Chain...)
	}
	f.conclude(&a)
	return a, nil
}

// conclude fills in the summary and the next step from the chain.
func (f Facts) conclude(a *Answer) {
	if len(a.Chain) == 0 {
		a.Summary = a.Subject + " is not waiting for anything: it is " + f.rightWord(a.Subject)
		return
	}
	a.Waits = true
	f.quote(a.Chain)
	first := a.Chain[0]
	a.Summary = first.Name + " " + first.Text + f.since(first)
	a.Next = f.advice(a.Chain)
}

// rightWord describes the state of a workload or pod that is not waiting.
func (f Facts) rightWord(name string) string {
	w, ok := f.Snapshot.Workload(name)
	switch {
	case ok && w.Runs != nil:
		return "right: " + ui.Runs(*w.Runs, f.Now)
	case ok && w.Want == 0:
		return "scaled to 0 pods"
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

// stack answers for the whole stack: the first object that is not right, and its cause.
func (f Facts) stack() Answer {
	s := f.Snapshot
	a := Answer{Chain: f.stackChain()}
	switch {
	case len(a.Chain) == 0 && s.Phase == state.Stopped:
		a.Summary = "nothing is running"
	case len(a.Chain) == 0 && s.Phase == state.Ready:
		a.Summary = fmt.Sprintf("nothing is waiting: %s is ready (workloads: %d)", s.Project, len(s.Workloads))
	case len(a.Chain) == 0:
		a.Waits = true
		a.Summary = fmt.Sprintf("%s is %s: %s", s.Project, s.Phase, cmp.Or(s.Message, "the supervisor has just started and has not observed the stack yet"))
	default:
		f.conclude(&a)
		cause := a.Chain[len(a.Chain)-1]
		a.Others = f.others(a.Chain)
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
	if chain := f.worst(); len(chain) > 0 {
		return chain
	}
	for _, name := range sortedKeys(s.Operators) {
		if v := s.Operators[name]; !v.Right {
			return []Link{{Kind: "operator", Name: "operator " + name, Text: "reports a problem: " + v.Message}}
		}
	}
	for _, text := range s.Warnings {
		if strings.HasPrefix(text, state.ConnectionsWait) {
			return []Link{{Kind: "agent", Name: "the agent", Text: "is at its connection limit: " + text}}
		}
	}
	if chain := f.pausedPod(s.Pods); len(chain) > 0 {
		return chain
	}
	return f.edit("")
}

// worst is the first chain that leads to the service that is worst broken (Broken), else that of the first one that is not right.
func (f Facts) worst() []Link {
	quiet := f
	quiet.LastLines = nil // conclude quotes
	broken := Broken(quiet)
	var first []Link
	for _, w := range f.Snapshot.Workloads {
		if w.Right {
			continue
		}
		chain := f.workload(w, nil)
		if len(broken) > 0 && passes(chain, broken[0].Workload) {
			return chain
		}
		if len(first) == 0 {
			first = chain
		}
	}
	return first
}

// passes reports whether a chain passes through a workload.
func passes(chain []Link, workload string) bool {
	return slices.ContainsFunc(chain, func(l Link) bool { return l.Kind == "workload" && l.Name == workload })
}

// others are the broken services besides that of a chain.
func (f Facts) others(chain []Link) []Cause {
	if chain[0].Kind != "workload" {
		return nil
	}
	return slices.DeleteFunc(Broken(f), func(c Cause) bool { return passes(chain, c.Workload) })
}

// engineAway reports an unreachable engine. It outranks all other causes: nothing can be changed, and the known state is
// stale.
func (f Facts) engineAway() (l Link, away bool) {
	const engine = "the Docker engine"
	s := f.Snapshot
	return Link{Kind: "engine", Name: engine, Text: strings.TrimPrefix(s.Engine, engine+" ")}, s.Engine != ""
}

func buildLink(b state.Build) Link {
	l := Link{Kind: "build", Name: "image " + b.Name, Since: b.Started}
	switch b.State {
	case "failed":
		l.Text = "failed to build: " + cmp.Or(b.Error, b.Step)
	case "waiting":
		l.Text = "is waiting to be built"
	default:
		l.Text = "is being built"
		if b.Step != "" {
			l.Text += " (" + b.Step + ")"
		}
	}
	return l
}

// workload follows what a workload is waiting for. seen holds the workloads visited so far, to stop at cycles.
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
			continue // held by the same dependency
		}
		if pod := f.pod(p); len(pod) > 0 && (p.DeletionTimestamp == nil || len(chain) == 0) {
			chain = pod
			if p.DeletionTimestamp == nil {
				break
			}
		}
	}
	if w.Hold != nil && len(chain) == 0 { // otherwise pods run despite the hold and are not ready for another reason
		return f.held(w, seen)
	}
	l := Link{Kind: "workload", Name: w.Name, Text: counted(w, f.ending(w.Name))}
	for _, s := range f.Snapshot.Warnings {
		if strings.HasPrefix(s, "rollout of "+w.Name+" ") {
			l.Text += "; " + s
		}
	}
	return append([]Link{l}, chain...)
}

// held explains a workload with a Hold: what it is waiting for, and why that is not ready yet.
func (f Facts) held(w state.Workload, seen []string) []Link {
	h := w.Hold
	text, _, _ := strings.Cut(h.Reason, ", which ") // the rest repeats the next link
	chain := []Link{{Kind: "workload", Name: w.Name, Text: text, Since: h.Since}}
	if h.Kind != "dependency" {
		return chain
	}
	if other, ok := f.Snapshot.Workload(h.For); ok {
		return append(chain, f.workload(other, seen)...)
	}
	return chain
}

// ending is the number of a workload's pods that are being stopped.
func (f Facts) ending(workload string) (n int32) {
	for _, p := range f.Snapshot.Pods {
		if p.Labels[services.WorkloadLabel] == workload && p.DeletionTimestamp != nil {
			n++
		}
	}
	return n
}

// counted describes the pod counts of a workload that is not right, of whose pods some are being stopped (ending).
func counted(w state.Workload, ending int32) string {
	switch {
	case w.Have-ending > w.Want:
		return fmt.Sprintf("is rolling out: it has %d new pods of %d, and the old ones go on until these are ready", w.Updated, w.Want)
	case w.Have > w.Want:
		return fmt.Sprintf("has %d pods, wants %d: the others are still terminating", w.Have, w.Want)
	case w.Have < w.Want && w.Ready == w.Have:
		return fmt.Sprintf("has %d of %d pods; the next one is being created", w.Have, w.Want)
	case w.Ready >= w.Want && w.Updated < w.Want:
		return fmt.Sprintf("is rolling out: %d of %d pods are updated", w.Updated, w.Want)
	}
	return fmt.Sprintf("has %d of %d pods ready", w.Ready, w.Want)
}

// since formats the age of a link as ", for 12s". It is "" if the age is unknown or below 1 s.
func (f Facts) since(l Link) string {
	if l.Since.IsZero() || f.Now.Sub(l.Since) < time.Second {
		return ""
	}
	if l.ended {
		return ", " + f.ago(l.Since) + " ago"
	}
	return ", for " + f.ago(l.Since)
}

// Text renders the answer: the summary as a sentence, then one line per link.
func (a Answer) Text(now time.Time) string {
	f := Facts{Now: now}
	var b strings.Builder
	fmt.Fprintf(&b, "%s.\n", a.Summary)
	for n, l := range a.Chain {
		if n > 0 || a.Subject == "" {
			fmt.Fprintf(&b, "  %s %s%s\n", l.Name, l.Text, f.since(l))
		}
		if l.Answer != "" {
			fmt.Fprintf(&b, "    last output of the probe %s (%s):\n", l.Asks, f.ago(l.AnswerAt)+" ago")
			for line := range strings.Lines(strings.TrimRight(l.Answer, "\n")) {
				fmt.Fprintf(&b, "      %s\n", strings.TrimRight(line, "\n"))
			}
		}
		writeLastLines(&b, "    ", l.LastLines)
		if !l.Restart.IsZero() {
			fmt.Fprintf(&b, "    %s\n", f.restart(l.Restart))
		}
	}
	if len(a.Others) > 0 {
		fmt.Fprintf(&b, "Also not right:\n%s", Lines(a.Others))
	}
	for _, text := range append(slices.Clone(a.Unstable), a.Deaf...) {
		fmt.Fprintf(&b, "  %s\n", text)
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
	return "next start due now"
}
