package main

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lyandev/lyandev/supervisor/instance"
)

// TestASupervisorWithoutItsLockLeaves: it looks every second, makes a removed socket again, and leaves when the lock is gone.
func TestASupervisorWithoutItsLockLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var restored, left time.Duration
		check := func() error {
			if time.Since(began) > 10*time.Second {
				return instance.ErrLost
			}
			return nil
		}
		restore := func() (bool, error) { // the socket is removed once, after 4.5 s
			if restored != 0 || time.Since(began) < 4500*time.Millisecond {
				return false, nil
			}
			restored = time.Since(began)
			return true, nil
		}
		err := keepPlace(t.Context(), check, restore, func() { left = time.Since(began) }, slog.New(slog.DiscardHandler))
		if !errors.Is(err, instance.ErrLost) || restored != 5*time.Second || left != 11*time.Second {
			t.Errorf("socket after %s, left after %s with %v", restored, left, err)
		}
	})
}

func TestASupervisorThatEndsKeepsNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	fail := func() error { return instance.ErrLost }
	if err := keepPlace(ctx, fail, nil, func() { t.Error("left") }, nil); err != nil {
		t.Error(err)
	}
}
