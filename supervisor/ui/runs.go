package ui

import (
	"fmt"
	"strings"
	"time"

	"github.com/lyandev/lyandev/supervisor/state"
)

// Runs describes the runs of a CronJob at now: "last run ok 12s ago, next 01:17". Times of day are in now's time zone; a run
// on another day is given with its date.
func Runs(r state.Runs, now time.Time) string {
	var parts []string
	if r.Active > 0 {
		parts = append(parts, "running")
	}
	switch {
	case r.Last.IsZero() && r.Active == 0:
		parts = append(parts, "no run yet")
	case r.Last.IsZero():
	case r.Failed:
		parts = append(parts, fmt.Sprintf("last run failed %s ago", Age(r.Last, now)))
	default:
		parts = append(parts, fmt.Sprintf("last run ok %s ago", Age(r.Last, now)))
	}
	switch next := r.Next.In(now.Location()); {
	case r.Suspended:
		parts = append(parts, "suspended")
	case r.Next.IsZero():
	case next.YearDay() == now.YearDay() && next.Year() == now.Year():
		parts = append(parts, "next "+next.Format("15:04"))
	default:
		parts = append(parts, "next "+next.Format("2006-01-02 15:04"))
	}
	return strings.Join(parts, ", ")
}
