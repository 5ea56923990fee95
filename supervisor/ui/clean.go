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

// Protect lets only harmless text and our own styling through to s.Out and s.Err: what containers say (probes' output, values,
// names in errors) may hold escape sequences that move the cursor, set the title or fake other output. Control characters,
// but for newline and tab, and those that change the direction of text are shown as \uXXXX, which is also their form in
// JSON; bytes that are not UTF-8 become U+FFFD.
//
// Our own sequences (Paint, the live progress) carry a key of this process, which nobody can know, and are written without
// it.
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

// RawOut is the stream behind Out: for a program's output that the user asked for (exec), and for data.
func (s *Streams) RawOut() io.Writer { return raw(s.Out) }

// RawErr is the stream behind Err.
func (s *Streams) RawErr() io.Writer { return raw(s.Err) }

func raw(w io.Writer) io.Writer {
	if c, ok := w.(*cleaner); ok {
		return c.to
	}
	return w
}

// sequence is a control sequence that a protected stream lets through: CSI, the parameters, the final letter.
func (s *Streams) sequence(text string) string { return csi + s.key + text }

// SGR is the sequence that sets colours, by its parameters ("1;31"; "" resets), for text that may choose its own.
func (s *Streams) SGR(parameters string) string { return s.sequence(parameters + "m") }

// visible is text as a protected stream shows it, with our own sequences still in it, to be measured and cut.
func (s *Streams) visible(text string) string {
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
	// rest is the beginning of a character or of one of our sequences whose end is yet to be written.
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

// file is the file behind a stream, nil if there is none.
func file(w io.Writer) *os.File {
	f, _ := raw(w).(*os.File)
	return f
}

// clean writes p to b in the form of Protect and returns the end of it that may be incomplete, a copy; with last there is
// none. Our sequences keep the key if keep is set.
func clean(b *bytes.Buffer, p []byte, key string, keep, last bool) (rest []byte) {
	ours := []byte(csi + key)
	for len(p) > 0 {
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

// maxSequence is how long the parameters of one of our sequences can be.
const maxSequence = 16

// sequenceAt is the length of one of our sequences at the beginning of p, 0 if there is none. It is whole unless more bytes
// could make it one.
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

// harmless says that a terminal only shows the character.
func harmless(r rune) bool {
	return r == '\n' || r == '\t' || !unicode.IsControl(r) && !unicode.Is(unicode.Bidi_Control, r)
}

func escape(b *bytes.Buffer, r rune) { fmt.Fprintf(b, `\u%04x`, r) }
