package probe

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// TestHistoryKeepsTheLastTries: ten a probe, oldest first, cut, with what broke instead of an answer.
func TestHistoryKeepsTheLastTries(t *testing.T) {
	w := &worker{pod: &Pod{}, machine: machine{typ: Liveness, container: &corev1.Container{Name: "app"}}}
	p := &Pod{workers: []*worker{w}}
	if got := p.Answers(); len(got) != 0 {
		t.Errorf("before the first try: %v", got)
	}
	for n := range 23 {
		w.remember(Target{ContainerID: "id"}, Outcome{Verdict: Failed, Output: fmt.Sprintf(" no %d\n", n)}, time.Now(), n%2 == 0)
	}
	got := p.Answers()
	if len(got) != historyLength || got[0].Output != "no 13" || got[9].Output != "no 22" || !got[9].Early || got[8].Early ||
		got[0].Container != "app" || got[0].ContainerID != "id" || got[0].Type != Liveness || got[0].Good() {
		t.Errorf("%+v", got)
	}
	w.remember(Target{}, Outcome{Verdict: Warned, Output: strings.Repeat("é", maxKept)}, time.Now(), false)
	w.remember(Target{}, Outcome{Err: errors.New("cannot dial")}, time.Now(), false)
	got = p.Answers()
	if a := got[8]; len(a.Output) != maxKept+len(" ...") || !a.Good() {
		t.Errorf("a long output: %d bytes, %+v", len(a.Output), a.Verdict)
	}
	if a := got[9]; a.Verdict != Undecided || a.Output != "cannot dial" || a.Good() {
		t.Errorf("a broken try: %+v", a)
	}
}
