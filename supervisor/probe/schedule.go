package probe

import "time"

// schedule is a worker's ticker (R1, R2). It ticks every period from its start; at most one tick is kept while the worker is
// busy; only a manual trigger changes the phase (R15). It also holds the time of the next early try (Fast only), which does not
// affect the ticks.
type schedule struct {
	period time.Duration
	tick   time.Time
	early  time.Time
}

// newSchedule returns a ticker whose first tick is at first: at once (R1), or after the jitter following the supervisor's start
// (R21).
func newSchedule(first time.Time, period time.Duration) schedule {
	return schedule{period: period, tick: first}
}

// take uses up the tick that is due, if one is, and reports it. Ticks missed while the worker was busy count as one.
func (s *schedule) take(now time.Time) bool {
	if now.Before(s.tick) {
		return false
	}
	missed := now.Sub(s.tick) / s.period
	s.tick = s.tick.Add((missed + 1) * s.period)
	return true
}

// restart begins the ticks anew from now (R15); a remembered tick is dropped.
func (s *schedule) restart(now time.Time) { s.tick = now.Add(s.period) }

// next is the time of the next wake.
func (s *schedule) next() time.Time {
	if !s.early.IsZero() && s.early.Before(s.tick) {
		return s.early
	}
	return s.tick
}

const (
	earlyFirst = 100 * time.Millisecond
	earlyStep  = 50 * time.Millisecond
	earlyLast  = 250 * time.Millisecond

	cheapFirst = 20 * time.Millisecond
	cheapLast  = 100 * time.Millisecond

	// prematureFirst is the wait until the ports of a container are looked at again, growing by a quarter to prematureLast: a look takes
	// the kernel some 0.2 ms. prematureLimit is how long a command is not tried because of them: the declared ports may be wrong.
	prematureFirst = 10 * time.Millisecond
	prematureLast  = 40 * time.Millisecond
	prematureLimit = time.Second
)

// earlyGap is the wait after the n-th early try (from 0) of a command that took the given time: 100 ms growing to 250 ms, and never
// less than twice what the try took, so that slow commands are not tried all the time.
func earlyGap(n int, took time.Duration) time.Duration {
	gap := min(earlyFirst+time.Duration(n)*earlyStep, earlyLast)
	return max(gap, 2*took)
}

// cheapGap is the wait after the n-th early try (from 0) of a request or connection: 20 ms growing to 100 ms. What the try took is
// mostly time in which the server had not begun to answer.
func cheapGap(n int) time.Duration {
	return min(cheapFirst+time.Duration(n)*cheapFirst/4, cheapLast)
}
