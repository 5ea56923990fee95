package main

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// parseMoment parses a time as Docker's --since does: a duration before now (42m), RFC 3339, a date or a date and time in the
// local zone, or seconds since 1970. "" is the zero time.
func parseMoment(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	seconds, fraction, _ := strings.Cut(text, ".")
	s, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil || len(fraction) > 9 {
		return time.Time{}, errors.New("it must be a duration (42m), a date (2006-01-02T15:04:05Z) or seconds since 1970")
	}
	ns, err := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
	if err != nil {
		return time.Time{}, errors.New("it must be a duration (42m), a date (2006-01-02T15:04:05Z) or seconds since 1970")
	}
	return time.Unix(s, ns), nil
}
