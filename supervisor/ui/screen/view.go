package screen

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/lyandev/lyandev/supervisor/explain"
	"github.com/lyandev/lyandev/supervisor/state"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// View is everything that a picture is made of. Its methods are pure: the same view gives the same lines.
type View struct {
	// Streams gives the colours, and makes the control characters of what containers wrote visible.
	Streams *ui.Streams
	Status  *state.Status
	// Chains say why workloads are not right; see explain.Chains.
	Chains map[string]explain.Chain
	// Began is when the start or the stop began.
	Began, Now time.Time
	// Columns and Rows are the size of the terminal. No line is as wide as the terminal.
	Columns, Rows int
	// Edit is the last edit, nil before the first.
	Edit *Edit
	// Hint says what Ctrl-C does, "" for nothing.
	Hint string
}

// Edit is an edit that was carried to the containers of a workload.
type Edit struct {
	Workload string
	Took     time.Duration
	Failed   bool
}

// Lines returns the picture: of the start, or of the stop if the stack is being stopped. There are fewer lines than the terminal has.
func (v *View) Lines() []string {
	room := max(v.Rows-1, 1)
	lines := v.head()
	var items []item
	folded := ""
	if v.stopping() {
		items, folded = v.stopItems()
	} else {
		items, folded = v.startItems()
	}
	if folded != "" {
		room--
	}
	lines = append(lines, fit(items, max(room-len(lines), 0))...)
	if folded != "" && room > 0 {
		lines = append(lines, folded)
	}
	for i := range lines {
		lines[i] = ansi.Truncate(lines[i], v.width(), "…")
	}
	return lines[:min(len(lines), max(v.Rows-1, 1))]
}

func (v *View) stopping() bool {
	return v.Status.Phase == state.Stopping || v.Status.Phase == state.Stopped
}

// width is how wide a line may be.
func (v *View) width() int { return max(v.Columns-1, 1) }

// head are the first line, and the engine's problem if there is one.
func (v *View) head() []string {
	s := v.Status
	text := fmt.Sprintf("  %s", s.Phase)
	if !v.stopping() && len(s.Workloads) > 0 {
		right := 0
		for _, w := range s.Workloads {
			if w.Right && !v.awaited(w) {
				right++
			}
		}
		text += fmt.Sprintf("  %d of %d done or ready", right, len(s.Workloads))
	}
	text += "  " + ui.Age(v.Began, v.Now)
	if hinted := text + "  " + v.Hint; v.Hint != "" && ansi.StringWidth(v.title()+hinted) <= v.width() {
		text = hinted
	}
	lines := []string{v.paint(ui.Bold, v.title()) + v.paint(ui.Dim, text)}
	if s.Engine != "" {
		lines = append(lines, v.paint(ui.Red, "✘ "+v.clean(s.Engine)))
	}
	return lines
}

// title is the project with its profile.
func (v *View) title() string {
	return v.clean(strings.TrimSpace(v.Status.Project + " " + v.Status.Profile))
}

func (v *View) paint(style ui.Style, text string) string { return v.Streams.Paint(style, text) }

// clean makes one line of a text, without control characters.
func (v *View) clean(text string) string { return v.Streams.Visible(oneLine(text)) }

// spinner is the mark of what is under way.
func (v *View) spinner() string {
	frames := []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
	return string(frames[max(int(v.Now.Sub(v.Began)/frame), 0)%len(frames)])
}

// mark is the sign before a line and its colour.
type mark struct {
	sign  string
	style ui.Style
}

var (
	good = mark{"✔", ui.Green}
	bad  = mark{"✘", ui.Red}
	held = mark{"·", ui.Dim}
	warn = mark{"!", ui.Yellow}
)

func (v *View) busy() mark { return mark{v.spinner(), ui.Cyan} }

// nameColumn is the width of the column of names: that of the longest, at most a third of the terminal.
func (v *View) nameColumn(items []item) int {
	width := 0
	for _, i := range items {
		width = max(width, ansi.StringWidth(i.name))
	}
	return min(width, max(v.Columns/3, 8))
}

// row is the line of an item. The age stays visible when the text has to be cut.
func (v *View) row(i item, column int) string {
	left := v.paint(i.mark.style, i.mark.sign) + " "
	if i.name != "" {
		name := ansi.Truncate(v.clean(i.name), column, "…")
		left += name + strings.Repeat(" ", max(column-ansi.StringWidth(name), 0)) + "  "
	}
	age := ""
	if !i.since.IsZero() && v.Now.Sub(i.since) >= time.Second {
		age = "  " + ui.Age(i.since, v.Now)
	}
	text := v.clean(i.text)
	room := v.width() - ansi.StringWidth(left) - ansi.StringWidth(age)
	for _, shorter := range i.shorter {
		if ansi.StringWidth(text) > room {
			text = v.clean(shorter)
		}
	}
	text = ansi.Truncate(text, max(room, 0), "…")
	style := ui.Dim
	if i.mark == bad || i.mark == warn {
		style = i.mark.style
	}
	return left + v.paint(style, text) + v.paint(ui.Dim, age)
}
