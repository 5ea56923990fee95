package redis

import (
	"maps"
	"slices"
	"strconv"
	"time"
)

// The periods of a sentinel (SENTINEL DEBUG, since 7.0) in milliseconds. They are global to the process, and a restarted one has
// the defaults again, so each look reads them.
//
// A sentinel considers a server down when a ping has been unanswered for down-after-milliseconds, so a hang is noticed up to one
// ping-period later than that. ask-period is how often it asks the others whether they agree. A replica is only promoted if its last
// answers to PING and INFO are younger than five ping-periods. During a failover INFO is sent every second, whatever info-period is,
// so five ping-periods must be clearly more than a second.
const (
	infoPeriod, pingPeriod, askPeriod = "info-period", "ping-period", "ask-period"
	infoOften, pingOften, askOften    = "1000", "300", "100"
	// pingNormal is the ping-period while the master does not answer: its pending ping counts already, and a replica that answers
	// slowly on a busy machine can still be promoted.
	pingNormal = "1000"
)

const (
	// silence is from when on an unanswered ping means that the master does not answer.
	silence = time.Second
	// A sentinel sees that the replica was promoted in the next answer to INFO, up to a second after the promotion. Align makes the
	// sentinels send INFO alignBefore before they consider the master down, so that the next one, a second later, follows the
	// promotion closely: that takes 0.2 to 0.4 s from then on. From alignLatest on it is too late to send one.
	alignBefore = 650 * time.Millisecond
	alignLatest = 400 * time.Millisecond
)

// unanswered reports whether the sentinel's master has not answered for silence.
func (s *Sentinel) unanswered() bool { return s.Silence >= silence }

// masterSilent reports whether a sentinel has waited for the master for silence.
func (f *Facts) masterSilent() bool { return slices.ContainsFunc(f.Sentinels, (*Sentinel).unanswered) }

// downIn returns in how long a quorum of the sentinels will consider the silent master down if it does not answer before; known is
// false if fewer sentinels than that get no answer from it. It is negative after that moment.
func (f *Facts) downIn() (left time.Duration, known bool) {
	var all []time.Duration
	for _, s := range f.Sentinels {
		limit, err := strconv.Atoi(s.Settings["down-after-milliseconds"])
		if s.Reached && s.Known && s.unanswered() && err == nil {
			all = append(all, time.Duration(limit)*time.Millisecond-s.Silence)
		}
	}
	if n := f.Settings.Quorum; n < 1 || len(all) < n {
		return 0, false
	}
	slices.Sort(all)
	return all[f.Settings.Quorum-1], true
}

// paces set the sentinels' periods where they are not as they should be.
func paces(f *Facts) []Step {
	align := aligns(f)
	var out []Step
	for _, s := range f.Sentinels {
		if !s.Reached || !s.Known || s.Periods == nil {
			continue
		}
		if align {
			st := step(s.Process, Align, "to see the promotion of a replica soon")
			st.Options = map[string]string{infoPeriod: "1", pingPeriod: pingNormal}
			out = append(out, st)
			continue
		}
		want := map[string]string{infoPeriod: infoOften, askPeriod: askOften}
		switch {
		case f.masterSilent():
			want[pingPeriod] = pingNormal
		case !f.masterDown():
			want[pingPeriod] = pingOften
		}
		maps.DeleteFunc(want, func(k, v string) bool { return s.Periods[k] == v })
		if len(want) > 0 {
			st := step(s.Process, Hurry, "to notice changes soon")
			st.Options = want
			out = append(out, st)
		}
	}
	return out
}

// aligns reports whether it is time for Align.
func aligns(f *Facts) bool {
	left, known := f.downIn()
	return known && !f.Aligned && left <= alignBefore+settle/2 && left > alignLatest
}
