package main

import (
	"bufio"
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/lyandev/lyandev/services/mask"
	"github.com/lyandev/lyandev/supervisor/logs"
	"github.com/lyandev/lyandev/supervisor/ui"
	"github.com/lyandev/lyandev/supervisor/ui/screen"
)

// logWriter prints log lines, each with the name of its pod, and masks secrets. Lines are written together until flush.
type logWriter struct {
	st   *ui.Streams
	mask *mask.Masker
	out  *bufio.Writer
	// width is that of the longest name so far, and names are the names as they are printed at that width.
	width int
	names map[source]string
	// plain leaves out the names.
	plain bool
}

// source is where a line comes from.
type source struct{ pod, container string }

// newLogWriter returns a writer to Out. On a terminal it drops control sequences but colours; elsewhere a container's bytes are
// unchanged.
func newLogWriter(st *ui.Streams, m *mask.Masker) *logWriter {
	return &logWriter{st: st, mask: m, names: map[source]string{}, out: bufio.NewWriterSize(screen.LogsTo(st), 64<<10)}
}

// line writes one line. What is waiting is flushed with it when there is much of it, so that the buffer does not flush itself in the
// middle of a line.
func (w *logWriter) line(l logs.Line) {
	if w.out.Buffered()+len(l.Text) < w.out.Size()/2 {
		w.write(l)
		return
	}
	w.write(l)
	_ = w.out.Flush()
}

func (w *logWriter) write(l logs.Line) {
	text := w.mask.String(l.Text)
	if w.st.OutTTY {
		text = printable(w.st, text)
	}
	if !w.plain {
		_, _ = w.out.WriteString(w.name(source{l.Pod, l.Container}))
	}
	_, _ = w.out.WriteString(text)
	_ = w.out.WriteByte('\n')
}

func (w *logWriter) flush() {
	_ = w.out.Flush()
}

// maxNameWidth bounds the column of names; a longer name shifts its lines.
const maxNameWidth = 44

// name is what stands before a line.
func (w *logWriter) name(from source) string {
	if text, known := w.names[from]; known {
		return text
	}
	name := from.pod
	if from.container != "" && !strings.HasSuffix(from.pod, from.container) && !strings.HasPrefix(from.pod, from.container+"-") {
		name += "/" + from.container
	}
	if n := min(len(name), maxNameWidth); n > w.width {
		w.width = n
		clear(w.names) // they are printed wider from now on
	}
	w.names[from] = paintName(w.st, name, w.width) + " "
	return w.names[from]
}

// printable keeps colours and drops every other escape sequence: a log must not move the cursor or set the title.
func printable(st *ui.Streams, s string) string {
	if !hasControls(s) {
		return s
	}
	var b strings.Builder
	for s != "" {
		seq, _, n, _ := ansi.DecodeSequence(s, 0, nil)
		if n <= 0 {
			break
		}
		parameters, isCSI := strings.CutPrefix(seq, "\x1b[")
		parameters, isSGR := strings.CutSuffix(parameters, "m")
		switch {
		case isCSI && isSGR:
			b.WriteString(st.SGR(parameters))
		case seq[0] >= ' ' && seq[0] != 0x7f || seq == "\t":
			b.WriteString(seq)
		}
		s = s[n:]
	}
	return b.String()
}

// hasControls reports whether a text has a character that begins a control sequence (escape, U+009B) or that moves the cursor.
// The protected stream escapes the other control characters.
func hasControls(s string) bool {
	for i := range len(s) {
		switch s[i] {
		case '\x1b', '\r', '\b', '\a':
			return true
		case 0x9b:
			if i > 0 && s[i-1] == 0xc2 {
				return true
			}
		}
	}
	return false
}

func paintName(st *ui.Streams, name string, width int) string {
	text := fmt.Sprintf("%-*s |", width, name)
	if !st.OutTTY {
		return text
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	styles := []ui.Style{"36", "33", "32", "35", "34", "96", "93", "92", "95", "94"}
	return st.Paint(styles[h.Sum32()%uint32(len(styles))], text)
}
