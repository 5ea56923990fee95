package explain

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/lyandev/lyandev/supervisor/state"
)

// Cause says why one service is not right, if the reason is its own and not only a dependency.
type Cause struct {
	Workload string `json:"workload"`
	// Text begins with the object concerned ("container db exited with code 3, 17s ago").
	Text string `json:"text"`
	// LastLines are the last lines of the log of the container that ended, if it did.
	LastLines []string `json:"lastLines,omitempty"`
	// Bad is false for a service that may only need more time. Final is true if it needs somebody's help.
	Bad   bool `json:"bad"`
	Final bool `json:"final"`
	// Blocks is the number of services that wait for this one, directly or not.
	Blocks int `json:"blocks"`
}

// Broken returns the causes of all services that are not right, the worst first: those that need help, then those in trouble, then
// those that only need time; among equals the one that most others wait for. Secrets are masked.
func Broken(f Facts) []Cause {
	m := Masker(f.Snapshot)
	var out []Cause
	for _, w := range f.Snapshot.Workloads {
		if w.Right || w.Leaving {
			continue
		}
		chain := f.workload(w, nil)
		if len(chain) == 0 || len(chain) > 1 && chain[1].Kind == "workload" || w.Hold != nil && w.Hold.Kind == "dependency" && chain[len(chain)-1].Kind == "workload" {
			continue // it waits for another
		}
		f.quote(chain)
		l := chain[len(chain)-1]
		c := Cause{Workload: w.Name, Text: m.String(l.Name + " " + l.Text + f.since(l)), Bad: l.bad || w.Failed != "", Blocks: f.blocks(w.Name)}
		c.Final = w.Failed != "" || l.final && w.Kind != "Job" // a Job tries again
		if l.Kind == "workload" {
			c.Text = m.String(l.Text + f.since(l))
		}
		for _, line := range l.LastLines {
			c.LastLines = append(c.LastLines, m.String(line))
		}
		out = append(out, c)
	}
	slices.SortStableFunc(out, func(a, b Cause) int {
		if r := rank(a) - rank(b); r != 0 {
			return r
		}
		return b.Blocks - a.Blocks
	})
	return out
}

func rank(c Cause) int {
	switch {
	case c.Final:
		return 0
	case c.Bad:
		return 1
	}
	return 2
}

// blocks counts the services that wait for one, directly or not.
func (f Facts) blocks(name string) int {
	n := 0
	for _, w := range f.Snapshot.Workloads {
		at := w
		for range f.Snapshot.Workloads { // a cycle ends too
			if at.Right || at.Hold == nil || at.Hold.Kind != "dependency" {
				break
			}
			if at.Hold.For == name {
				n++
				break
			}
			next, ok := f.Snapshot.Workload(at.Hold.For)
			if !ok {
				break
			}
			at = next
		}
	}
	return n
}

// quote fills in the last lines of the log of the chain's cause, if that is a container that ended.
func (f Facts) quote(chain []Link) {
	if len(chain) == 0 || f.LastLines == nil {
		return
	}
	if l := &chain[len(chain)-1]; l.ended && l.pod != "" {
		l.LastLines = f.LastLines(l.pod, l.container)
	}
}

// Lines renders causes, a service a line, each followed by its last log lines.
func Lines(list []Cause) string {
	var b strings.Builder
	for _, c := range list {
		fmt.Fprintf(&b, "  %s: %s\n", c.Workload, c.Text)
		writeLastLines(&b, "    ", c.LastLines)
	}
	return b.String()
}

func writeLastLines(b *strings.Builder, indent string, lines []string) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(b, "%slast lines of its log:\n", indent)
	for _, line := range lines {
		fmt.Fprintf(b, "%s  %s\n", indent, line)
	}
}

// notStartable are the engine's messages about a command that it could not start.
var notStartable = []struct {
	expr *regexp.Regexp
	text string
}{
	{regexp.MustCompile(`exec: "([^"]+)": executable file not found in \$PATH`), "cannot start: %s is not in the image's PATH"},
	{regexp.MustCompile(`exec: "([^"]+)": stat [^:]+: no such file or directory`), "cannot start: %s does not exist in the image"},
	{
		regexp.MustCompile(`exec:? "?([^"\s:]+)"?: permission denied`),
		"cannot start: permission denied for %s: it is not executable, or the container's user and capabilities (user, cap_drop) do not let it be reached",
	},
	{regexp.MustCompile(`exec:? "?([^"\s:]+)"?: operation not permitted`), "cannot start: %s needs a capability that the container does not have (operation not permitted)"},
	{regexp.MustCompile(`exec:? "?([^"\s:]+)"?: exec format error`), "cannot start: %s is not a program for this machine: another CPU architecture, or a script without #! in its first line"},
}

// startError says in a few words why a container could not be started, with the place of its service in the file; "" if the
// message is not about its command.
func startError(message string, w state.Workload) string {
	for _, n := range notStartable {
		if found := n.expr.FindStringSubmatch(message); found != nil {
			text := fmt.Sprintf(n.text, found[1])
			if w.Source != "" {
				text += " (" + w.Source[strings.LastIndexAny(w.Source, `/\`)+1:] + ")"
			}
			return text
		}
	}
	return ""
}
