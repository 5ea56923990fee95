package main

import (
	"testing"
	"time"
)

func TestParseMoment(t *testing.T) {
	now := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"":                          {},
		"42m":                       now.Add(-42 * time.Minute),
		"1h30m":                     now.Add(-90 * time.Minute),
		"2026-03-04":                time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC),
		"2026-03-04T10:11":          time.Date(2026, 3, 4, 10, 11, 0, 0, time.UTC),
		"2026-03-04T10:11:12":       time.Date(2026, 3, 4, 10, 11, 12, 0, time.UTC),
		"2026-03-04T10:11:12.5Z":    time.Date(2026, 3, 4, 10, 11, 12, 5e8, time.UTC),
		"2026-03-04T10:11:12+02:00": time.Date(2026, 3, 4, 8, 11, 12, 0, time.UTC),
		"1700000000":                time.Unix(1700000000, 0),
		"1700000000.25":             time.Unix(1700000000, 25e7),
		"1700000000.123456789":      time.Unix(1700000000, 123456789),
	} {
		if got, err := parseMoment(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: got %v (%v), want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"yesterday", "1700000000.x", "1.1234567890", "42 minutes"} {
		if got, err := parseMoment(text, now); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
}
