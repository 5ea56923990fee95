package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// Status is the JSON form of `status`: whether each part of the stack is right.
type Status struct {
	Project string      `json:"project"`
	Profile string      `json:"profile,omitempty"`
	Phase   state.Phase `json:"phase"`
	Message string      `json:"message,omitempty"`
	// Right is true when every part is right.
	Right     bool             `json:"right"`
	Workloads []WorkloadStatus `json:"workloads"`
	Operators []OperatorStatus `json:"operators"`
	// Hosts lists the published host ports as "ADDRESS:PORT -> SERVICE:PORT".
	Hosts []string `json:"hosts,omitempty"`
	// Datapath is how connections to service addresses and host ports reach pods.
	Datapath *state.Datapath `json:"datapath,omitempty"`
	// PausedProbes says whose probes are paused, by whom, and how to resume them.
	PausedProbes []string `json:"pausedProbes,omitempty"`
	// Causes say why services are not right, the worst first, with the last log lines of containers that ended.
	Causes []Cause `json:"causes,omitempty"`
	// Warnings are current problems. Advice is about possible problems and how to prevent them; see Advise.
	Warnings []string `json:"warnings,omitempty"`
	Advice   []string `json:"advice,omitempty"`
}

// WorkloadStatus is the status of one workload.
type WorkloadStatus struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"`
	Want  int32  `json:"want"`
	Ready int32  `json:"ready"`
	Right bool   `json:"right"`
	// Why is what the workload is waiting for, "" when it is right.
	Why string `json:"why,omitempty"`
	// Runs describes the runs of a CronJob ("last run ok 12s ago, next 01:17"), "" for other kinds.
	Runs string `json:"runs,omitempty"`
}

// OperatorStatus is an operator's verdict on the pods it manages.
type OperatorStatus struct {
	Name    string      `json:"name"`
	Right   bool        `json:"right"`
	Message string      `json:"message"`
	Pods    []PodStatus `json:"pods"`
}

// PodStatus is an operator's verdict on one pod.
type PodStatus struct {
	Name string `json:"name"`
	services.PodVerdict
}

// StatusOf computes the status of the whole stack.
func StatusOf(f Facts) Status {
	s, m := f.Snapshot, Masker(f.Snapshot)
	out := Status{
		Project: s.Project, Profile: s.Profile, Phase: s.Phase, Message: s.Message, Right: s.Phase == state.Ready,
		Warnings: slices.Clone(s.Warnings), Advice: s.Advice, Workloads: []WorkloadStatus{}, Operators: []OperatorStatus{},
		PausedProbes: f.pausedProbes(s.Pods), Datapath: s.Datapath,
	}
	if s.Engine != "" {
		out.Warnings = append(out.Warnings, s.Engine)
	}
	out.Warnings = append(out.Warnings, f.Deaf...)
	for _, text := range f.unstable(s.Pods) {
		out.Warnings = append(out.Warnings, m.String(text))
	}
	out.Causes = Broken(f)
	for _, w := range s.Workloads {
		line := WorkloadStatus{Name: w.Name, Kind: w.Kind, Want: w.Want, Ready: w.Ready, Right: w.Right}
		if chain := f.workload(w, nil); !w.Right && len(chain) > 0 {
			cause := chain[len(chain)-1]
			line.Why = cause.Name + " " + cause.Text + f.since(cause)
			if chain[0].Name == cause.Name || w.Hold != nil && len(f.Snapshot.PodsOf(w.Name)) == 0 {
				line.Why = chain[0].Text + f.since(chain[0])
			}
			line.Why = m.String(line.Why)
		}
		if w.Right && w.Runs != nil {
			line.Runs = ui.Runs(*w.Runs, f.Now)
		}
		out.Workloads = append(out.Workloads, line)
	}
	for _, name := range sortedKeys(s.Operators) {
		v := s.Operators[name]
		o := OperatorStatus{Name: name, Right: v.Right, Message: v.Message, Pods: []PodStatus{}}
		for _, pod := range sortedKeys(v.Pods) {
			o.Pods = append(o.Pods, PodStatus{Name: pod, PodVerdict: v.Pods[pod]})
		}
		out.Operators = append(out.Operators, o)
	}
	for _, h := range s.Bound {
		out.Hosts = append(out.Hosts, fmt.Sprintf("%s -> %s:%d", h.Address(), h.Service, h.Port))
	}
	return out
}

// Paint colours parts of the text. The zero value leaves the text plain.
type Paint struct {
	Good, Bad, Weak, Strong func(string) string
}

func (p Paint) use(f func(string) string, text string) string {
	if f == nil {
		return text
	}
	return f(text)
}

// Text renders the status: workloads, then each operator with its pods, then host ports, warnings and advice.
func (s Status) Text(p Paint) string {
	var b strings.Builder
	title := s.Project
	if s.Profile != "" {
		title += " (" + s.Profile + ")"
	}
	phase := p.use(p.Good, string(s.Phase))
	if !s.Right {
		phase = p.use(p.Bad, string(s.Phase))
	}
	fmt.Fprintf(&b, "%s: %s", p.use(p.Strong, title), phase)
	if s.Message != "" {
		fmt.Fprintf(&b, " (%s)", s.Message)
	}
	b.WriteString("\n\n")
	table := [][]cell{heads(p, "SERVICE", "KIND", "READY", "HEALTHY", "")}
	for _, w := range s.Workloads {
		table = append(table, []cell{
			{text: w.Name}, {text: ui.Kind(w.Kind)}, {text: fmt.Sprintf("%d/%d", w.Ready, w.Want)}, yesNo(p, w.Right), {text: cmp.Or(w.Why, w.Runs)},
		})
	}
	write(&b, "", table)
	troubled := slices.DeleteFunc(slices.Clone(s.Causes), func(c Cause) bool { return !c.Bad && !c.Final })
	if len(troubled) > 1 || len(troubled) == 1 && len(troubled[0].LastLines) > 0 { // else the table has said it
		fmt.Fprintf(&b, "\n%s:\n%s", p.use(p.Strong, "In trouble, the worst first"), Lines(troubled))
	}
	for _, o := range s.Operators {
		fmt.Fprintf(&b, "\n%s: %s\n", p.use(p.Strong, o.Name), verdict(p, o.Right, o.Message))
		table := [][]cell{}
		for _, pod := range o.Pods {
			detail := details(pod.Detail)
			if !pod.Right {
				detail = strings.Trim(strings.TrimPrefix(pod.Reason+": "+pod.Message, ": ")+"; "+detail, "; ")
			}
			table = append(table, []cell{{text: pod.Name}, {text: cmp.Or(pod.Role, "-")}, yesNo(p, pod.Right), {text: detail, paint: p.Weak}})
		}
		write(&b, "  ", table)
	}
	var datapath []string
	if s.Datapath != nil {
		datapath = append(datapath, s.Datapath.Text())
	}
	for _, l := range []struct {
		title string
		lines []string
	}{{"Host ports", s.Hosts}, {"Service addresses", datapath}, {"Paused probes", s.PausedProbes}, {"Warnings", s.Warnings}, {"Advice", s.Advice}} {
		if len(l.lines) > 0 {
			fmt.Fprintf(&b, "\n%s:\n  %s\n", l.title, strings.Join(l.lines, "\n  "))
		}
	}
	return b.String()
}

func verdict(p Paint, right bool, message string) string {
	if right {
		return p.use(p.Good, "healthy") + ", " + message
	}
	return p.use(p.Bad, "not healthy") + ", " + message
}

// cell is one table cell. Its width excludes colour codes.
type cell struct {
	text  string
	paint func(string) string
}

func heads(p Paint, names ...string) []cell {
	var out []cell
	for _, n := range names {
		out = append(out, cell{n, p.Weak})
	}
	return out
}

func yesNo(p Paint, yes bool) cell {
	if yes {
		return cell{"yes", p.Good}
	}
	return cell{"no", p.Bad}
}

func write(b *strings.Builder, indent string, table [][]cell) {
	widths := map[int]int{}
	for _, r := range table {
		for i, c := range r {
			widths[i] = max(widths[i], len([]rune(c.text)))
		}
	}
	for _, r := range table {
		line := indent
		for i, c := range r {
			text := c.text
			if text == "" {
				continue
			}
			if c.paint != nil {
				text = c.paint(text)
			}
			line += text
			if i < len(r)-1 {
				line += strings.Repeat(" ", widths[i]-len([]rune(c.text))+2)
			}
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

// details formats an operator's details as one line, sorted by key.
func details(m map[string]string) string {
	var out []string
	for _, k := range sortedKeys(m) {
		if m[k] != "" {
			out = append(out, k+" "+m[k])
		}
	}
	return strings.Join(out, ", ")
}
