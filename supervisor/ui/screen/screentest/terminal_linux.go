// Package screentest gives tests a terminal: a pseudo terminal whose screen and scrollback they can read.
package screentest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/vt"
	"golang.org/x/sys/unix"
)

// Terminal is a pseudo terminal with an emulator behind it. What is written to Side is shown on its screen.
type Terminal struct {
	// Side is the side of the terminal that programs use.
	Side *os.File

	t      testing.TB
	master *os.File
	screen *vt.SafeEmulator
	titles chan string
	marks  int
	ended  chan struct{}
}

// scrollback is how many lines a terminal keeps.
const scrollback = 10000

// Open opens a terminal, which is closed when the test ends.
func Open(t testing.TB, columns, rows int) *Terminal {
	t.Helper()
	x := &Terminal{t: t, titles: make(chan string, 100), ended: make(chan struct{}), screen: vt.NewSafeEmulator(columns, rows)}
	x.screen.SetScrollbackSize(scrollback)
	x.screen.SetCallbacks(vt.Callbacks{Title: func(title string) { x.titles <- title }})
	var err error
	if x.master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	fd := int(x.master.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		x.Side, err = os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Fatal(errors.Join(err, x.master.Close()))
	}
	x.setSize(columns, rows)
	go x.read()
	t.Cleanup(func() {
		_ = x.Side.Close() // the reader ends when the last holder of the side has gone
		select {
		case <-x.ended:
		case <-time.After(5 * time.Second):
			t.Error("somebody still holds the terminal")
		}
		_ = x.master.Close()
	})
	return x
}

// read feeds the emulator until nobody holds the terminal's side any more.
func (x *Terminal) read() {
	defer close(x.ended)
	if _, err := io.Copy(x.screen, x.master); err != nil && !errors.Is(err, unix.EIO) && !errors.Is(err, fs.ErrClosed) {
		x.t.Error(err)
	}
}

// Resize changes the terminal's size; its programs get SIGWINCH.
func (x *Terminal) Resize(columns, rows int) {
	x.t.Helper()
	x.Sync()
	x.screen.Resize(columns, rows)
	x.setSize(columns, rows)
}

func (x *Terminal) setSize(columns, rows int) {
	x.t.Helper()
	if err := unix.IoctlSetWinsize(int(x.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(columns), Row: uint16(rows)}); err != nil {
		x.t.Fatal(err)
	}
}

// Type types text.
func (x *Terminal) Type(text string) {
	x.t.Helper()
	if _, err := x.master.WriteString(text); err != nil {
		x.t.Fatal(err)
	}
}

// Sync blocks until everything that was written to Side is on the screen.
func (x *Terminal) Sync() {
	x.t.Helper()
	x.marks++
	title := fmt.Sprint("mark ", x.marks)
	if _, err := fmt.Fprintf(x.Side, "\x1b]2;%s\a", title); err != nil {
		x.t.Fatal(err)
	}
	for limit := time.After(10 * time.Second); ; {
		select {
		case got := <-x.titles:
			if got == title {
				return
			}
		case <-limit:
			x.t.Fatal("the terminal does not answer")
		}
	}
}

// Screen returns the lines of the screen, without trailing blanks and blank lines at the end.
func (x *Terminal) Screen() []string {
	var out []string
	for y := range x.screen.Height() {
		out = append(out, line(x.screen.Width(), func(i int) *uv.Cell { return x.screen.CellAt(i, y) }))
	}
	for len(out) > 0 && out[len(out)-1] == "" {
		out = out[:len(out)-1]
	}
	return out
}

// Scrollback returns the lines that scrolled off the screen, the oldest first.
func (x *Terminal) Scrollback() []string {
	var out []string
	for y := range x.screen.ScrollbackLen() {
		out = append(out, line(x.screen.Width(), func(i int) *uv.Cell { return x.screen.ScrollbackCellAt(i, y) }))
	}
	return out
}

// All returns the scrollback and the screen as one text.
func (x *Terminal) All() string { return strings.Join(append(x.Scrollback(), x.Screen()...), "\n") }

// CursorHidden reports whether a program has hidden the cursor.
func (x *Terminal) CursorHidden() bool { return x.screen.CursorHidden() }

func line(width int, cell func(int) *uv.Cell) string {
	var b strings.Builder
	for i := range width {
		switch c := cell(i); {
		case c == nil || c.Content == "" && c.Width > 0:
			b.WriteByte(' ')
		default:
			b.WriteString(c.Content)
		}
	}
	return strings.TrimRight(b.String(), " ")
}
