//go:build unix

package main

import (
	"math"
	"slices"
)

// median returns the middle of the values, or the mean of the two in the middle; NaN if there are none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// spread returns the largest distance of a value from the median, as a part of the median. It is 0 if all values are equal,
// and NaN if there are none or if the median is 0 and the values differ.
func spread(values []float64) float64 {
	m := median(values)
	far := 0.0
	for _, v := range values {
		far = max(far, math.Abs(v-m))
	}
	if far == 0 && len(values) > 0 {
		return 0
	}
	if m == 0 {
		return math.NaN()
	}
	return far / math.Abs(m)
}

// significance is the level below which a difference counts as real, as in benchstat.
const significance = 0.05

// mannWhitney returns the two-sided p-value of the Mann-Whitney U test: how probable a difference in rank at least this large
// is if both samples come from the same distribution. It is exact, also with equal values (which share the mean of their
// ranks): it counts all ways to choose len(a) of the ranks. It returns 1 if a sample is empty.
func mannWhitney(a, b []float64) float64 {
	if len(a) == 0 || len(b) == 0 {
		return 1
	}
	ranks, sum := doubledRanks(a, b)
	total := 0
	for _, r := range ranks {
		total += r
	}
	// ways[n][s] is the number of ways to choose n ranks with the sum s.
	ways := make([][]float64, len(a)+1)
	for n := range ways {
		ways[n] = make([]float64, total+1)
	}
	ways[0][0] = 1
	for _, r := range ranks {
		for n := len(a); n > 0; n-- {
			for s := total; s >= r; s-- {
				ways[n][s] += ways[n-1][s-r]
			}
		}
	}
	// Twice the distance from the expected sum, so that it is a whole number.
	size := len(a) + len(b)
	distance := func(s int) int { return abs(s*size - total*len(a)) }
	all, extreme := 0.0, 0.0
	for s, w := range ways[len(a)] {
		all += w
		if distance(s) >= distance(sum) {
			extreme += w
		}
	}
	return extreme / all
}

// doubledRanks returns the ranks of all values, doubled so that the mean of two is whole, and the sum of those of a.
func doubledRanks(a, b []float64) (ranks []int, sumOfA int) {
	all := slices.Sorted(slices.Values(slices.Concat(a, b)))
	rank := func(v float64) int {
		first, _ := slices.BinarySearch(all, v)
		last := first
		for last+1 < len(all) && all[last+1] == v {
			last++
		}
		return first + last + 2
	}
	for _, v := range all {
		ranks = append(ranks, rank(v))
	}
	for _, v := range a {
		sumOfA += rank(v)
	}
	return ranks, sumOfA
}

func abs(n int) int { return max(n, -n) }

// growth returns the exponent e of the power law y = c * x^e that fits the points best (least squares of the logarithms): 1 is
// linear, less is better than linear. It is NaN if fewer than two points are positive.
func growth(x, y []float64) float64 {
	var n, sx, sy, sxx, sxy float64
	for i := range x {
		if x[i] <= 0 || y[i] <= 0 {
			continue
		}
		lx, ly := math.Log(x[i]), math.Log(y[i])
		n, sx, sy, sxx, sxy = n+1, sx+lx, sy+ly, sxx+lx*lx, sxy+lx*ly
	}
	if n < 2 {
		return math.NaN()
	}
	return (n*sxy - sx*sy) / (n*sxx - sx*sx)
}
