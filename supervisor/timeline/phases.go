package timeline

import (
	"fmt"
	"slices"
)

// maxNotes bounds the notes of a phase.
const maxNotes = 12

// phases are the phases of a drill as one link, with what happened in each.
func phases(a *Action) []Link {
	w := &walk{action: a}
	steps := w.fill(a.Start, a.End, "drill")
	all := notes(a)
	for i, s := range steps {
		for _, n := range all {
			if !n.At.Before(s.From) && n.At.Before(s.To) {
				steps[i].Notes = append(steps[i].Notes, n)
			}
		}
		if more := len(steps[i].Notes) - maxNotes; more > 0 {
			last := steps[i].Notes[maxNotes].At
			steps[i].Notes = append(steps[i].Notes[:maxNotes:maxNotes], Note{At: last, Text: fmt.Sprintf("and %d more", more)})
		}
	}
	if len(steps) == 0 {
		return nil
	}
	return []Link{{Steps: steps}}
}

// notes are what happened to pods, and what operators found when it was something else than before, in the order of time.
func notes(a *Action) []Note {
	var out []Note
	said := map[string]string{}
	for _, s := range a.of(Mark, Pod, Operator, Event) {
		switch {
		case s.Start.Before(a.Start):
		case s.Kind == Mark && (s.Name == PodUnready || s.Name == PodReady || s.Name == PodGone || s.Name == PodWanted || s.Name == PodEnded):
			out = append(out, Note{s.Start, s.Object + " is " + s.Name})
		case s.Kind == Pod && s.Name == StepStart:
			out = append(out, Note{s.End, fmt.Sprintf("container %s of %s was started in %.2f s", s.Detail, s.Object, s.Took().Seconds())})
		case s.Kind == Event:
			out = append(out, Note{s.Start, s.Object + ": " + s.Detail})
		case s.Kind == Operator:
			text := s.Detail
			if !s.Failed {
				text = "all is right"
			}
			if before, known := said[s.Object]; before != text && (known || s.Failed) {
				out = append(out, Note{s.End, "operator " + s.Object + ": " + text})
			}
			said[s.Object] = text
		}
	}
	slices.SortStableFunc(out, func(x, y Note) int { return x.At.Compare(y.At) })
	return out
}
