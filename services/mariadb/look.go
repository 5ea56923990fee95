package mariadb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// Schemas of lyandev. The first is replicated and copied with the data, the second is local to each server.
const (
	schema      = "lyandev"
	localSchema = "lyandev_local"
	// seedLock is the named lock of the session that loads a copy, so that there is at most one.
	seedLock = "lyandev_seed"
)

// systemSchemas are the schemas without user data.
var systemSchemas = []string{"mysql", "information_schema", "performance_schema", "sys", schema, localSchema}

func systemList() string {
	quoted := make([]string, len(systemSchemas))
	for i, s := range systemSchemas {
		quoted[i] = quote(s)
	}
	return strings.Join(quoted, ",")
}

// look reads the state of one server that Decide needs.
func (s *session) look(ctx context.Context, server *Server) error {
	var binlog, slave sql.NullString
	var readOnly, logBin, updates, strict, tables int
	var lock sql.NullInt64
	err := s.db.QueryRowContext(ctx, `SELECT @@version, @@global.server_id, @@global.read_only, @@global.log_bin,
		@@global.log_slave_updates, @@global.gtid_strict_mode, @@global.gtid_binlog_pos, @@global.gtid_slave_pos,
		IS_USED_LOCK('`+seedLock+`'), EXISTS (SELECT 1 FROM information_schema.tables WHERE table_type = 'BASE TABLE'
		AND table_schema NOT IN (`+systemList()+`))`).
		Scan(&server.Version, &server.ServerID, &readOnly, &logBin, &updates, &strict, &binlog, &slave, &lock, &tables)
	if err != nil {
		return fmt.Errorf("cannot read the variables of pod %s: %w", s.pod, err)
	}
	server.ReadOnly, server.LogBin, server.SlaveUpdates, server.Strict = readOnly != 0, logBin != 0, updates != 0, strict != 0
	server.HasTables, server.Seeding = tables != 0, lock.Valid
	if server.BinlogPos, err = ParsePosition(binlog.String); err != nil {
		return err
	}
	if server.SlavePos, err = ParsePosition(slave.String); err != nil {
		return err
	}
	for _, read := range []func(context.Context, *Server) error{s.readIdentity, s.readTopology, s.readChannels, s.readFirstBinlog} {
		if err := read(ctx, server); err != nil {
			return err
		}
	}
	server.NewID = minRandomID + 1 + rand.Uint32N(1<<32-minRandomID-2)
	server.Wanted = s.creds.fingerprint()
	return nil
}

func (s *session) readIdentity(ctx context.Context, server *Server) error {
	id := &server.Identity
	err := s.db.QueryRowContext(ctx, "SELECT pod, server_id, lineage, prepared FROM "+localSchema+".identity WHERE one = 1").
		Scan(&id.Pod, &id.ServerID, &id.Lineage, &id.Prepared)
	return absent(err, "the identity", s.pod)
}

func (s *session) readTopology(ctx context.Context, server *Server) error {
	t := &server.Topology
	err := s.db.QueryRowContext(ctx, "SELECT master, epoch, lineage, complete FROM "+schema+".topology WHERE one = 1").
		Scan(&t.Master, &t.Epoch, &t.Lineage, &t.Complete)
	return absent(err, "the topology", s.pod)
}

// absent returns nil for the error of a missing row, table or schema, else err.
func absent(err error, what, pod string) error {
	switch n := number(err); {
	case err == nil, errors.Is(err, sql.ErrNoRows), n == 1146, n == 1049, n == 1932:
		return nil
	}
	return fmt.Errorf("cannot read %s of pod %s: %w", what, pod, err)
}

func (s *session) readChannels(ctx context.Context, server *Server) error {
	rows, err := s.db.QueryContext(ctx, "SHOW ALL SLAVES STATUS")
	if err != nil {
		return fmt.Errorf("cannot read the replication status of pod %s: %w", s.pod, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return fmt.Errorf("cannot read the replication status of pod %s: %w", s.pod, err)
	}
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return fmt.Errorf("cannot read the replication status of pod %s: %w", s.pod, err)
		}
		row := map[string]sql.NullString{}
		for i, c := range columns {
			row[c] = values[i]
		}
		server.Channels = append(server.Channels, channelOf(row))
	}
	return rows.Err()
}

func channelOf(row map[string]sql.NullString) Channel {
	number := func(name string) int {
		n, _ := strconv.Atoi(row[name].String) // an unreadable number is shown as 0, like one that is not there
		return n
	}
	c := Channel{
		Name: row["Connection_name"].String, Host: row["Master_Host"].String, Port: number("Master_Port"),
		IO: row["Slave_IO_Running"].String, SQL: row["Slave_SQL_Running"].String,
		IOErrno: number("Last_IO_Errno"), SQLErrno: number("Last_SQL_Errno"),
		IOError: row["Last_IO_Error"].String, SQLError: row["Last_SQL_Error"].String,
		UsingGTID: row["Using_Gtid"].String,
	}
	if behind := row["Seconds_Behind_Master"]; behind.Valid {
		c.BehindKnown = true
		c.Behind = time.Duration(number("Seconds_Behind_Master")) * time.Second
	}
	return c
}

// readFirstBinlog reads whether the oldest existing binary log starts at the empty position.
func (s *session) readFirstBinlog(ctx context.Context, server *Server) error {
	if !server.LogBin {
		return nil
	}
	rows, err := s.db.QueryContext(ctx, "SHOW BINLOG EVENTS LIMIT 4")
	if err != nil {
		return fmt.Errorf("cannot read the binary log of pod %s: %w", s.pod, err)
	}
	defer rows.Close()
	for rows.Next() {
		var file, kind, info string
		var pos, id, end uint64
		if err := rows.Scan(&file, &pos, &kind, &id, &end, &info); err != nil {
			return fmt.Errorf("cannot read the binary log of pod %s: %w", s.pod, err)
		}
		if kind == "Gtid_list" {
			server.FromStart = strings.TrimSpace(info) == "[]"
		}
	}
	return rows.Err()
}

// writeBeat writes the heartbeat row on the master and returns the position after it.
func (s *session) writeBeat(ctx context.Context, stamp int64) (Position, error) {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot connect to pod %s: %w", s.pod, err)
	}
	defer conn.Close()
	_, err = conn.ExecContext(ctx, "INSERT INTO "+schema+".heartbeat (one, pod, stamp) VALUES (1, ?, ?) "+
		"ON DUPLICATE KEY UPDATE pod = VALUES(pod), stamp = VALUES(stamp)", s.pod, stamp)
	if err != nil {
		return nil, fmt.Errorf("cannot write the heartbeat on pod %s: %w", s.pod, err)
	}
	var at string
	if err := conn.QueryRowContext(ctx, "SELECT @@global.gtid_binlog_pos").Scan(&at); err != nil {
		return nil, fmt.Errorf("cannot read the position of pod %s: %w", s.pod, err)
	}
	return ParsePosition(at)
}

// beatWait is how long to wait for the new row on a slave before the age of its last row is used.
const beatWait = 300 * time.Millisecond

// readBeat waits for the heartbeat with that stamp (in microseconds) on a slave.
func (s *session) readBeat(ctx context.Context, stamp int64, at Position) (Beat, error) {
	started := time.Now()
	if _, err := s.db.ExecContext(ctx, "DO MASTER_GTID_WAIT(?, ?)", at.String(), beatWait.Seconds()); err != nil {
		return Beat{}, fmt.Errorf("cannot wait for the heartbeat on pod %s: %w", s.pod, err)
	}
	waited := time.Since(started)
	var seen int64
	err := s.db.QueryRowContext(ctx, "SELECT stamp FROM "+schema+".heartbeat WHERE one = 1").Scan(&seen)
	if err != nil {
		return Beat{}, absent(err, "the heartbeat", s.pod)
	}
	if seen >= stamp {
		return Beat{Seen: true, Arrived: true, Lag: waited}, nil
	}
	return Beat{Seen: true, Lag: max(time.Duration(stamp-seen)*time.Microsecond, waited)}, nil
}
