package ui

import (
	"testing"
	"time"

	"github.com/lyandev/lyandev/supervisor/state"
)

func TestRuns(t *testing.T) {
	now := time.Date(2026, 3, 4, 1, 5, 0, 0, time.UTC)
	for want, r := range map[string]state.Runs{
		"no run yet, next 01:17":                        {Next: now.Add(12 * time.Minute)},
		"running":                                       {Active: 1},
		"last run ok 12s ago, next 01:17":               {Last: now.Add(-12 * time.Second), Next: now.Add(12 * time.Minute)},
		"last run failed 3m ago, next 2026-03-05 01:00": {Last: now.Add(-3 * time.Minute), Failed: true, Next: now.Add(24*time.Hour - 5*time.Minute)},
		"running, last run ok 60s ago, suspended":       {Active: 1, Last: now.Add(-time.Minute), Suspended: true},
	} {
		if got := Runs(r, now); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
