// Package ui turns what happens into something to read: a live view on a terminal, plain lines elsewhere. Results go to
// Out, progress to Err. Nothing else in lyandev writes to the process's own streams.
package ui

import (
	"io"
	"os"

	"github.com/mattn/go-isatty"
	"golang.org/x/term"
)

// Streams are where a command reads and writes, and what it may do there.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
	// OutTTY and ErrTTY say that a person looks; Color that escape codes for colours are welcome.
	InTTY, OutTTY, ErrTTY bool
	Color                 bool

	// key is in our own control sequences; "" if the streams are not protected.
	key string
}

// System are the process's streams. NO_COLOR and TERM=dumb are honoured.
func System() *Streams {
	out, err := isTTY(os.Stdout), isTTY(os.Stderr)
	s := &Streams{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, InTTY: isTTY(os.Stdin), OutTTY: out, ErrTTY: err,
		Color: err && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb",
	}
	return s.Protect()
}

func isTTY(f *os.File) bool { return isatty.IsTerminal(f.Fd()) || isatty.IsCygwinTerminal(f.Fd()) }

// Size is the terminal's columns and rows, 80 and 24 where there is none.
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

// Style is a way to print a word.
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

// Paint colours text where that is welcome.
func (s *Streams) Paint(style Style, text string) string {
	if !s.Color || text == "" {
		return text
	}
	return s.sequence(string(style)+"m") + text + s.sequence("0m")
}
