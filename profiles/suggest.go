package profiles

import (
	"slices"
	"strings"
)

// Nearest returns the known word nearest to a misspelt one, "" if none is near.
func Nearest(word string, known []string) string {
	best, distance := "", max(1, (len(word)+1)/3)+1
	for _, k := range slices.Sorted(slices.Values(known)) {
		d := editDistance(strings.ToLower(word), strings.ToLower(k))
		if d < distance {
			best, distance = k, d
		}
	}
	return best
}

// didYouMean returns the hint for an unknown word: the nearest known one, or all of them if they are few.
func didYouMean(word string, known []string) string {
	if s := Nearest(word, known); s != "" {
		return "did you mean " + s + "?"
	}
	if n := len(known); n > 0 && n <= 12 {
		return "known: " + strings.Join(slices.Sorted(slices.Values(known)), ", ")
	}
	return ""
}

// nearestHint is the hint for a wrong word if one of the known ones is near, else "".
func nearestHint(word string, known []string) string {
	if s := Nearest(word, known); s != "" {
		return "did you mean " + s + "?"
	}
	return ""
}

// editDistance counts insertions, deletions, replacements and transpositions of adjacent characters.
func editDistance(a, b string) int {
	x, y := []rune(a), []rune(b)
	if len(x) > 64 || len(y) > 64 {
		return len(x) + len(y)
	}
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(x)][len(y)]
}
