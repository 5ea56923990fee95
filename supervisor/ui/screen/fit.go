package screen

import (
	"fmt"
	"slices"
	"time"
)

// item is a line of a picture that has a mark, a name, a text and an age.
type item struct {
	mark       mark
	name, text string
	// shorter are texts for terminals on which text has no room, the longest first.
	shorter []string
	// since is when what the text says began, zero if that is not known.
	since time.Time
	// rank orders items: the lowest is shown first and dropped last.
	rank int
	// line is the finished line; see View.row.
	line string
}

// The ranks of items.
const (
	rankFailed = iota
	rankSwitch
	rankBad
	rankBuilding
	rankBusy
	rankWarning
	rankWaiting
)

// fit returns the lines of the items, ordered by rank, if there is room for them. Else the last line counts those that are left out.
func fit(items []item, room int) []string {
	slices.SortStableFunc(items, func(a, b item) int { return a.rank - b.rank })
	var lines []string
	for n, i := range items {
		if left := len(items) - n; n == room-1 && left > 1 || room == 0 {
			if room > 0 {
				lines = append(lines, fmt.Sprintf("… and %d more%s", left, waitingWord(i)))
			}
			return lines
		}
		lines = append(lines, i.line)
	}
	return lines
}

// waitingWord says of items that begin with i whether they all wait for others.
func waitingWord(i item) string {
	if i.rank == rankWaiting {
		return ", waiting"
	}
	return ""
}
