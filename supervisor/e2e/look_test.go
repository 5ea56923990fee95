package e2e_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/lyandev/lyandev/supervisor/e2e/harness"
	known "github.com/lyandev/lyandev/supervisor/state"
)

// state is the snapshot that conditions look at.
type state = known.Status

func podReady(p *corev1.Pod) bool { return known.PodReady(p) }

// mark is a line that a container wrote with `echo WORD $(date +%s.%N)`.
type mark struct {
	word string
	at   time.Time
}

// marks reads the lines that the containers of an instance wrote to a file of its directory, which they have as /out.
func marks(t *testing.T, i *harness.Instance, file string) []mark {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(i.Dir, "out", file))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var out []mark
	for line := range strings.Lines(string(b)) {
		word, number, _ := strings.Cut(strings.TrimSpace(line), " ")
		seconds, err := strconv.ParseFloat(number, 64)
		if err != nil {
			continue // it is being written
		}
		out = append(out, mark{word, time.Unix(0, int64(seconds*1e9))})
	}
	return out
}

// words are the words of marks, in the order of the file.
func words(list []mark) string {
	var out []string
	for _, m := range list {
		out = append(out, m.word)
	}
	return strings.Join(out, " ")
}

// during says that a span of time is at least low and at most high. The machine may be busy: high has room in it, low has not.
func during(t *testing.T, what string, got, low, high time.Duration) {
	t.Helper()
	if got < low || got > high {
		t.Errorf("%s took %s, want %s to %s", what, got.Round(time.Millisecond), low, high)
	}
}

// events are the events of a pod with a reason, and how often they happened in all.
func events(i *harness.Instance, name, reason, part string) (list []known.Event, count int) {
	for _, e := range i.Events(name) {
		if e.Reason == reason && strings.Contains(e.Message, part) {
			list, count = append(list, e), count+e.Count
		}
	}
	return list, count
}
