package engine

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestACallThatIsNotAnswered: it ends at its limit, as an engine that is not there; the end of its caller's context stays
// what it is, and so does an answer that came.
func TestACallThatIsNotAnswered(t *testing.T) {
	hang := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		err := do(t.Context(), answerLimit, hang)
		if !errors.Is(err, ErrNoAnswer) || !IsUnavailable(err) {
			t.Errorf("a call that hangs fails with %v", err)
		}
		if took := time.Since(began); took != answerLimit {
			t.Errorf("it took %s", took)
		}
		mine, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := do(mine, answerLimit, hang); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrNoAnswer) {
			t.Errorf("a caller that gave up is told %v", err)
		}
		answer := errors.New("no such thing")
		if err := do(t.Context(), answerLimit, func(context.Context) error { return answer }); !errors.Is(err, answer) {
			t.Errorf("an answer became %v", err)
		}
	})
}
