package ui

import (
	"bytes"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// protected are streams of a terminal with colours, and what is written to them.
func protected() (st *Streams, out, err *bytes.Buffer) {
	out, err = new(bytes.Buffer), new(bytes.Buffer)
	st = &Streams{Out: out, Err: err, OutTTY: true, ErrTTY: true, Color: true}
	return st.Protect(), out, err
}

func TestProtect(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"plain", "a\tb\nc é ✔ 世界\n", "a\tb\nc é ✔ 世界\n"},
		{"title by OSC", "x\x1b]0;owned\ay", `x\u001b]0;owned\u0007y`},
		{"title by OSC and ST", "\x1b]2;t\x1b\\", `\u001b]2;t\u001b\`},
		{"clear the screen", "\x1b[2J\x1b[H", `\u001b[2J\u001b[H`},
		{"colours of others", "\x1b[31mred\x1b[0m", `\u001b[31mred\u001b[0m`},
		{"a carriage return", "bad\rgood", `bad\u000dgood`},
		{"backspaces", "bad\b\b\bok", `bad\u0008\u0008\u0008ok`},
		{"DEL", "a\x7fb", `a\u007fb`},
		{"C1 CSI and OSC", "\u009b2J\u009d0;t\u009c", `\u009b2J\u009d0;t\u009c`},
		{"eight bits", "\x9b2J\x9d", "\ufffd2J\ufffd"},
		{"direction", "a\u202eb\u2066c", `a\u202eb\u2066c`},
		{"a sequence without a key", "\x1b[1;2;3;4;5;6;31m", `\u001b[1;2;3;4;5;6;31m`},
		{"NUL", "a\x00b", `a\u0000b`},
	} {
		st, out, _ := protected()
		for i := range len(tc.in) { // a byte at a time is the same as at once
			if n, err := st.Out.Write([]byte{tc.in[i]}); n != 1 || err != nil {
				t.Fatal(n, err)
			}
		}
		once, onceOut, _ := protected()
		_, _ = once.Out.Write([]byte(tc.in))
		if got := out.String(); got != tc.want || onceOut.String() != tc.want {
			t.Errorf("%s: %q in bytes, %q at once; want %q", tc.name, got, onceOut, tc.want)
		}
	}
}

func TestOurOwnStylingPasses(t *testing.T) {
	st, out, errs := protected()
	text := st.Paint(Red, "a\x1b[2Jb") + st.SGR("1;36") + "c" + st.SGR("")
	_, _ = st.Out.Write([]byte(text))
	if want := "\x1b[31ma" + `\u001b[2Jb` + "\x1b[0m\x1b[1;36mc\x1b[m"; out.String() != want {
		t.Errorf("got %q, want %q", out, want)
	}
	other, _, _ := protected()
	_, _ = st.Err.Write([]byte(other.Paint(Red, "x")))
	if strings.Contains(errs.String(), "\x1b") {
		t.Errorf("a sequence of another process passes: %q", errs)
	}
	_, _ = st.RawOut().Write([]byte("\x1b[H"))
	if !strings.HasSuffix(out.String(), "\x1b[H") {
		t.Error("the raw stream is cleaned")
	}
}

// hostile is what a container may say.
const hostile = "\x1b]0;owned\a\x1b[2J\u009b31m\rlyandev: all is well\b\x7f"

func FuzzProtect(f *testing.F) {
	for _, s := range []string{hostile, "plain\n", "\x1b", "\x1b[", "\x9b\xc2\x9b\xe2\x82", "\x1b[1;2;3;4;5;6;31m", "\u202e"} {
		f.Add(s, 1)
	}
	f.Fuzz(func(t *testing.T, text string, at int) {
		st, out, _ := protected()
		cut := 0
		if len(text) > 0 {
			cut = int(uint(at) % uint(len(text)))
		}
		_, _ = st.Out.Write([]byte(text[:cut]))
		_, _ = st.Out.Write([]byte(text[cut:]))
		if !utf8.Valid(out.Bytes()) {
			t.Fatalf("%q became %q, which is not UTF-8", text, out)
		}
		for _, r := range out.String() {
			if unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r) {
				t.Fatalf("%q became %q", text, out)
			}
		}
	})
}
