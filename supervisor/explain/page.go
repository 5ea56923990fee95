package explain

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// page builds text in the two-column layout of `kubectl describe`: keys, indented by level, and values.
type page struct {
	text strings.Builder
	w    *tabwriter.Writer
}

func newPage() *page {
	p := &page{}
	p.w = tabwriter.NewWriter(&p.text, 0, 8, 2, ' ', 0)
	return p
}

// row writes a key and its value. Further lines of the value are aligned below the first.
func (p *page) row(level int, key, value string) {
	if key != "" {
		key += ":"
	}
	key = strings.Repeat("  ", level) + key
	for n, line := range strings.Split(value, "\n") {
		if n > 0 {
			key = ""
		}
		fmt.Fprintf(p.w, "%s\t%s\n", key, line)
	}
}

// rowf is row with a format.
func (p *page) rowf(level int, key, format string, args ...any) {
	p.row(level, key, fmt.Sprintf(format, args...))
}

// head writes a key whose values are the rows below.
func (p *page) head(level int, key string) {
	fmt.Fprintf(p.w, "%s%s:\t\n", strings.Repeat("  ", level), key)
}

// rows writes a table with columns as wide as their longest cell.
func (p *page) rows(level int, table [][]string) {
	widths := map[int]int{}
	for _, r := range table {
		for i, c := range r {
			widths[i] = max(widths[i], len([]rune(c)))
		}
	}
	_ = p.w.Flush()
	for _, r := range table {
		line := strings.Repeat("  ", level)
		for i, c := range r {
			line += c + strings.Repeat(" ", widths[i]-len([]rune(c))+2)
		}
		fmt.Fprintln(p.w, strings.TrimRight(line, " "))
	}
	_ = p.w.Flush()
}

func (p *page) String() string {
	_ = p.w.Flush()
	var out strings.Builder
	for line := range strings.Lines(p.text.String()) {
		out.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return out.String()
}

func orNone(s string) string {
	if s == "" {
		return "<none>"
	}
	return s
}

// labelLines formats a map as sorted "key=value" lines.
func labelLines(m map[string]string) string {
	var out []string
	for _, k := range sortedKeys(m) {
		out = append(out, k+"="+m[k])
	}
	return orNone(strings.Join(out, "\n"))
}
