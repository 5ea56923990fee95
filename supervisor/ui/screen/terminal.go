package screen

import (
	"fmt"
	"io"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/lyandev/lyandev/supervisor/ui"
)

// terminal keeps a region of lines below everything else that is written to a terminal. Only lines that changed are written again. Between
// two draws the cursor is in the first column of the region's last line.
type terminal struct {
	st *ui.Streams
	// drawn are the lines of the region, none if there is no region. columns and rows are the terminal's size at the last draw.
	drawn         []string
	columns, rows int
}

// draw makes the region show lines, each of which must be narrower than the terminal. above are whole lines, which are written before
// the region and scroll away; "" for none. One draw is one write.
func (t *terminal) draw(above string, lines []string, columns, rows int) {
	lines = lines[:min(len(lines), max(rows-1, 1))]
	var b strings.Builder
	if above != "" || columns != t.columns || rows != t.rows || len(t.drawn) == 0 || len(lines) == 0 {
		t.replace(&b, above, lines, columns, rows)
	} else {
		t.change(&b, lines)
	}
	t.drawn, t.columns, t.rows = lines, columns, rows
	if b.Len() > 0 {
		_, _ = io.WriteString(t.st.Err, b.String()) // there is nowhere to report it
	}
}

// replace takes the region away, writes above and the region anew. The region is erased row by row: terminals and tmux keep a copy in
// their scrollback of what is cleared or deleted at once.
func (t *terminal) replace(b *strings.Builder, above string, lines []string, columns, rows int) {
	if n := len(t.drawn); n > 0 {
		up := 0
		for _, line := range t.drawn[:n-1] {
			up += rowsOf(line, columns)
		}
		t.up(b, min(up, rows-1))
		b.WriteString(t.st.Sequence("1G"))
		tall := min(up, rows-1)
		for range tall {
			b.WriteString(t.st.Sequence("K") + t.st.Sequence("1B"))
		}
		if rowsOf(t.drawn[n-1], columns) > 1 {
			b.WriteString(t.st.Sequence("J")) // the terminal got narrower: the line goes on below
		} else {
			b.WriteString(t.st.Sequence("K"))
		}
		t.up(b, tall)
	}
	b.WriteString(above)
	if strings.Contains(above, "\x1b") {
		b.WriteString(t.st.SGR("0")) // a colour that a log line left on
	}
	for i, line := range lines {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(line + t.st.Sequence("K"))
	}
	if len(lines) > 0 {
		b.WriteString(t.st.Sequence("1G"))
	}
}

// rowsOf is the number of rows that a line takes on a terminal of so many columns, which wraps what it showed when it gets narrower.
func rowsOf(line string, columns int) int {
	return max(1, (ansi.StringWidth(line)+columns-1)/max(columns, 1))
}

// change writes the lines of the region that differ from what is drawn, and blank ones in the place of those that are gone.
func (t *terminal) change(b *strings.Builder, lines []string) {
	had := len(t.drawn)
	at := had - 1 // the line of the cursor
	move := func(to int) {
		switch {
		case to < at:
			t.up(b, at-to)
		case to > at:
			b.WriteString(t.st.Sequence(fmt.Sprintf("%dB", to-at)))
		}
		at = to
	}
	for i, line := range lines {
		if i < had && t.drawn[i] == line {
			continue
		}
		if i < had {
			move(i)
		} else {
			move(i - 1)
			b.WriteByte('\n') // makes the line, at the bottom by scrolling
			at = i
		}
		b.WriteString(line + t.st.Sequence("K") + t.st.Sequence("1G"))
	}
	for i := len(lines); i < had; i++ {
		move(i)
		b.WriteString(t.st.Sequence("K"))
	}
	move(len(lines) - 1)
}

func (t *terminal) up(b *strings.Builder, n int) {
	if n > 0 {
		b.WriteString(t.st.Sequence(fmt.Sprintf("%dA", n)))
	}
}

// leave puts the cursor below the region, which stays on the terminal.
func (t *terminal) leave() {
	if len(t.drawn) > 0 {
		_, _ = io.WriteString(t.st.Err, "\n")
	}
	t.drawn = nil
}
