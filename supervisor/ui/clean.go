package ui

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Protect returns streams whose Out and Err escape control sequences that are not lyandev's own: text from containers (probe
// output, values, names in errors) may contain escape sequences that move the cursor, set the title or fake other output.
// Control characters except newline and tab, and characters that change the text direction, are written as \uXXXX, which is
// also their form in JSON. Bytes that are not UTF-8 become U+FFFD.
//
// lyandev's own sequences (Paint, live progress) contain a random key of this process, which is removed on output.
func (s *Streams) Protect() *Streams {
	var random [12]byte
	_, _ = rand.Read(random[:]) // it never fails
	var key strings.Builder
	for i := 0; i < len(random); i += 2 {
		fmt.Fprintf(&key, "%d;", binary.BigEndian.Uint16(random[i:]))
	}
	s.key = key.String()
	s.Out, s.Err = &cleaner{to: s.Out, key: s.key}, &cleaner{to: s.Err, key: s.key}
	return s
}

// RawOut returns the unprotected Out: for program output that the user requested (exec), and for data.
func (s *Streams) RawOut() io.Writer { return raw(s.Out) }

// RawErr returns the unprotected Err.
func (s *Streams) RawErr() io.Writer { return raw(s.Err) }

func raw(w io.Writer) io.Writer {
	if c, ok := w.(*cleaner); ok {
		return c.to
	}
	return w
}

// Sequence returns a control sequence that protected streams do not escape: CSI, the parameters, the final letter.
func (s *Streams) Sequence(text string) string { return csi + s.key + text }

// SGR returns the sequence that sets colours by its parameters ("1;31"; "" resets).
func (s *Streams) SGR(parameters string) string { return s.Sequence(parameters + "m") }

// Visible returns text as a protected stream writes it, but with our own sequences still marked, for measuring and truncating.
func (s *Streams) Visible(text string) string {
	if s.key == "" {
		return text
	}
	var b bytes.Buffer
	clean(&b, []byte(text), s.key, true, true)
	return b.String()
}

const csi = "\x1b["

// cleaner is the writer of a protected stream. See Streams.Protect.
type cleaner struct {
	key string

	mu sync.Mutex
	to io.Writer
	// rest is an incomplete character or sequence at the end of the last Write.
	rest []byte
}

// Write implements io.Writer. It reports all of p as written unless the stream behind it fails.
func (c *cleaner) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b bytes.Buffer
	c.rest = clean(&b, append(c.rest, p...), c.key, false, false)
	if b.Len() > 0 {
		if _, err := c.to.Write(b.Bytes()); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// file returns the file behind a stream, nil if there is none.
func file(w io.Writer) *os.File {
	f, _ := raw(w).(*os.File)
	return f
}

// clean writes p to b in the form of Protect and returns the end of it that may be incomplete, a copy; with last there is
// none. Our sequences keep the key if keep is set.
func clean(b *bytes.Buffer, p []byte, key string, keep, last bool) (rest []byte) {
	ours := []byte(csi + key)
	for len(p) > 0 {
		if n := plainLength(p); n > 0 {
			b.Write(p[:n])
			p = p[n:]
			continue
		}
		if p[0] == '\x1b' {
			n, whole := sequenceAt(p, ours)
			switch {
			case n > 0 && keep:
				b.Write(p[:n])
			case n > 0:
				b.WriteString(csi)
				b.Write(p[len(ours):n])
			case !whole && !last:
				return bytes.Clone(p)
			default:
				n = 1
				escape(b, '\x1b')
			}
			p = p[n:]
			continue
		}
		if !last && !utf8.FullRune(p) {
			return bytes.Clone(p)
		}
		r, n := utf8.DecodeRune(p)
		if harmless(r) {
			b.WriteRune(r) // U+FFFD for what is not UTF-8
		} else {
			escape(b, r)
		}
		p = p[n:]
	}
	return nil
}

// plainLength is the length of the printable ASCII text at the start of p: most of what is ever written.
func plainLength(p []byte) int {
	for i, c := range p {
		if (c < ' ' || c > '~') && c != '\n' && c != '\t' {
			return i
		}
	}
	return len(p)
}

// maxSequence is the maximum length of the parameters of our sequences.
const maxSequence = 16

// sequenceAt returns the length of one of our sequences at the start of p, 0 if there is none. whole is false if p may be the
// start of an incomplete one.
func sequenceAt(p, ours []byte) (n int, whole bool) {
	if !bytes.HasPrefix(p, ours) {
		return 0, !bytes.HasPrefix(ours, p)
	}
	for i, c := range p[len(ours):] {
		switch {
		case i > maxSequence:
			return 0, true
		case c >= '@' && c <= '~':
			return len(ours) + i + 1, true
		case (c < '0' || c > '9') && c != ';' && c != '?':
			return 0, true
		}
	}
	return 0, false
}

// harmless reports whether a character has no effect on a terminal but to be shown.
func harmless(r rune) bool {
	return r == '\n' || r == '\t' || !unicode.IsControl(r) && !unicode.Is(unicode.Bidi_Control, r)
}

func escape(b *bytes.Buffer, r rune) { fmt.Fprintf(b, `\u%04x`, r) }
