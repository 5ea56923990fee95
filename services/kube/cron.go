package kube

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // CronJobs name zones, and a laptop need not have the zone files

	"github.com/robfig/cron/v3"
)

// Schedule returns the next time of a CronJob strictly after a given one; the zero time means never.
type Schedule interface {
	Next(time.Time) time.Time
}

// ParseSchedule parses a CronJob's schedule: five fields, or @hourly, @every 5m and similar; no seconds (R195). zone is
// spec.timeZone, nil for local (nil: UTC). A zone inside the schedule (TZ=, CRON_TZ=) is an error.
func ParseSchedule(schedule string, zone *string, local *time.Location) (Schedule, error) {
	if strings.Contains(schedule, "TZ") {
		return nil, fmt.Errorf("cannot use schedule %q: a time zone belongs into spec.timeZone, not into the schedule", schedule)
	}
	if local == nil {
		local = time.UTC
	}
	if zone != nil {
		named, err := time.LoadLocation(*zone)
		if err != nil {
			return nil, fmt.Errorf("cannot use time zone %q: %w", *zone, err)
		}
		local = named
	}
	s, err := parseStandard(schedule)
	if err != nil {
		return nil, fmt.Errorf("cannot use schedule %q: %w", schedule, err)
	}
	if spec, ok := s.(*cron.SpecSchedule); ok {
		spec.Location = local
	}
	return s, nil
}

// parseStandard calls the cron library's parser. It converts its panics, for example on "TZ=x", to Kubernetes' error.
func parseStandard(schedule string) (s Schedule, err error) {
	defer func() {
		if r := recover(); r != nil {
			s, err = nil, fmt.Errorf("invalid schedule format: %v", r)
		}
	}()
	return cron.ParseStandard(schedule)
}
