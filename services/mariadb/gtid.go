package mariadb

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// GTID is a global transaction ID: domain-server-sequence.
type GTID struct {
	Domain, Server uint32
	Seq            uint64
}

func (g GTID) String() string { return fmt.Sprintf("%d-%d-%d", g.Domain, g.Server, g.Seq) }

// Position is a GTID position: the last transaction of each domain. A nil Position is empty.
type Position map[uint32]GTID

// ParsePosition parses a position as printed by the server ("0-1-6,1-2-9"). The empty string is the empty position.
func ParsePosition(s string) (Position, error) {
	var p Position
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		g, err := parseGTID(part)
		if err != nil {
			return nil, err
		}
		if p == nil {
			p = Position{}
		}
		if old, ok := p[g.Domain]; !ok || old.Seq < g.Seq {
			p[g.Domain] = g
		}
	}
	return p, nil
}

func parseGTID(s string) (GTID, error) {
	fields := strings.Split(s, "-")
	if len(fields) != 3 {
		return GTID{}, fmt.Errorf("cannot parse GTID %q: it must be domain-server-sequence", s)
	}
	domain, err1 := strconv.ParseUint(fields[0], 10, 32)
	server, err2 := strconv.ParseUint(fields[1], 10, 32)
	seq, err3 := strconv.ParseUint(fields[2], 10, 64)
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			return GTID{}, fmt.Errorf("cannot parse GTID %q: %w", s, err)
		}
	}
	return GTID{Domain: uint32(domain), Server: uint32(server), Seq: seq}, nil
}

// String returns the position in the server's format, ordered by domain.
func (p Position) String() string {
	parts := make([]string, 0, len(p))
	for _, d := range slices.Sorted(maps.Keys(p)) {
		parts = append(parts, p[d].String())
	}
	return strings.Join(parts, ",")
}

// Empty reports whether the position holds no transaction.
func (p Position) Empty() bool { return len(p) == 0 }

// Merge returns the later position of both in each domain.
func (p Position) Merge(q Position) Position {
	if p.Empty() && q.Empty() {
		return nil
	}
	out := maps.Clone(p)
	if out == nil {
		out = Position{}
	}
	for d, g := range q {
		if old, ok := out[d]; !ok || old.Seq < g.Seq {
			out[d] = g
		}
	}
	return out
}

// Ahead returns the transactions of p that q lacks: of the domains in which p is later, or has the same sequence number from a
// different server.
func (p Position) Ahead(q Position) Position {
	var out Position
	for d, g := range p {
		other, ok := q[d]
		if ok && (g.Seq < other.Seq || g == other) {
			continue
		}
		if out == nil {
			out = Position{}
		}
		out[d] = g
	}
	return out
}

// Behind returns the number of transactions that q has and p lacks, by sequence numbers.
func (p Position) Behind(q Position) uint64 {
	var n uint64
	for d, g := range q {
		if mine := p[d].Seq; mine < g.Seq {
			n += g.Seq - mine
		}
	}
	return n
}
