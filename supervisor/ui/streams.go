// Package ui writes lyandev's terminal output: progress as a live view on a terminal and as plain lines elsewhere, colours, and
// pod states as kubectl shows them. Results go to Out, progress to Err. Only this package writes to the process's streams.
package ui

import (
	"io"
	"os"

	"github.com/mattn/go-isatty"
	"golang.org/x/term"
)

// Streams are the input and output streams of a command and their capabilities.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
	// OutTTY and ErrTTY are true if the stream is a terminal. Color allows colours.
	InTTY, OutTTY, ErrTTY bool
	Color                 bool
	// Dumb is true for terminals that cannot move their cursor: TERM is "dumb".
	Dumb bool
	// Quiet leaves out the progress of all commands.
	Quiet bool

	// key marks our own control sequences; "" if the streams are not protected. See Protect.
	key string
}

// System returns the process's streams. It honours NO_COLOR and TERM=dumb.
func System() *Streams {
	out, err := isTTY(os.Stdout), isTTY(os.Stderr)
	s := &Streams{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, InTTY: isTTY(os.Stdin), OutTTY: out, ErrTTY: err,
		Color: err && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb", Dumb: os.Getenv("TERM") == "dumb",
	}
	return s.Protect()
}

func isTTY(f *os.File) bool { return isatty.IsTerminal(f.Fd()) || isatty.IsCygwinTerminal(f.Fd()) }

// Size returns the terminal's columns and rows, 80 and 24 without a terminal.
func (s *Streams) Size() (columns, rows int) {
	for _, w := range []io.Writer{s.Err, s.Out} {
		if f := file(w); f != nil {
			if c, r, err := term.GetSize(int(f.Fd())); err == nil && c > 0 {
				return c, r
			}
		}
	}
	return 80, 24
}

// Style is the style of a text.
type Style string

// The styles.
const (
	Bold   Style = "1"
	Dim    Style = "2"
	Red    Style = "31"
	Green  Style = "32"
	Yellow Style = "33"
	Blue   Style = "34"
	Cyan   Style = "36"
)

// Paint colours text if Color is set.
func (s *Streams) Paint(style Style, text string) string {
	if !s.Color || text == "" {
		return text
	}
	return s.Sequence(string(style)+"m") + text + s.Sequence("0m")
}
