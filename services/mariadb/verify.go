package mariadb

import (
	"context"
	"fmt"
	"time"
)

// Different rows on a slave stay undetected until a statement fails on them, so tables are compared periodically: both servers
// compute checksums, which are valid only if no transaction ran meanwhile. Otherwise the comparison is repeated later.

const (
	// verifyEvery is the default interval of comparisons, verifyLimit the size in bytes from which tables are skipped.
	verifyEvery = 2 * time.Minute
	verifyLimit = 64 << 20
	// verifyTime limits one comparison, which delays the next observation.
	verifyTime = 3 * time.Second
)

// verify compares each right slave with the master if a comparison is due. Differences are recorded for the next Decide.
func (o *Operator) verify(ctx context.Context, r *round) {
	f := &r.facts
	m := f.Server(elect(f).Master)
	if m == nil || !m.Beat.Arrived {
		return
	}
	for _, s := range f.Servers {
		if s == m || !s.Beat.Arrived || len(s.Mismatch) > 0 || !o.verifyDue(s.Pod, f.Now) {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, verifyTime)
		differing, err := compare(ctx, r.sessions[m.Pod], r.sessions[s.Pod])
		cancel()
		if err != nil {
			o.log().Debug("cannot compare tables", "pod", s.Pod, "err", err)
			continue
		}
		if len(differing) > 0 {
			o.log().Warn("a slave's rows differ from the master's", "pod", s.Pod, "tables", differing)
		}
		o.mu.Lock()
		o.recall(s.Pod).mismatch = differing
		o.mu.Unlock()
		s.Mismatch = differing
	}
}

func (o *Operator) verifyDue(pod string, now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	m := o.recall(pod)
	every := o.VerifyEvery
	if every == 0 {
		every = verifyEvery
	}
	if m.verified.IsZero() {
		m.verified = now // the first comparison comes after a while, not at the start
	}
	if now.Sub(m.verified) < every {
		return false
	}
	m.verified = now
	return true
}

// compare returns the tables whose checksums differ, none if a transaction ran meanwhile or the slave is behind.
func compare(ctx context.Context, master, slave *session) ([]string, error) {
	tables, err := master.column(ctx, fmt.Sprintf("SELECT CONCAT('`', REPLACE(table_schema, '`', '``'), '`.`', REPLACE(table_name, '`', '``'), '`') "+
		"FROM information_schema.tables WHERE table_type = 'BASE TABLE' AND table_schema NOT IN (%s) AND COALESCE(data_length, 0) < %d "+
		"ORDER BY table_schema, table_name LIMIT 500", systemList(), verifyLimit))
	if err != nil || len(tables) == 0 {
		return nil, err
	}
	var sums [2]map[string]string
	var at [2]Position
	for i, s := range []*session{master, slave} {
		before, err := s.position(ctx)
		if err != nil {
			return nil, err
		}
		if sums[i], err = s.checksums(ctx, tables); err != nil {
			return nil, err
		}
		if at[i], err = s.position(ctx); err != nil {
			return nil, err
		}
		if before.String() != at[i].String() {
			return nil, nil
		}
	}
	again, err := master.position(ctx)
	if err != nil || again.String() != at[0].String() || at[1].String() != at[0].String() {
		return nil, err
	}
	var differing []string
	for _, t := range tables {
		if sums[0][t] != sums[1][t] {
			differing = append(differing, t)
		}
	}
	return differing, nil
}

func (s *session) position(ctx context.Context) (Position, error) {
	var binlog, slave string
	err := s.db.QueryRowContext(ctx, "SELECT @@global.gtid_binlog_pos, @@global.gtid_slave_pos").Scan(&binlog, &slave)
	if err != nil {
		return nil, fmt.Errorf("cannot read the position of pod %s: %w", s.pod, err)
	}
	b, err := ParsePosition(binlog)
	if err != nil {
		return nil, err
	}
	p, err := ParsePosition(slave)
	return b.Merge(p), err
}

func (s *session) checksums(ctx context.Context, tables []string) (map[string]string, error) {
	out := map[string]string{}
	for _, t := range tables {
		var ignored string
		var sum *string
		if err := s.db.QueryRowContext(ctx, "CHECKSUM TABLE "+t).Scan(&ignored, &sum); err != nil {
			return nil, fmt.Errorf("cannot compute the checksum of %s on pod %s: %w", t, s.pod, err)
		}
		if sum != nil {
			out[t] = *sum
		}
	}
	return out, nil
}
