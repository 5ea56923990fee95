package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/lyandev/lyandev/supervisor/probe/replay"
)

// latency is how much earlier or later than recorded a line may come: the kubelet's list of containers is a second old.
const latency = 1.1

// forever is a time that no trace reaches.
const forever = 1e9

// TestStatusAndEventLines compares what compare.py leaves aside: every line of a status, and every event, in its order. What
// may differ:
//   - the kubelet repeats some events at each look, so they count once for each instance;
//   - it shows CrashLoopBackOff up to a look later than we do, or not at all (R79);
//   - it waits longer before a restart (R72): from the first back-off on times are compare.py's business, and ours may get further.
func TestStatusAndEventLines(t *testing.T) {
	files, err := filepath.Glob("../testdata/traces/pod-*.json")
	if err != nil || len(files) < 34 {
		t.Fatalf("%d recorded traces: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			s, data := load(t, file)
			var b bytes.Buffer
			if err := replay.Write(&b, played(t, s, true)); err != nil {
				t.Fatal(err)
			}
			want, got := streams(t, data), streams(t, b.Bytes())
			backOff := slices.IndexFunc(want["event"], func(l replay.Line) bool { return strings.Contains(l.Text, " BackOff ") })
			limit := forever
			if backOff >= 0 {
				limit = want["event"][backOff].At
			}
			for about := range want {
				if problem := differ(want[about], got[about], limit); problem != "" {
					t.Errorf("%s: %s", about, problem)
				}
				delete(got, about)
			}
			for about, lines := range got {
				t.Errorf("%s is not recorded: %v", about, lines)
			}
		})
	}
}

// streams are the lines by what they are about: the events, a condition, a container.
func streams(t *testing.T, trace []byte) map[string][]replay.Line {
	t.Helper()
	lines, _, err := replay.Lines(trace)
	if err != nil {
		t.Fatal(err)
	}
	sort.SliceStable(lines, func(i, j int) bool { // of one instant the recorder sorts the events
		a, b := lines[i], lines[j]
		return a.At < b.At || a.At == b.At && a.Event == "event" && b.Event == "event" && a.Text < b.Text
	})
	out, said := map[string][]replay.Line{}, map[string]bool{}
	for _, l := range lines {
		switch l.Event {
		case "status":
			about, _, _ := strings.Cut(l.Text, "=")
			if strings.HasPrefix(l.Text, "[") {
				about, _, _ = strings.Cut(l.Text, " ")
			}
			out[about] = append(out[about], l)
		case "event":
			reason := strings.Fields(l.Text)[1]
			if reason == "Created" {
				clear(said)
			}
			if !said[l.Text] {
				out["event"] = append(out["event"], l)
			}
			said[l.Text] = slices.Contains([]string{"Pulled", "Failed", "ErrImageNeverPull", "BackOff", "DeadlineExceeded"}, reason)
		}
	}
	return out
}

var lastState = regexp.MustCompile(` last\(.*?\) `)

// differ says how our lines about something differ from the recorded ones, "" if they do not. Times count until limit; if
// there is one, ours may go on longer.
func differ(want, got []replay.Line, limit float64) string {
	left := want
	before, waited := "", false
	for _, g := range got {
		switch {
		case len(left) > 0 && left[0].Text == g.Text:
			w := left[0]
			left, before, waited = left[1:], g.Text, false
			if w.At < limit && (g.At < w.Earliest-latency || g.At > w.Latest+latency) {
				return fmt.Sprintf("%q at %.3f, recorded %.3f to %.3f", g.Text, g.At, w.Earliest, w.Latest)
			}
		case strings.Contains(g.Text, "] waiting(CrashLoopBackOff"):
			waited = true
		case waited && lastState.ReplaceAllString(before, " ") == g.Text: // it waits no longer, but ends
		case len(left) == 0 && limit < forever:
			return ""
		default:
			return fmt.Sprintf("%q at %.3f, recorded %v", g.Text, g.At, left[:min(1, len(left))])
		}
	}
	if len(left) > 0 {
		return fmt.Sprintf("not given: %v", left)
	}
	return ""
}
