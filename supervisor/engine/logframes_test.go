package engine

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// frames is a log stream of the engine: messages "1:text" of stdout and "2:text" of stderr.
func frames(messages ...string) []byte {
	var b []byte
	for _, m := range messages {
		head := make([]byte, 8)
		head[0] = m[0] - '0'
		binary.BigEndian.PutUint32(head[4:], uint32(len(m)-2))
		b = append(append(b, head...), m[2:]...)
	}
	return b
}

// TestLogFrames: a line of 1 MB was printed in pieces of 256 KiB, and one that was written with stderr between its pieces was
// mixed with it.
func TestLogFrames(t *testing.T) {
	full := strings.Repeat("x", messageSize)
	for name, c := range map[string]struct {
		opts     LogOptions
		messages []string
		want     string
	}{
		"as they come":              {LogOptions{}, []string{"1:a\n", "2:b\n", "1:c"}, "a\nb\nc"},
		"lines":                     {LogOptions{Lines: true}, []string{"1:a\n", "2:b\n", "1:\n"}, "a\nb\n\n"},
		"the end of a process":      {LogOptions{Lines: true}, []string{"1:dying", "1:begin\n"}, "dying\nbegin\n"},
		"a long line":               {LogOptions{Lines: true}, []string{"1:" + full, "1:" + full, "1:end\n", "1:next\n"}, full + full + "end\nnext\n"},
		"a long line to the end":    {LogOptions{Lines: true}, []string{"1:" + full, "1:" + full}, full + full + "\n"},
		"two long lines at once":    {LogOptions{Lines: true}, []string{"1:" + full, "2:" + full, "1:out\n", "2:err\n"}, full + "out\n" + full + "err\n"},
		"a line of exactly a piece": {LogOptions{Lines: true}, []string{"1:" + full, "1:\n", "1:next\n"}, full + "\nnext\n"},
		"times": {
			LogOptions{Lines: true, Timestamps: true},
			[]string{"1:2026-01-02T03:04:05Z " + full, "1:2026-01-02T03:04:06Z end\n", "1:2026-01-02T03:04:07Z next\n"},
			"2026-01-02T03:04:05Z " + full + "end\n2026-01-02T03:04:07Z next\n",
		},
	} {
		for how, wrap := range map[string]func(io.Reader) io.Reader{
			"at once": func(r io.Reader) io.Reader { return r }, "in bytes": iotest.OneByteReader,
		} {
			got, err := io.ReadAll(newLogFrames(io.NopCloser(wrap(bytes.NewReader(frames(c.messages...)))), c.opts))
			if err != nil || string(got) != c.want {
				t.Errorf("%s, %s: %v, %d bytes, want %d: %.80q", name, how, err, len(got), len(c.want), got)
			}
		}
	}
}

func TestLogFramesToTwoWriters(t *testing.T) {
	var stderr bytes.Buffer
	got, err := io.ReadAll(newLogFrames(io.NopCloser(bytes.NewReader(frames("1:a\n", "2:b\n", "1:c\n"))), LogOptions{StderrTo: &stderr}))
	if err != nil || string(got) != "a\nc\n" || stderr.String() != "b\n" {
		t.Errorf("%v, %q and %q", err, got, stderr.String())
	}
}

func TestLogFramesThatBreak(t *testing.T) {
	for name, c := range map[string]struct {
		stream []byte
		want   string
	}{
		"within a message":    {frames("1:abc")[:10], "unexpected EOF"},
		"no log stream":       {[]byte("hello, world"), "unknown header"},
		"the engine's own":    {frames("1:a\n", "3:log file is gone\n"), "log file is gone"},
		"a message too large": {[]byte{1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}, "unknown header"},
	} {
		_, err := io.ReadAll(newLogFrames(io.NopCloser(bytes.NewReader(c.stream)), LogOptions{Lines: true}))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLogFramesDoNotWait: what has arrived is returned while the next message has not.
func TestLogFramesDoNotWait(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	go func() { _, _ = w.Write(append(frames("1:a\n", "1:b\n"), 1, 0, 0)) }()
	f := newLogFrames(r, LogOptions{Lines: true})
	buf := make([]byte, 100)
	n, err := f.Read(buf)
	if err != nil || string(buf[:n]) != "a\nb\n" {
		t.Errorf("%v, %q", err, buf[:n])
	}
	_ = f.Close()
}
