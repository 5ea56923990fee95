package replay

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Line is a line of a trace that has a text. Key is that of its range: event, text, and how often it came already.
type Line struct {
	Key, Event, Text string
	// At is when it came, Earliest and Latest when over all runs of a recorded trace, in seconds. Always: it came in every run.
	At, Earliest, Latest float64
	Always               bool
}

// Lines reads the lines of a trace that have a text, in their order. others are those that only other runs of a recorded
// trace had, by their key; their At is the earliest.
func Lines(trace []byte) (lines []Line, others map[string]Line, err error) {
	var file struct {
		Runs   int
		Events []struct {
			T           float64
			Event, Text string
		}
		Ranges []struct {
			Key      string
			Min, Max float64
			Runs     int
		}
	}
	if err := json.Unmarshal(trace, &file); err != nil {
		return nil, nil, fmt.Errorf("cannot read trace: %w", err)
	}
	others = map[string]Line{}
	for _, r := range file.Ranges {
		event, text, _ := strings.Cut(r.Key[:max(0, strings.LastIndex(r.Key, " #"))], " text=")
		others[r.Key] = Line{r.Key, event, text, r.Min, r.Min, r.Max, r.Runs == file.Runs}
	}
	times := map[string]int{}
	for _, e := range file.Events {
		if e.Text == "" {
			continue
		}
		key := fmt.Sprintf("%s text=%s", e.Event, e.Text)
		times[key]++
		l := Line{fmt.Sprintf("%s #%d", key, times[key]), e.Event, e.Text, e.T, e.T, e.T, true}
		if r, ok := others[l.Key]; ok {
			l.Earliest, l.Latest, l.Always = min(r.Earliest, e.T), max(r.Latest, e.T), r.Always
			delete(others, l.Key)
		}
		lines = append(lines, l)
	}
	return lines, others, nil
}
