package screen

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// segment is a part of the status line. forms are its texts from the longest to the shortest; an empty form leaves it out.
type segment struct {
	forms []string
	style ui.Style
}

// StatusLine is the line below the logs of a running stack: the pods that are right of those that are wanted, what is wrong, the last
// edit, the number of warnings, and a URL. It is shortened until it fits the terminal.
func (v *View) StatusLine() string {
	s := v.Status
	right, wanted := readyPods(s)
	m := v.busy()
	trouble := v.trouble()
	switch {
	case s.Engine != "":
		m = bad
	case s.Phase == state.Ready && v.Edit != nil && v.Edit.Failed:
		m = warn
	case s.Phase == state.Ready:
		m = good
	case trouble != "" && v.worstIsBad():
		m = bad
	}
	pods := fmt.Sprintf("%d/%d pods right", right, wanted)
	segments := []segment{
		{[]string{v.title(), v.clean(s.Profile)}, ui.Bold},
		{[]string{pods, strings.TrimSuffix(pods, " pods right")}, m.style},
		{[]string{trouble}, ui.Yellow},
		v.editSegment(),
		warningSegment(s),
		urlSegment(firstURL(s)),
		{[]string{v.Hint, ""}, ui.Dim},
	}
	if s.Profile == "" {
		segments[0].forms = segments[0].forms[:1]
	}
	// What is shortened, in this order, by the segment's place. What is wrong matters more than the last edit.
	order := []int{6, 3, 5, 5, 1, 4, 0, 3}
	if trouble != "" {
		order = []int{6, 3, 3, 5, 5, 1, 0, 4, 2}
	}
	lead := v.paint(m.style, m.sign) + " "
	for {
		line := v.join(segments)
		over := ansi.StringWidth(lead) + ansi.StringWidth(line) - v.width()
		if over <= 0 || len(order) == 0 {
			return ansi.Truncate(lead+line, v.width(), "…")
		}
		shorten(&segments[order[0]], over)
		order = order[1:]
	}
}

// leastTrouble is how short a text about what is wrong may become.
const leastTrouble = 16

// shorten takes the next form of a segment. Of a segment with one form the end is cut off, as far as needed to be over columns shorter.
func shorten(s *segment, over int) {
	if len(s.forms) > 1 {
		s.forms = s.forms[1:]
		return
	}
	if w := ansi.StringWidth(s.forms[0]); w > leastTrouble {
		s.forms[0] = ansi.Truncate(s.forms[0], max(w-over, leastTrouble), "…")
	}
}

func (v *View) join(segments []segment) string {
	var parts []string
	for _, s := range segments {
		if len(s.forms) > 0 && s.forms[0] != "" {
			parts = append(parts, v.paint(s.style, s.forms[0]))
		}
	}
	return strings.Join(parts, v.paint(ui.Dim, " │ "))
}

// trouble says what is wrong with the first workload that is not right, or with the engine; "" if nothing is.
func (v *View) trouble() string {
	if v.Status.Engine != "" {
		return v.clean(v.Status.Engine)
	}
	if s := v.Status.Switch; !s.Over() {
		return v.clean("switch " + v.switchText(s))
	}
	w, more := v.worst()
	if w == nil {
		return ""
	}
	i := item{}
	v.explain(&i, *w)
	text := v.clean(w.Shown() + ": " + i.text)
	if more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return text
}

// worst is the workload that is not right and needs attention first, and the number of the others that do not only wait for another.
func (v *View) worst() (first *state.Workload, more int) {
	var own []state.Workload
	for _, w := range v.waiting() {
		if !w.Right && (w.Hold == nil || w.Hold.Kind != "dependency") {
			own = append(own, w)
		}
	}
	if len(own) == 0 {
		return nil, 0
	}
	slices.SortStableFunc(own, func(a, b state.Workload) int { return v.workloadItem(a).rank - v.workloadItem(b).rank })
	return &own[0], len(own) - 1
}

func (v *View) worstIsBad() bool {
	w, _ := v.worst()
	return w != nil && v.Chains[w.Name].Bad
}

func (v *View) editSegment() segment {
	switch e := v.Edit; {
	case e == nil:
		return segment{forms: []string{""}}
	case e.Failed:
		return segment{[]string{"edit of " + e.Workload + " failed", e.Workload + " edit failed", "edit failed"}, ui.Red}
	default:
		took := Took(e.Took)
		return segment{[]string{"edit of " + e.Workload + " live in " + took, e.Workload + " " + took, ""}, ui.Green}
	}
}

func warningSegment(s *state.Status) segment {
	n := len(s.Warnings)
	switch n {
	case 0:
		return segment{forms: []string{""}}
	case 1:
		return segment{[]string{"1 warning", "!1"}, ui.Yellow}
	}
	return segment{[]string{fmt.Sprintf("%d warnings", n), fmt.Sprintf("!%d", n)}, ui.Yellow}
}

func urlSegment(url string) segment {
	if url == "" {
		return segment{forms: []string{""}}
	}
	address := strings.TrimPrefix(url, "http://")
	return segment{[]string{url, address, address[strings.LastIndexByte(address, ':'):]}, ui.Blue}
}

// Took formats how long something took: "40 ms", "0.2 s", "12.3 s", "2m3s".
func Took(d time.Duration) string {
	switch {
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}
