package logs

import (
	"context"
	"slices"
	"time"

	"github.com/lyandev/lyandev/services"
	"github.com/lyandev/lyandev/supervisor/engine"
)

// run is what is read of a log: that of one Docker container, up to a time (zero: all).
type run struct {
	id    string
	until time.Time
}

// byContainer groups Docker containers that are instances of one container of a pod, the oldest instance first. The groups are
// in the order of the list.
func byContainer(list []engine.Container) [][]engine.Container {
	var out [][]engine.Container
	at := map[Line]int{}
	for _, c := range list {
		key := lineOf(c.Labels)
		if _, known := at[key]; !known {
			at[key] = len(out)
			out = append(out, nil)
		}
		out[at[key]] = append(out[at[key]], c)
	}
	for _, group := range out {
		slices.SortStableFunc(group, func(a, b engine.Container) int { return a.Created.Compare(b.Created) })
	}
	return out
}

// previous is the last run that ended of a container, as `kubectl logs --previous` chooses it: the last instance if it does not
// run, else the one before. A container that was restarted in place has one instance; then it is what was printed before its
// last start. None if nothing has ended.
func (f *follower) previous(ctx context.Context, instances []engine.Container) []run {
	n := len(instances)
	last := instances[n-1]
	if last.State != engine.StateRunning {
		return []run{{id: last.ID}}
	}
	if n > 1 {
		return []run{{id: instances[n-2].ID}}
	}
	c, err := f.src.InspectContainer(ctx, last.ID)
	if err != nil {
		f.note(ctx, err)
		return nil
	}
	if c.Exited.IsZero() || c.Started.Before(c.Exited) {
		return nil
	}
	return []run{{id: c.ID, until: c.Started.Add(-time.Nanosecond)}}
}

// Last returns the last n lines of the last run that ended of a container of a pod (see Options.Previous).
func Last(ctx context.Context, src Source, project, pod, container string, n int) ([]string, error) {
	var lines []string
	err := Stream(ctx, src, Options{
		Project: project, Tail: n, Previous: true,
		Match: func(_ string, l map[string]string) bool {
			return l[services.PodLabel] == pod && l[services.ContainerLabel] == container
		},
	}, func(l Line) { lines = append(lines, l.Text) })
	return lines, err
}
