// Package doctor checks what a machine offers lyandev: the engine, its resources, the network, the rights, and the stack's file in a
// directory. [Gather] looks at the machine and fills [Facts]; the [Checks] are functions of Facts alone and say what is right, what is
// worth knowing and what must be mended, each with how.
package doctor

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/duration"
)

// Verdict is how a finding is to be taken.
type Verdict string

// The verdicts. A Note does not keep lyandev from working.
const (
	OK      Verdict = "ok"
	Note    Verdict = "note"
	Problem Verdict = "problem"
)

// Finding is what a check found.
type Finding struct {
	// Check is the check's name.
	Check   string  `json:"check"`
	Verdict Verdict `json:"verdict"`
	// Text is one line. Fix says what to do, as a command where there is one; "" if there is nothing to do.
	Text string `json:"text"`
	Fix  string `json:"fix,omitempty"`
}

// Check judges one thing.
type Check struct {
	Name string
	// Needs are the parts of the facts that it reads. If one of them came too late, the check is not made and a Note says so.
	Needs []string
	// Judge returns the findings, without their Check; none if the check does not apply.
	Judge func(f *Facts) []Finding
}

// Checks are all checks, in the order of the output.
var Checks = []Check{
	{"engine", nil, judgeEngine},
	{"remote engine", nil, judgeRemote},
	{"other engines", []string{PartContexts}, judgeContexts},
	{"storage driver", []string{PartEngine}, judgeStorage},
	{"cgroups", []string{PartEngine}, judgeCgroups},
	{"BuildKit", []string{PartEngine}, judgeBuildKit},
	{"memory", []string{PartEngine}, judgeMemory},
	{"disk", []string{PartDisks}, judgeDisks},
	{"clock", []string{PartEngine}, judgeClock},
	{"DNS", []string{PartDNS}, judgeDNS},
	{"proxies", []string{PartEngine}, judgeProxies},
	{"rights", []string{PartRights}, judgeRights},
	{"instances", []string{PartInstances}, judgeInstances},
	{"file", []string{PartFile}, judgeFile},
	{"ports", []string{PartPorts}, judgePorts},
	{"file watches", []string{PartWatches}, judgeWatches},
}

// Diagnose makes all checks.
func Diagnose(f *Facts) []Finding {
	var out []Finding
	for _, c := range Checks {
		out = append(out, c.findings(f)...)
	}
	return out
}

func (c *Check) findings(f *Facts) []Finding {
	var found []Finding
	for _, part := range c.Needs {
		if f.Late[part] && part != PartEngine { // the check of the engine has said that it does not answer
			found = note("run `lyandev doctor` again", "cannot tell: %s took longer than %s", part, duration.HumanDuration(f.Limit))
		}
	}
	if len(found) == 0 {
		found = c.Judge(f)
	}
	for i := range found {
		found[i].Check = c.Name
	}
	return found
}

// HasProblem reports whether one of the findings is a Problem.
func HasProblem(list []Finding) bool { return count(list, Problem) > 0 }

func count(list []Finding, v Verdict) int {
	n := 0
	for _, f := range list {
		if f.Verdict == v {
			n++
		}
	}
	return n
}

// Print writes the findings as text, with a summary at the end that names the checks without a finding. paint colours a text for a verdict.
func Print(w io.Writer, list []Finding, paint func(v Verdict, text string) string) {
	width := 0
	for _, c := range Checks {
		width = max(width, len(c.Name))
	}
	for _, f := range list {
		fmt.Fprintf(w, "%s  %-*s  %s\n", paint(f.Verdict, fmt.Sprintf("%-7s", f.Verdict)), width, f.Check, f.Text)
		if f.Fix != "" {
			fmt.Fprintf(w, "%s  fix: %s\n", strings.Repeat(" ", 7+2+width), f.Fix)
		}
	}
	fmt.Fprintf(w, "\n%s, %s%s\n", plural(count(list, Problem), "problem"), plural(count(list, Note), "note"), unchecked(list))
}

// unchecked names the checks that found nothing, because there is no engine or no file, or nothing to say.
func unchecked(list []Finding) string {
	var names []string
	for _, c := range Checks {
		if c.Name != "remote engine" && !slices.ContainsFunc(list, func(f Finding) bool { return f.Check == c.Name }) {
			names = append(names, c.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "; not checked: " + strings.Join(names, ", ")
}

func plural(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

func ok(format string, args ...any) []Finding {
	return []Finding{{Verdict: OK, Text: fmt.Sprintf(format, args...)}}
}

func note(fix, format string, args ...any) []Finding {
	return []Finding{{Verdict: Note, Text: fmt.Sprintf(format, args...), Fix: fix}}
}

func problem(fix, format string, args ...any) []Finding {
	return []Finding{{Verdict: Problem, Text: fmt.Sprintf(format, args...), Fix: fix}}
}
