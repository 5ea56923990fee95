package main

import (
	"bytes"
	"testing"

	"github.com/lyandev/lyandev/services/mask"
	"github.com/lyandev/lyandev/supervisor/logs"
	"github.com/lyandev/lyandev/supervisor/ui"
)

// TestLogWriter: names are padded to the longest so far, secrets masked, and nothing is written before a flush.
func TestLogWriter(t *testing.T) {
	var out bytes.Buffer
	st := (&ui.Streams{Out: &out, Err: &bytes.Buffer{}}).Protect()
	w := newLogWriter(st, mask.New(nil))
	w.line(logs.Line{Pod: "web-0", Container: "nginx", Text: "a\x1b[2Jb\xff"})
	w.line(logs.Line{Pod: "db", Container: "db", Text: "DB_PASSWORD=hunter22"})
	if out.Len() > 0 {
		t.Errorf("written before the flush: %q", out.String())
	}
	w.flush()
	w.line(logs.Line{Pod: "worker-12345", Container: "app", Text: "x"})
	w.line(logs.Line{Pod: "db", Container: "db", Text: "y"})
	w.flush()
	want := "web-0/nginx | a\x1b[2Jb\xff\ndb          | DB_PASSWORD=***\nworker-12345/app | x\ndb               | y\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

// TestLogWriterOnATerminal: a log's colours are kept, and whatever else could change the terminal is not.
func TestLogWriterOnATerminal(t *testing.T) {
	var out bytes.Buffer
	st := (&ui.Streams{Out: &out, Err: &bytes.Buffer{}, OutTTY: true}).Protect()
	w := newLogWriter(st, mask.New(nil))
	for _, text := range []string{"plain, é “quoted”", "\x1b[31mred\x1b[0m", "a\x1b[2Jb\x1b]0;title\ac\u009b2Jd", "a\rb\x00"} {
		w.line(logs.Line{Pod: "p", Container: "p", Text: text})
	}
	w.flush()
	want := "p | plain, é “quoted”\np | \x1b[31mred\x1b[0m\np | abc\\u009b2Jd\np | ab\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
