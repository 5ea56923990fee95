package profiles

import (
	"fmt"
	"path/filepath"
	"strings"
	"unicode"
)

// Paint colours the parts of the text of errors. The zero value leaves the text plain.
type Paint struct {
	// Place is for file:line:column, Line for the numbers of lines, Caret for the marks below the wrong text.
	Place, Line, Caret func(string) string
}

// Text returns what people read: for each mistake a line "file:line:column: what is wrong; what to do", then the lines of the file
// with a caret. Names of files in dir or below it are relative to it; "" leaves all as they are.
func (e Errors) Text(dir string, paint Paint) string {
	var b strings.Builder
	for i, one := range e {
		if i > 0 && (one.Excerpt != "" || e[i-1].Excerpt != "") {
			b.WriteByte('\n')
		}
		file := one.File
		one.File = shortened(dir, file)
		head := one.where()
		text := strings.ReplaceAll(strings.TrimPrefix(one.Error(), head), file, one.File)
		b.WriteString(painted(paint.Place, head) + text + "\n" + paint.excerpt(one.Excerpt))
	}
	return b.String()
}

// shortened is a file's name relative to a directory, if that is above it.
func shortened(dir, file string) string {
	if dir == "" || !filepath.IsAbs(file) {
		return file
	}
	if rel, err := filepath.Rel(dir, file); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return file
}

func painted(paint func(string) string, text string) string {
	if paint == nil || text == "" {
		return text
	}
	return paint(text)
}

// excerpt colours the lines of an excerpt.
func (p Paint) excerpt(text string) string {
	if p.Line == nil && p.Caret == nil {
		return text
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		gutter, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "|")
		if strings.TrimSpace(gutter) == "" {
			rest = painted(p.Caret, rest)
		}
		b.WriteString(painted(p.Line, gutter+"|") + rest + "\n")
	}
	return b.String()
}

// How much of a long line an excerpt shows: before the column of the error, and in all.
const (
	shownBefore = 60
	shownWidth  = 110
)

// excerpt is the line of an error, with the other line that it is about, and a caret below the wrong text.
func excerpt(lines []string, e Error) string {
	if e.Line < 1 || e.Line > len(lines) {
		return ""
	}
	width := len(fmt.Sprint(max(e.Line, e.also)))
	var b strings.Builder
	plain := func(n int) {
		text, _ := window(lines[n-1], 1)
		fmt.Fprintf(&b, "  %*d | %s\n", width, n, text)
	}
	if e.also > 0 && e.also < e.Line && e.also <= len(lines) {
		plain(e.also)
		if e.also < e.Line-1 {
			fmt.Fprintf(&b, "  %s |\n", strings.Repeat(".", width))
		}
	}
	text, column := window(lines[e.Line-1], e.Column)
	fmt.Fprintf(&b, "  %*d | %s\n", width, e.Line, text)
	if e.Column > 0 {
		fmt.Fprintf(&b, "  %*s | %s%s\n", width, "", strings.Repeat(" ", column-1), strings.Repeat("^", tokenWidth([]rune(text), column)))
	}
	return b.String()
}

// window is the part of a line around a column, without control characters, and the column in it.
func window(line string, column int) (string, int) {
	text := []rune(strings.TrimRight(line, "\r\n"))
	for i, r := range text {
		if unicode.IsControl(r) {
			text[i] = ' '
		}
	}
	column = max(column, 1)
	if len(text) <= shownWidth {
		return strings.TrimRight(string(text), " "), column
	}
	from := max(0, column-1-shownBefore)
	to := min(len(text), from+shownWidth)
	shown := string(text[min(from, len(text)):to])
	column -= from
	if from > 0 {
		shown, column = "... "+shown, column+4
	}
	if to < len(text) {
		shown += " ..."
	}
	return shown, column
}

// tokenWidth is the length of the key or value that begins at a column.
func tokenWidth(line []rune, column int) int {
	if column > len(line) {
		return 1
	}
	text := line[column-1:]
	at := func(i int) rune {
		if i < len(text) {
			return text[i]
		}
		return ' '
	}
	switch quote := text[0]; quote {
	case '"', '\'':
		for i := 1; i < len(text); i++ {
			if text[i] == quote {
				return i + 1
			}
		}
		return len(text)
	case '[', '{', '|', '>', '-', ' ':
		return 1
	}
	n := 1
	for ; n < len(text); n++ {
		r := text[n]
		if r == ',' || r == ']' || r == '}' && !strings.Contains(string(text[:n]), "${") || r == ':' && at(n+1) == ' ' || r == ' ' && at(n+1) == '#' {
			break
		}
	}
	return len([]rune(strings.TrimRight(string(text[:n]), " ")))
}
