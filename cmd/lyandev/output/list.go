package output

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Column is a column of a table of rows of type T.
type Column[T any] struct {
	Title string
	// Cell is the text of a row, "" for none, which is printed as "-". Newlines are folded.
	Cell func(T) string
	// Wide columns are only in -o wide.
	Wide bool
	// Least is the least width of the column, so that rows that are printed one after the other stand below each other.
	Least int
	// Shrinks allows the column to be cut so that the table fits the terminal. The last column of a table shrinks in any case.
	Shrinks bool
}

// List says how rows are printed. The rows themselves are what JSON and YAML have.
type List[T any] struct {
	Columns []Column[T]
	// Name is the name of a row for -o name, as kubectl's: pod/web-0. nil is Quiet.
	Name func(T) string
	// Quiet is what --quiet prints of a row: its name. A row for which it is "" is left out.
	Quiet func(T) string
}

// Print prints the rows. Without rows a table has only its titles, and JSON is an empty array.
func (l List[T]) Print(out io.Writer, rows []T, o Options) error {
	switch {
	case o.Quiet:
		return l.names(out, rows, l.Quiet)
	case o.Format == Name && l.Name != nil:
		return l.names(out, rows, l.Name)
	case o.Format == Name:
		return l.names(out, rows, l.Quiet)
	case o.ForProgram() && o.Compact:
		for _, r := range rows {
			if err := Object(out, r, o); err != nil {
				return err
			}
		}
		return nil
	case o.ForProgram():
		if rows == nil {
			rows = []T{}
		}
		return Object(out, rows, o)
	}
	return l.table(out, rows, o)
}

func (l List[T]) names(out io.Writer, rows []T, name func(T) string) error {
	for _, r := range rows {
		if n := name(r); n != "" {
			if _, err := fmt.Fprintln(out, n); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l List[T]) table(out io.Writer, rows []T, o Options) error {
	columns := slices.DeleteFunc(slices.Clone(l.Columns), func(c Column[T]) bool { return c.Wide && o.Format != Wide })
	var lines [][]string
	if !o.NoHeaders {
		var titles []string
		for _, c := range columns {
			titles = append(titles, c.Title)
		}
		lines = append(lines, titles)
	}
	for _, r := range rows {
		var line []string
		for _, c := range columns {
			text := OneLine(c.Cell(r))
			if text == "" {
				text = "-"
			}
			line = append(line, text)
		}
		lines = append(lines, line)
	}
	shrinks := make([]bool, len(columns))
	for i, c := range columns {
		shrinks[i] = c.Shrinks || i == len(columns)-1
	}
	if o.Format == Wide {
		o.Width = 0
	}
	wide := widths(lines)
	for i, c := range columns {
		if i < len(wide) && i < len(columns)-1 {
			wide[i] = max(wide[i], c.Least)
		}
	}
	return writeLines(out, lines, fit(wide, shrinks, o.Width))
}

// gap is the space between columns.
const gap = 2

func widths(lines [][]string) []int {
	var out []int
	for _, line := range lines {
		for i, text := range line {
			if i == len(out) {
				out = append(out, 0)
			}
			out[i] = max(out[i], utf8.RuneCountInString(text))
		}
	}
	return out
}

// least is the number of characters that a column which shrinks keeps.
const least = 12

// fit makes the widths of the columns that may shrink smaller, the widest first, until the table fits. 0 is any width.
func fit(widths []int, shrinks []bool, width int) []int {
	for width > 0 {
		total, widest := -gap, -1
		for i, w := range widths {
			total += w + gap
			if shrinks[i] && w > least && (widest < 0 || w > widths[widest]) {
				widest = i
			}
		}
		if total <= width || widest < 0 {
			break
		}
		widths[widest] = max(least, widths[widest]-(total-width))
	}
	return widths
}

func writeLines(out io.Writer, lines [][]string, widths []int) error {
	for _, line := range lines {
		var b strings.Builder
		for i, text := range line {
			text = Cut(text, widths[i])
			b.WriteString(text)
			if i < len(line)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text)+gap))
			}
		}
		if _, err := fmt.Fprintln(out, strings.TrimRight(b.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

// Cut cuts a text to a number of characters; the last one is then "…".
func Cut(text string, width int) string {
	if width <= 0 || utf8.RuneCountInString(text) <= width {
		return text
	}
	return strings.TrimRight(string([]rune(text)[:width-1]), " ") + "…"
}

// OneLine folds a text of several lines: its first line that is not empty, and "…" if there are more. Other control characters become
// spaces.
func OneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	first, rest, _ := strings.Cut(strings.Trim(text, "\n "), "\n")
	if first = strings.TrimRight(first, " "); strings.TrimSpace(rest) != "" {
		first += " …"
	}
	return first
}

// Digest shortens the ID or digest of an image, sha256:HEX, to 12 characters; other texts stay.
func Digest(ref string) string {
	at := strings.LastIndex(ref, "sha256:")
	if at < 0 || len(ref)-at < len("sha256:")+12 {
		return ref
	}
	return ref[:at] + ref[at+len("sha256:"):at+len("sha256:")+12]
}
