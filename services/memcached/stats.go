package memcached

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	units "github.com/docker/go-units"
)

// Stats are the statistics of one server, or the totals of several.
type Stats struct {
	// Known is false if the server returned no statistics.
	Known                bool
	Items, Bytes, Limit  int64 // Bytes and Limit in bytes
	Connections          int64
	Hits, Misses, Evicts int64
	Accepting            bool
	UptimeSeconds        int64
}

// errProtocol is returned for an answer that does not follow the Memcached protocol.
var errProtocol = errors.New("not an answer of memcached")

// ask queries one server for its version, which is required, and its statistics.
func ask(conn io.ReadWriter) (version string, s Stats, err error) {
	if _, err := io.WriteString(conn, "version\r\nstats\r\n"); err != nil {
		return "", s, err
	}
	in := bufio.NewReader(io.LimitReader(conn, 1<<20))
	line, err := readLine(in)
	if err != nil {
		return "", s, err
	}
	version, ok := strings.CutPrefix(line, "VERSION ")
	if !ok {
		return "", s, fmt.Errorf("%w: %q", errProtocol, line)
	}
	fields := map[string]string{}
	for {
		line, err := readLine(in)
		if err != nil {
			return "", s, err
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "STAT "), " ")
		switch {
		case line == "END":
			return version, statsOf(fields), nil
		case !strings.HasPrefix(line, "STAT ") || !ok:
			return "", s, fmt.Errorf("%w: %q", errProtocol, line)
		}
		fields[name] = value
	}
}

func readLine(in *bufio.Reader) (string, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		if errors.Is(err, io.EOF) && line == "" {
			return "", io.ErrUnexpectedEOF
		}
		return "", err
	}
	return strings.TrimRight(line, "\r\n"), nil
}

func statsOf(f map[string]string) Stats {
	n := func(name string) int64 {
		v, err := strconv.ParseInt(f[name], 10, 64)
		if err != nil {
			return 0
		}
		return v
	}
	return Stats{
		Known: len(f) > 0, Items: n("curr_items"), Bytes: n("bytes"), Limit: n("limit_maxbytes"), Connections: n("curr_connections"),
		Hits: n("get_hits"), Misses: n("get_misses"), Evicts: n("evictions"), Accepting: f["accepting_conns"] != "0",
		UptimeSeconds: n("uptime"),
	}
}

func (s Stats) add(o Stats) Stats {
	s.Known = s.Known || o.Known
	s.Items += o.Items
	s.Bytes += o.Bytes
	s.Limit += o.Limit
	s.Connections += o.Connections
	s.Hits += o.Hits
	s.Misses += o.Misses
	s.Evicts += o.Evicts
	return s
}

// HitRate is the percentage of reads since the servers started that found a value; "-" before the first read.
func (s Stats) HitRate() string {
	if s.Hits+s.Misses == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f%%", 100*float64(s.Hits)/float64(s.Hits+s.Misses))
}

func (s Stats) detail() map[string]string {
	return map[string]string{
		"hit-rate": s.HitRate(), "items": strconv.FormatInt(s.Items, 10), "bytes": units.BytesSize(float64(s.Bytes)),
		"limit": units.BytesSize(float64(s.Limit)), "connections": strconv.FormatInt(s.Connections, 10),
		"evictions": strconv.FormatInt(s.Evicts, 10),
	}
}
