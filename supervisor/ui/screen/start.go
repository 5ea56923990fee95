package screen

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// startItems are the lines of what is not done yet, and one line for everything that is.
func (v *View) startItems() (items []item, folded string) {
	var ready, done, built []string
	if s := v.Status.Switch; !s.Over() {
		items = append(items, item{mark: v.busy(), name: "switch", text: v.switchText(s), since: s.Started, rank: rankSwitch})
	}
	for _, b := range v.Status.Builds {
		switch b.State {
		case "current":
		case "done":
			built = append(built, b.Name)
		default:
			items = append(items, v.buildItem(b))
		}
	}
	waiting := v.waiting()
	for _, w := range waiting {
		items = append(items, v.workloadItem(w))
	}
	for _, w := range v.Status.Workloads {
		switch {
		case !w.Right || v.awaited(w):
		case finished(v.Status, w):
			done = append(done, w.Shown())
		default:
			ready = append(ready, w.Shown())
		}
	}
	for _, text := range v.Status.Warnings {
		items = append(items, item{mark: warn, text: text, rank: rankWarning})
	}
	if len(v.Status.Workloads) == 0 && len(items) == 0 {
		items = append(items, item{mark: v.busy(), text: "preparing images, networks and ports", rank: rankBusy})
	}
	column := v.nameColumn(items)
	for i := range items {
		items[i].line = v.row(items[i], column)
	}
	return items, v.fold([]group{{"ready", ready}, {"finished", done}, {"built or pulled", built}})
}

// group are the names of what is done in one way.
type group struct {
	word  string
	names []string
}

// fold is one line for what is done: with the names if there is room for them, else with their number. It is "" if nothing is.
func (v *View) fold(groups []group) string {
	var named, counted []string
	for _, g := range groups {
		if len(g.names) > 0 {
			named = append(named, g.word+": "+strings.Join(g.names, ", "))
			counted = append(counted, fmt.Sprintf("%d %s", len(g.names), g.word))
		}
	}
	if len(named) == 0 {
		return ""
	}
	text := v.clean(strings.Join(named, "; "))
	if ansi.StringWidth(text)+2 > v.width() {
		text = strings.Join(counted, ", ")
	}
	return v.paint(good.style, good.sign) + " " + v.paint(ui.Dim, text)
}

// waiting are the workloads that are not done, those first that others wait for.
func (v *View) waiting() []state.Workload {
	var out []state.Workload
	for _, w := range v.Status.Workloads {
		if !w.Right || v.awaited(w) {
			out = append(out, w)
		}
	}
	slices.SortStableFunc(out, func(a, b state.Workload) int { return v.Chains[b.Name].Blocks - v.Chains[a.Name].Blocks })
	return out
}

func (v *View) awaited(w state.Workload) bool { return !v.stopping() && awaited(v.Status, w) }

// awaited reports whether a workload is right, but has not done what others wait for: a plain one-shot counts as right while it runs.
func awaited(s *state.Status, w state.Workload) bool {
	return w.Right && slices.ContainsFunc(s.Workloads, func(other state.Workload) bool {
		return other.Hold != nil && other.Hold.Kind == "dependency" && other.Hold.For == w.Name
	})
}

// finished reports whether a workload has done its work: a Job, or a plain one-shot of which all pods have succeeded.
func finished(s *state.Status, w state.Workload) bool {
	pods := s.PodsOf(w.Name)
	return w.Right && w.Kind == "Job" || len(pods) > 0 && !slices.ContainsFunc(pods, func(p *corev1.Pod) bool { return p.Status.Phase != corev1.PodSucceeded })
}

func (v *View) switchText(s *state.Switch) string {
	text := fmt.Sprintf("%s -> %s: %s", state.ShownProfile(s.From), state.ShownProfile(s.To), s.Phase)
	if s.Waiting != "" {
		text += ", " + s.Waiting
	}
	return text
}

func (v *View) buildItem(b state.Build) item {
	i := item{mark: v.busy(), name: buildVerb(b) + " " + b.Name, text: cmp.Or(b.Step, b.State), since: b.Started, rank: rankBuilding}
	switch b.State {
	case "failed", "cancelled":
		i.mark, i.rank, i.since = bad, rankFailed, time.Time{}
		i.text = strings.TrimSuffix(b.State+": "+firstLine(cmp.Or(b.Error, b.Step)), ": ")
	case "waiting":
		i.mark, i.rank, i.since = held, rankWaiting, time.Time{}
	}
	return i
}

func (v *View) workloadItem(w state.Workload) item {
	i := item{mark: v.busy(), name: w.Shown(), rank: rankBusy}
	c := v.Chains[w.Name]
	switch {
	case w.Hold != nil && w.Hold.Kind == "dependency":
		i.mark, i.rank = held, rankWaiting
	case c.Final:
		i.mark, i.rank = bad, rankFailed
	case c.Bad:
		i.mark, i.rank = bad, rankBad
	case w.Hold != nil:
		i.mark, i.rank = held, rankWaiting
	}
	v.explain(&i, w)
	return i
}
