package innerloop

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// ActionStats are the percentiles of one kind of edit.
type ActionStats struct {
	// Action is what was done: "sync", "sync+restart", "rebuild", or several joined by ", ".
	Action string `json:"action"`
	Count  int    `json:"count"`
	Failed int    `json:"failed,omitempty"`
	// Stages are the percentiles of each stage that took any time, and of "total", in the order of the stages.
	Stages []StageStats `json:"stages"`
}

// StageStats are the percentiles of one stage.
type StageStats struct {
	Stage string        `json:"stage"`
	P50   time.Duration `json:"p50"`
	P90   time.Duration `json:"p90"`
	P99   time.Duration `json:"p99"`
	Max   time.Duration `json:"max"`
}

// stages are the stages of a record in their order.
func (r *Record) stages() []stageTime {
	return []stageTime{
		{"batched", r.Batched},
		{"waited", r.Waited},
		{"built", r.Built},
		{"shipped", r.Shipped},
		{"restarted", r.Restarted},
		{"ready", r.Ready},
		{"total", r.Total},
	}
}

type stageTime struct {
	name string
	took time.Duration
}

// Stats are the percentiles of records, by what was done. Edits that failed are counted, and leave the times alone.
func Stats(records []Record) []ActionStats {
	byAction := map[string][]Record{}
	failed := map[string]int{}
	for _, r := range records {
		action := strings.Join(r.Actions, ", ")
		if r.Error != "" {
			failed[action]++
			continue
		}
		byAction[action] = append(byAction[action], r)
	}
	for action := range failed {
		if _, ok := byAction[action]; !ok {
			byAction[action] = nil
		}
	}
	var out []ActionStats
	for _, action := range slices.Sorted(maps.Keys(byAction)) {
		list := byAction[action]
		s := ActionStats{Action: action, Count: len(list) + failed[action], Failed: failed[action]}
		for i, stage := range (&Record{}).stages() {
			var times []time.Duration
			for j := range list {
				times = append(times, list[j].stages()[i].took)
			}
			slices.Sort(times)
			if len(times) == 0 || times[len(times)-1] < 100*time.Microsecond {
				continue
			}
			s.Stages = append(s.Stages, StageStats{
				Stage: stage.name, P50: percentile(times, 50), P90: percentile(times, 90), P99: percentile(times, 99),
				Max: times[len(times)-1],
			})
		}
		out = append(out, s)
	}
	return out
}

// percentile is the smallest of sorted times that p per cent are not above.
func percentile(sorted []time.Duration, p int) time.Duration {
	i := (len(sorted)*p + 99) / 100
	return sorted[max(i, 1)-1]
}
