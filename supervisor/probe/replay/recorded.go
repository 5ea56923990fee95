package replay

import (
	"encoding/json"
	"fmt"
)

// Line is a line of a trace that has a text. Earliest and Latest are its times over all runs of a recorded trace, in seconds;
// both are At where the trace gives none.
type Line struct {
	Event, Text          string
	At, Earliest, Latest float64
}

// Lines reads the lines of a trace that have a text, in their order.
func Lines(trace []byte) ([]Line, error) {
	var file struct {
		Events []struct {
			T           float64
			Event, Text string
		}
		Ranges []struct {
			Key      string
			Min, Max float64
		}
	}
	if err := json.Unmarshal(trace, &file); err != nil {
		return nil, fmt.Errorf("cannot read trace: %w", err)
	}
	type span struct{ first, last float64 }
	spans := map[string]span{}
	for _, r := range file.Ranges {
		spans[r.Key] = span{r.Min, r.Max}
	}
	var out []Line
	times := map[string]int{}
	for _, e := range file.Events {
		if e.Text == "" {
			continue
		}
		l := Line{Event: e.Event, Text: e.Text, At: e.T, Earliest: e.T, Latest: e.T}
		key := fmt.Sprintf("%s text=%s", e.Event, e.Text)
		times[key]++
		if s, ok := spans[fmt.Sprintf("%s #%d", key, times[key])]; ok {
			l.Earliest, l.Latest = min(s.first, e.T), max(s.last, e.T)
		}
		out = append(out, l)
	}
	return out, nil
}
